//! From text to digits: the steps before and around the number plan metadata (features.md 4.5, steps 1 to 6).

use phonenumber::Type;
use phonenumber::country;
use phonenumber::metadata::DATABASE;
use unicode_normalization::UnicodeNormalization as _;

use super::emergency;

/// Words that stand where a number was not shown (RFC 3323, carriers in Japan and elsewhere).
const WITHHELD: &[&str] = &[
    "",
    "anonymous",
    "withheld",
    "unknown",
    "restricted",
    "private",
    "private number",
    "unavailable",
    "blocked",
    "no caller id",
    "非通知",
    "通知不可",
    "表示圏外",
    "公衆電話",
];
/// What may introduce an extension, longest first.
const MARKERS: &[&str] = &["extension", "extn", "ext", "内線", "x", "#", ",", ";"];
/// Digits of the longest extension.
const EXTENSION_DIGITS_MAX: usize = 9;
/// What shows or hides the caller's own number when dialled first, by region; the last line holds everywhere (GSM).
const CALLER_ID_PREFIXES: &[(&str, &[&str])] = &[
    ("JP", &["184", "186"]),
    ("GB", &["141", "1470"]),
    ("AU", &["1831", "1832"]),
    ("US", &["*67", "*82"]),
    ("CA", &["*67", "*82"]),
    ("", &["#31#", "*31#"]),
];
/// The digit zero of the scripts whose digits compatibility normalisation leaves alone.
const ZEROS: &[char] = &['٠', '۰', '߀', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '๐', '໐', '༠', '၀', '០'];
/// Letters on the keys 2 to 9, from A to Z.
const KEYPAD: &[u8; 26] = b"22233344455566677778889999";

/// The kinds of number whose lengths make a number possible.
const KINDS: &[Type] = &[
    Type::FixedLine,
    Type::Mobile,
    Type::TollFree,
    Type::PremiumRate,
    Type::SharedCost,
    Type::PersonalNumber,
    Type::Voip,
    Type::Pager,
    Type::Uan,
    Type::Voicemail,
];

/// A number as text, taken apart.
pub(super) struct Reading {
    text: String,
    /// An optional `+`, then digits; empty when there is none.
    pub(super) number: String,
    /// The extension's digits.
    pub(super) extension: Option<String>,
}

impl Reading {
    /// Takes `raw` apart as it is dialled in `region`.
    pub(super) fn of(raw: &str, region: &str) -> Self {
        let normalised: String = raw.nfkc().map(ascii_digit).collect();
        let (text, context, parameter) = user_part(normalised.trim());
        let text = without_gsm_prefix(&text).to_owned();
        let (body, written) = split_extension(&text);
        let number = without_caller_id_prefix(&dialled(body), region).to_owned();
        let number = match context {
            Some(context) if !number.starts_with('+') && !number.is_empty() => context + &number,
            _ => number,
        };
        Self { text, number, extension: parameter.or(written) }
    }

    /// Whether the text says that there is no number to show.
    pub(super) fn is_withheld(&self) -> bool {
        WITHHELD.contains(&self.text.to_lowercase().as_str())
    }
}

/// A number that the number plans know.
pub(super) enum Found {
    /// Valid, in its E.164 form.
    Valid(String),
    /// Of a possible length only.
    Possible { digits: String, region: String },
}

/// A region whose number plan is known.
#[derive(Clone, Copy)]
pub(super) struct Region(country::Id);

impl Region {
    /// The region called `name` (ISO 3166), if its number plan is known.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_uppercase();
        DATABASE.by_id(name.as_str())?;
        name.parse().ok().map(Self)
    }

    /// Reads `number` as dialled here. "00" in front of a country code counts as "+" where it is nothing else.
    pub(super) fn read(self, number: &str) -> Option<Found> {
        let here = phonenumber::parse(Some(self.0), number).ok().filter(|here| here.country().code() == self.code());
        if let Some(valid) = here.as_ref().and_then(valid) {
            return Some(Found::Valid(valid));
        }
        let abroad = [self.without_international_prefix(number), number.strip_prefix("00")];
        let abroad =
            abroad.into_iter().flatten().find_map(|rest| valid(&phonenumber::parse(None, format!("+{rest}")).ok()?));
        abroad.map(Found::Valid).or_else(|| possible(&here?))
    }

    fn code(self) -> u16 {
        DATABASE.by_id(self.0.as_ref()).map_or(0, phonenumber::Metadata::country_code)
    }

    /// What follows the digits that are dialled here to call abroad, such as 010 in Japan.
    fn without_international_prefix(self, number: &str) -> Option<&str> {
        let prefix = DATABASE.by_id(self.0.as_ref())?.international_prefix()?;
        let found = prefix.find(number).filter(|found| found.start() == 0)?;
        number.get(found.end()..)
    }
}

/// Reads a number that names its country: `+` and digits.
pub(super) fn read_global(number: &str) -> Option<Found> {
    let global = phonenumber::parse(None, number.starts_with('+').then_some(number)?).ok()?;
    valid(&global).map(Found::Valid).or_else(|| possible(&global))
}

/// The national significant number of an E.164 number.
pub(super) fn national_of(e164: &str) -> Option<String> {
    Some(phonenumber::parse(None, e164).ok()?.national().to_string())
}

