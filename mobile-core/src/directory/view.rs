//! What lists, searches and the call screen need of a record, taken from its projection.

use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use callfield_sync::schema::RecordType;

use crate::store::phone_index::IndexedNumber;

/// The columns that stand beside a projection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordView {
    /// What a list shows.
    pub label: String,
    /// What a search looks at, in [`search_form`].
    pub search: String,
    /// The numbers that find it when it calls.
    pub numbers: Vec<IndexedNumber>,
    /// Whether somebody deleted it.
    pub is_deleted: bool,
}

/// The view of a projection; one of another shape than its type's gives an empty view.
pub fn view(record_type: RecordType, projection: &Value) -> RecordView {
    let is_deleted = projection.get("deleted_at").is_some_and(|at| !at.is_null());
    let label = match record_type {
        RecordType::Contact => contact_label(projection),
        RecordType::Task | RecordType::Call => text(projection, "subject").to_owned(),
    };
    let numbers = if is_deleted { Vec::new() } else { numbers(projection, &label) };
    RecordView { search: search_form(&searched(projection)), label, numbers, is_deleted }
}

/// Text as it is compared: compatibility forms folded, lower case, hiragana as katakana.
pub fn search_form(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).map(katakana).collect()
}

/// U+3041..U+3096 and U+30A1..U+30F6 are the same syllables in the same order.
fn katakana(c: char) -> char {
    match c {
        'ぁ'..='ゖ' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        _ => c,
    }
}

fn contact_label(projection: &Value) -> String {
    let name = [text(projection, "last_name"), text(projection, "first_name")];
    let name = name.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let organization = text(projection, "organization_name");
    [name.as_str(), organization].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn searched(projection: &Value) -> String {
    const FIELDS: [&str; 7] =
        ["last_name", "first_name", "last_kana", "first_kana", "organization_name", "title", "subject"];
    let mut searched: Vec<String> = FIELDS.iter().map(|field| text(projection, field).to_owned()).collect();
    for (key, phone) in phones(projection).into_iter().flatten() {
        searched.push(digits(key));
        searched.push(digits(text(phone, "raw")));
    }
    searched.retain(|part| !part.is_empty());
    searched.join(" ")
}

fn numbers(projection: &Value, label: &str) -> Vec<IndexedNumber> {
    let phones = phones(projection).into_iter().flatten();
    let valid = phones.filter(|(key, phone)| key.starts_with('+') && phone["invalid"] != true);
    valid
        .map(|(e164, phone)| IndexedNumber {
            e164: e164.clone(),
            rank: i64::from(phone["primary"] != true),
            label: label.to_owned(),
        })
        .collect()
}

fn phones(projection: &Value) -> Option<&Map<String, Value>> {
    projection.get("phones")?.as_object()
}

fn text<'a>(projection: &'a Value, field: &str) -> &'a str {
    projection.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn digits(number: &str) -> String {
    number.nfkc().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_contact_is_shown_with_its_company_and_found_by_each_valid_number() {
        let view = view(
            RecordType::Contact,
            &json!({
                "last_name": "Tanaka", "first_name": "Ichiro", "organization_name": "ABC",
                "phones": { "+81312345678": { "raw": "03-1234-5678", "primary": true },
                            "+819012345678": { "invalid": true }, "101": {} },
            }),
        );
        assert_eq!(view.label, "Tanaka Ichiro · ABC");
        assert_eq!(view.numbers.len(), 1);
        assert_eq!((view.numbers[0].e164.as_str(), view.numbers[0].rank), ("+81312345678", 0));
        assert!(view.search.contains("0312345678"), "{}", view.search);
    }

    #[test]
    fn kana_and_full_width_letters_are_folded_for_search() {
        assert_eq!(search_form("たなか ＡＢＣ"), search_form("タナカ abc"));
    }

    #[test]
    fn a_deleted_contact_finds_nobody() {
        let view = view(RecordType::Contact, &json!({ "deleted_at": 1, "phones": { "+81312345678": {} } }));
        assert!(view.is_deleted && view.numbers.is_empty());
    }

    #[test]
    fn a_projection_of_another_shape_gives_an_empty_view() {
        for odd in [json!(null), json!([1]), json!({ "phones": 3, "last_name": 4 })] {
            assert_eq!(view(RecordType::Contact, &odd), RecordView::default());
        }
    }
}
