//! Every row of the table of features.md 4.5, and what must hold for any text.

use proptest::prelude::*;

use super::*;

fn e164(raw: &str, region: &str) -> Option<String> {
    PhoneNumber::parse(raw, region).e164
}

#[test]
fn japanese_numbers_read_alike_however_they_are_written() {
    for raw in ["03-1234-5678", "03(1234)5678", "+81 (0)3 1234 5678", "010 81 3 1234 5678", "０３ー１２３４ー５６７８"]
    {
        assert_eq!(e164(raw, "JP").as_deref(), Some("+81312345678"), "{raw}");
    }
}

#[test]
fn full_width_digits_are_digits() {
    assert_eq!(e164("０９０－１２３４－５６７８", "JP").as_deref(), Some("+819012345678"));
    assert_eq!(e164("٠٣-١٢٣٤-٥٦٧٨", "JP").as_deref(), Some("+81312345678"));
}

#[test]
fn voip_toll_free_and_company_wide_numbers_are_valid() {
    assert_eq!(e164("050-1234-5678", "JP").as_deref(), Some("+815012345678"));
    assert_eq!(e164("0120-123-456", "JP").as_deref(), Some("+81120123456"));
    assert_eq!(e164("0570-123-456", "JP").as_deref(), Some("+81570123456"));
}

#[test]
fn double_zero_before_a_country_code_is_a_plus() {
    assert_eq!(e164("0081312345678", "JP").as_deref(), Some("+81312345678"));
    assert_eq!(e164("001 650 253 0000", "JP").as_deref(), Some("+16502530000"));
}

#[test]
fn showing_or_hiding_the_own_number_is_no_part_of_the_number() {
    assert_eq!(e164("184 03-1234-5678", "JP").as_deref(), Some("+81312345678"));
    assert_eq!(e164("186-090-1234-5678", "JP").as_deref(), Some("+819012345678"));
    assert_eq!(e164("#31#090-1234-5678", "JP").as_deref(), Some("+819012345678"));
    assert_eq!(e164("141 020 7946 0000", "GB").as_deref(), Some("+442079460000"));
}

#[test]
fn an_extension_is_split_off_whatever_introduces_it() {
    for raw in [
        "03-1234-5678 内線 123",
        "03-1234-5678 (内線123)",
        "03-1234-5678 ext. 123",
        "03-1234-5678 Ext123",
        "03-1234-5678#123",
        "03-1234-5678 x123",
        "03-1234-5678,,123#",
        "03-1234-5678;123",
        "tel:+81-3-1234-5678;ext=123",
        "sip:+81312345678;ext=123@pbx.example;user=phone",
    ] {
        let number = PhoneNumber::parse(raw, "JP");
        assert_eq!(number.e164.as_deref(), Some("+81312345678"), "{raw}");
        assert_eq!(number.extension.as_deref(), Some("123"), "{raw}");
        assert_eq!(number.raw, raw);
    }
}

#[test]
fn a_uri_gives_its_user_part() {
    for raw in [
        "sip:+81312345678@203.0.113.9;user=phone",
        "SIPS:%2B81312345678@pbx.example",
        "tel:+81-3-1234-5678",
        "tel:03-1234-5678;phone-context=+81",
        "03-1234-5678;phone-context=+81",
        "sip:0312345678@pbx.example",
    ] {
        assert_eq!(e164(raw, "JP").as_deref(), Some("+81312345678"), "{raw}");
    }
    assert_eq!(PhoneNumber::parse("sip:101@pbx.example", "JP").extension.as_deref(), Some("101"));
    assert_eq!(PhoneNumber::parse("tel:101;phone-context=pbx.example", "JP").extension.as_deref(), Some("101"));
}

#[test]
fn emergency_numbers_are_no_extensions() {
    for raw in ["110", "１１０", "tel:119", "118", "112", "184-110"] {
        assert!(is_emergency(raw, "JP"), "{raw}");
        let number = PhoneNumber::parse(raw, "JP");
        assert_eq!((number.e164.as_ref(), number.extension.as_ref()), (None, None), "{raw}");
        assert_eq!(number.kind("JP"), Kind::Emergency);
    }
    assert!(!is_emergency("110", "US"));
    assert!(!is_emergency("03-1234-0110", "JP"));
}