/// The E.164 form of a valid number, if it is one that reads as itself again.
fn valid(number: &phonenumber::PhoneNumber) -> Option<String> {
    let e164 = number.is_valid().then(|| format!("+{}{}", number.code().value(), number.national()))?;
    let again = phonenumber::parse(None, &e164).ok()?;
    (again.is_valid() && again.national() == number.national() && e164.len() <= 16).then_some(e164)
}

/// The digits of a number that is long enough for its country.
fn possible(number: &phonenumber::PhoneNumber) -> Option<Found> {
    let metadata = DATABASE.by_code(&number.code().value())?.into_iter().next()?;
    let digits = number.national().to_string();
    let length = u16::try_from(digits.len()).ok()?;
    let fits = KINDS
        .iter()
        .filter_map(|kind| metadata.descriptors().get(*kind))
        .any(|kind| kind.possible_length().contains(&length) || kind.possible_local_length().contains(&length));
    fits.then(|| Found::Possible { digits, region: metadata.id().to_owned() })
}

fn ascii_digit(letter: char) -> char {
    let value =
        ZEROS.iter().find_map(|zero| u32::from(letter).checked_sub(u32::from(*zero)).filter(|value| *value < 10));
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(letter)
}

/// The user part of a `sip:` or `tel:` URI with its country (`;phone-context=`) and extension (`;ext=`, RFC 3966).
fn user_part(text: &str) -> (String, Option<String>, Option<String>) {
    let schemes = ["sip:", "sips:", "tel:"];
    let uri =
        schemes.iter().find_map(|scheme| text.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme)));
    let rest = uri.map_or(text, |scheme| &text[scheme.len()..]);
    let user = if uri.is_some() { unescaped(rest.split('@').next().unwrap_or(rest)) } else { rest.to_owned() };
    let mut parameters = user.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let (mut context, mut extension) = (None, None);
    let mut known = false;
    for (name, value) in parameters.by_ref() {
        match name.trim().to_ascii_lowercase().as_str() {
            "ext" => extension = Some(digits(value)).filter(|digits| !digits.is_empty()),
            "phone-context" => context = value.trim().starts_with('+').then(|| format!("+{}", digits(value))),
            _ => continue,
        }
        known = true;
    }
    let number = if known || uri.is_some() { user.split(';').next().unwrap_or(&user) } else { &user };
    (number.trim().to_owned(), context, extension)
}

/// `text` with `%2B` and the like read; what is no such escape stays as it is.
fn unescaped(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        read.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii_graphic);
        read.push(byte.map_or('%', char::from));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    read + rest
}

/// Cuts a GSM code that shows or hides the caller (`#31#`), before its `#` is taken for an extension.
fn without_gsm_prefix(text: &str) -> &str {
    let codes = CALLER_ID_PREFIXES.iter().flat_map(|(_, codes)| *codes).filter(|code| code.starts_with(['#', '*']));
    codes.copied().find_map(|code| text.strip_prefix(code)).unwrap_or(text)
}

/// Splits "03-1234-5678 内線 123" in the number and its extension.
fn split_extension(text: &str) -> (&str, Option<String>) {
    let lower = text.to_ascii_lowercase();
    let places = lower.char_indices().map(|(at, _)| at);
    for at in places {
        let Some(marker) = MARKERS.iter().find(|marker| lower[at..].starts_with(**marker)) else { continue };
        let inside_a_word = lower[..at].ends_with(|before: char| before.is_ascii_alphabetic());
        if inside_a_word && marker.starts_with(|first: char| first.is_ascii_alphabetic()) {
            continue;
        }
        let behind = lower[at + marker.len()..].trim_start_matches([' ', '.', ':', '=', ',', ';']);
        let extension = behind.trim_end_matches([' ', ')', ']', '#', '.']);
        let is_number = !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && extension.len() <= EXTENSION_DIGITS_MAX {
            return (&text[..at], Some(extension.to_owned()));
        }
    }
    (text, None)
}

/// The keys that dial `text`: a leading plus, digits, and three letters or more as on a keypad.
fn dialled(text: &str) -> String {
    let Some(start) = text.find(|letter: char| letter == '+' || letter.is_ascii_digit()) else { return String::new() };
    let text = &text[start..];
    if text.contains('*') {
        return String::new();
    }
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    let plus = if text.starts_with('+') { "+" } else { "" };
    let keys = text.bytes().filter_map(|byte| match byte {
        b'0'..=b'9' => Some(byte),
        b'A'..=b'Z' | b'a'..=b'z' if letters >= 3 => Some(KEYPAD[usize::from(byte.to_ascii_lowercase() - b'a')]),
        _ => None,
    });
    keys.fold(plus.to_owned(), |mut number, key| {
        number.push(char::from(key));
        number
    })
}

/// Cuts what shows or hides the caller's own number in `region`, when a whole number follows it.
fn without_caller_id_prefix<'a>(number: &'a str, region: &str) -> &'a str {
    let codes =
        CALLER_ID_PREFIXES.iter().find(|(name, _)| !name.is_empty() && name.eq_ignore_ascii_case(region.trim()));
    let rest = codes.and_then(|(_, codes)| codes.iter().find_map(|code| number.strip_prefix(code)));
    rest.filter(|rest| rest.starts_with('0') || emergency::holds(rest, region)).unwrap_or(number)
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}