#[test]
fn a_short_number_is_an_internal_extension() {
    for (raw, extension) in [("101", "101"), ("内線 123", "123"), ("#42", "42"), ("5678", "5678")] {
        let number = PhoneNumber::parse(raw, "JP");
        assert_eq!((number.e164.as_deref(), number.extension.as_deref()), (None, Some(extension)), "{raw}");
        assert_eq!(number.kind("JP"), Kind::Internal);
    }
    assert_eq!(PhoneNumber::parse("812345", "JP").extension, None);
    assert_eq!(PhoneNumber::parse_with_plan("812345", "JP", 6).extension.as_deref(), Some("812345"));
}

#[test]
fn a_number_without_its_area_code_is_possible_but_not_valid() {
    let number = PhoneNumber::parse("1234-5678", "JP");
    assert_eq!(number.e164, None);
    assert_eq!(number.digits.as_deref(), Some("12345678"));
    assert_eq!(number.nsn_tail().as_deref(), Some("12345678"));
    assert_eq!(number.kind("JP"), Kind::Possible);
}

#[test]
fn italy_and_san_marino_are_two_countries() {
    assert_eq!(e164("+390549123456", "IT").as_deref(), Some("+390549123456"));
    assert_eq!(e164("+3780549886377", "SM").as_deref(), Some("+3780549886377"));
    let italian = PhoneNumber::parse("+390549886377", "IT");
    let sanmarinese = PhoneNumber::parse("+3780549886377", "SM");
    assert_eq!(find(&italian, [(1, &sanmarinese)], TAIL_DIGITS), []);
}

#[test]
fn a_leading_zero_that_belongs_to_the_number_survives_a_call_from_abroad() {
    for (raw, region) in [("+39 06 1234 5678", "DE"), ("0039 06 1234 5678", "DE"), ("010 39 06 1234 5678", "JP")] {
        assert_eq!(e164(raw, region).as_deref(), Some("+390612345678"), "{raw}");
    }
}

#[test]
fn letters_are_read_as_on_a_keypad() {
    assert_eq!(e164("1-800-FLOWERS", "US").as_deref(), Some("+18003569377"));
}

#[test]
fn argentine_mobiles_read_alike_from_home_and_abroad() {
    assert_eq!(e164("+54 9 11 2345-6789", "AR").as_deref(), Some("+5491123456789"));
    assert_eq!(e164("011 15-2345-6789", "AR").as_deref(), Some("+5491123456789"));
}

#[test]
fn the_old_mexican_mobile_form_is_not_possible() {
    let number = PhoneNumber::parse("+52 1 55 1234 5678", "MX");
    assert_eq!((number.e164.as_ref(), number.digits.as_ref()), (None, None));
    assert_eq!(number.kind("MX"), Kind::Unreadable);
}

#[test]
fn a_withheld_number_matches_nobody() {
    for raw in ["", "  ", "anonymous", "Anonymous", "sip:anonymous@anonymous.invalid", "非通知", "unknown", "withheld"]
    {
        let number = PhoneNumber::parse(raw, "JP");
        assert!(number.is_withheld(), "{raw}");
        assert_eq!(number.kind("JP"), Kind::Withheld, "{raw}");
        assert_eq!(find(&number, [(1, &number)], TAIL_DIGITS), [], "{raw}");
    }
}

#[test]
fn a_name_is_no_number() {
    for raw in ["Tanaka Ichiro", "田中", "*21*5#", "+", "++", "x", "+44"] {
        let number = PhoneNumber::parse(raw, "JP");
        assert_eq!(
            (number.e164.as_ref(), number.digits.as_ref(), number.extension.as_ref()),
            (None, None, None),
            "{raw}"
        );
    }
}

#[test]
fn without_a_known_region_only_a_number_with_its_country_is_read() {
    assert_eq!(e164("+81 3 1234 5678", "").as_deref(), Some("+81312345678"));
    assert_eq!(e164("03 1234 5678", "ZZ"), None);
    assert_eq!(e164("03 1234 5678", " jp "), Some("+81312345678".to_owned()));
}

#[test]
fn the_nearest_country_that_is_known_is_the_region() {
    assert_eq!(default_region(None, Some("KR"), Some("US"), "JP"), "KR");
    assert_eq!(default_region(Some("XX"), None, None, "JP"), "JP");
}

#[test]
fn matches_come_with_their_quality_best_first() {
    let with = PhoneNumber::parse("03-1234-5678 内線 123", "JP");
    let without = PhoneNumber::parse("+81312345678", "JP");
    let other = PhoneNumber::parse("03-1234-5678 内線 456", "JP");
    let stranger = PhoneNumber::parse("06-1234-5678", "JP");
    let all = [("without", &without), ("with", &with), ("other", &other), ("stranger", &stranger)];
    assert_eq!(find(&with, all, TAIL_DIGITS), [("with", Quality::ExactWithExtension), ("without", Quality::Exact)]);
    assert_eq!(
        find(&without, all, TAIL_DIGITS),
        [("without", Quality::ExactWithExtension), ("with", Quality::Exact), ("other", Quality::Exact)]
    );
}

#[test]
fn a_local_number_matches_by_its_tail_only_when_one_number_ends_like_it() {
    let local = PhoneNumber::parse("1234-5678", "JP");
    let tokyo = PhoneNumber::parse("03-1234-5678", "JP");
    let osaka = PhoneNumber::parse("06-1234-5678", "JP");
    assert_eq!(find(&local, [(1, &tokyo)], TAIL_DIGITS), [(1, Quality::Tail)]);
    assert_eq!(find(&local, [(1, &tokyo), (2, &tokyo)], TAIL_DIGITS), [(1, Quality::Tail), (2, Quality::Tail)]);
    assert_eq!(find(&local, [(1, &tokyo), (2, &osaka)], TAIL_DIGITS), []);
    assert_eq!(find(&local, [(1, &tokyo), (3, &local)], TAIL_DIGITS), [(3, Quality::National)]);
    assert_eq!(find(&tokyo, [(2, &osaka)], TAIL_DIGITS), []);
}

#[test]
fn a_few_digits_never_match_the_end_of_a_number() {
    let short = PhoneNumber::parse("5678", "JP");
    let tokyo = PhoneNumber::parse("03-1234-5678", "JP");
    assert_eq!(find(&short, [(1, &tokyo)], TAIL_DIGITS), []);
    assert_eq!(find(&short, [(1, &tokyo), (2, &short)], TAIL_DIGITS), [(2, Quality::Extension)]);
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[+0-9０-９ x#,;*()内線/.-]{0,24}",
        "(sip|tel|SIP):[+%0-9A-Fa-f;=@.-]{0,30}",
        "\\+[0-9]{0,17}",
        "0[0-9]{1,14}( ?(ext|x|内線) ?[0-9]{1,11})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn any_text_is_read_without_a_panic(raw in anything(), region in "[A-Za-z]{0,3}|JP|US|AR|IT|DE|MX|001") {
        let number = PhoneNumber::parse(&raw, &region);
        prop_assert_eq!(&number.raw, &raw);
        prop_assert!(number.e164.is_none() || number.digits.is_none());
        number.kind(&region);
        number.nsn_tail();
    }

    #[test]
    fn an_e164_form_reads_as_itself_everywhere(raw in anything(), region in "JP|US|AR|IT|DE|MX|BR|GB", elsewhere in "JP|US|AR|IT|DE|MX|BR|GB") {
        let number = PhoneNumber::parse(&raw, &region);
        if let Some(e164) = &number.e164 {
            let again = PhoneNumber::parse(e164, &elsewhere);
            prop_assert_eq!(again.e164.as_ref(), Some(e164));
            prop_assert_eq!(again.extension, None);
        }
    }

    #[test]
    fn a_number_matches_itself_best(raw in anything()) {
        let number = PhoneNumber::parse(&raw, "JP");
        let readable = number.e164.is_some() || number.digits.is_some() || number.extension.is_some();
        prop_assert_eq!(find(&number, [((), &number)], TAIL_DIGITS).len(), usize::from(readable));
    }
}
