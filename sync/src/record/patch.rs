//! JSON merge patches (RFC 7396): checked against the schema into writes, and made from two projections.

use serde_json::{Map, Value};

use super::EditError;
use crate::schema::{Field, Kind, RecordType, Sub};

/// One thing a patch asks for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Write {
    /// A scalar, at the root (`container` none) or in a map; none removes it.
    Scalar { container: Option<&'static str>, key: String, value: Option<Value> },
    /// Everything of an entry.
    RemoveEntry { container: &'static str, prefix: String },
    /// Everything in a map.
    Clear { container: &'static str },
    /// The whole new content of a long text.
    LongText { field: &'static str, text: String },
}

/// The writes of a patch, every one checked against the type.
pub(super) fn writes(record_type: RecordType, patch: &Value) -> Result<Vec<Write>, EditError> {
    let Value::Object(patch) = patch else {
        return Err(EditError::NotAnObject);
    };
    let mut writes = Vec::new();
    for (name, value) in patch {
        let field = record_type.field(name).ok_or_else(|| EditError::UnknownField { field: name.clone() })?;
        field_writes(field, value, &mut writes)?;
    }
    Ok(writes)
}

fn field_writes(field: &'static Field, value: &Value, writes: &mut Vec<Write>) -> Result<(), EditError> {
    let name = field.name;
    let wrong = || EditError::WrongKind { field: name.to_owned() };
    match (field.kind, value) {
        (Kind::LongText, Value::Null) => writes.push(Write::LongText { field: name, text: String::new() }),
        (Kind::LongText, Value::String(text)) => {
            if text.chars().count() > Kind::LONG_TEXT_CHARS {
                return Err(EditError::TooLong { field: name.to_owned() });
            }
            writes.push(Write::LongText { field: name, text: text.clone() });
        }
        (Kind::LongText, _) => return Err(wrong()),
        (Kind::Group(_) | Kind::Entries(_) | Kind::Set | Kind::Open, Value::Null) => {
            writes.push(Write::Clear { container: name });
        }
        (Kind::Group(parts), Value::Object(map)) => parts_writes(name, "", parts, map, writes)?,
        (Kind::Entries(parts), Value::Object(map)) => {
            for (key, entry) in map {
                entry_writes(name, key, parts, entry, writes)?;
            }
        }
        (Kind::Set | Kind::Open, Value::Object(map)) => {
            for (key, value) in map {
                check_key(name, key)?;
                let kind = if field.kind == Kind::Set { Kind::Bool } else { Kind::Open };
                let value = checked(&format!("{name}/{key}"), kind, value)?;
                if field.kind == Kind::Set && value == Some(Value::Bool(false)) {
                    return Err(wrong());
                }
                writes.push(Write::Scalar { container: Some(name), key: key.clone(), value });
            }
        }
        (Kind::Group(_) | Kind::Entries(_) | Kind::Set | Kind::Open, _) => return Err(wrong()),
        (Kind::Text { .. } | Kind::Integer | Kind::Timestamp | Kind::Bool | Kind::Id, value) => {
            let value = checked(name, field.kind, value)?;
            writes.push(Write::Scalar { container: None, key: name.to_owned(), value });
        }
    }
    Ok(())
}

fn entry_writes(
    name: &'static str,
    key: &str,
    parts: &'static [Sub],
    entry: &Value,
    writes: &mut Vec<Write>,
) -> Result<(), EditError> {
    check_key(name, key)?;
    match entry {
        Value::Null => writes.push(Write::RemoveEntry { container: name, prefix: format!("{key}/") }),
        Value::Object(entry) => parts_writes(name, &format!("{key}/"), parts, entry, writes)?,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(EditError::WrongKind { field: format!("{name}/{key}") });
        }
    }
    Ok(())
}

fn parts_writes(
    name: &'static str,
    prefix: &str,
    parts: &'static [Sub],
    values: &Map<String, Value>,
    writes: &mut Vec<Write>,
) -> Result<(), EditError> {
    for (part, value) in values {
        let path = format!("{name}/{prefix}{part}");
        let Some(sub) = parts.iter().find(|sub| sub.name == part) else {
            return Err(EditError::UnknownField { field: path });
        };
        let value = checked(&path, sub.kind, value)?;
        writes.push(Write::Scalar { container: Some(name), key: format!("{prefix}{part}"), value });
    }
    Ok(())
}

fn check_key(name: &str, key: &str) -> Result<(), EditError> {
    if is_key(key) { Ok(()) } else { Err(EditError::WrongKind { field: name.to_owned() }) }
}

/// Whether a natural key may be one: short, not empty, nothing invisible.
pub(crate) fn is_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= Kind::KEY_BYTES && !key.chars().any(char::is_control)
}

fn checked(path: &str, kind: Kind, value: &Value) -> Result<Option<Value>, EditError> {
    match fits(kind, value) {
        Fit::Yes => Ok(Some(value.clone())),
        Fit::Absent => Ok(None),
        Fit::WrongKind => Err(EditError::WrongKind { field: path.to_owned() }),
        Fit::TooLong => Err(EditError::TooLong { field: path.to_owned() }),
    }
}

/// Whether a scalar value fits a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    Yes,
    Absent,
    WrongKind,
    TooLong,
}

/// The one rule for scalars, for patches and for the operations of changes alike.
pub(crate) fn fits(kind: Kind, value: &Value) -> Fit {
    let long = |text: &str, max: usize| if text.chars().count() > max { Fit::TooLong } else { Fit::Yes };
    match (kind, value) {
        (_, Value::Null) => Fit::Absent,
        (Kind::Text { max_chars }, Value::String(text)) => long(text, max_chars),
        (Kind::Open, Value::String(text)) => long(text, Kind::OPEN_CHARS),
        (Kind::Integer | Kind::Timestamp, Value::Number(number)) if number.is_i64() => Fit::Yes,
        (Kind::Open, Value::Number(_)) => Fit::Yes,
        (Kind::Bool | Kind::Open, Value::Bool(_)) => Fit::Yes,
        (Kind::Id, Value::String(text)) if is_id(text) => Fit::Yes,
        _ => Fit::WrongKind,
    }
}

fn is_id(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|uuid| uuid.hyphenated().to_string() == text)
}

/// The patch that turns `before` into `after`.
pub fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return after.clone();
    };
    let mut patch = Map::new();
    for (key, new) in after {
        match before.get(key) {
            Some(old) if old == new => {}
            Some(old @ Value::Object(_)) if new.is_object() => {
                patch.insert(key.clone(), merge_patch(old, new));
            }
            _ => {
                patch.insert(key.clone(), new.clone());
            }
        }
    }
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Value::Object(patch)
}

/// The paths whose values a patch changes, sorted: `title`, `phones/+81312345678/label`.
pub fn paths(patch: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_paths("", patch, &mut found);
    found.sort_unstable();
    found
}

fn collect_paths(prefix: &str, patch: &Value, found: &mut Vec<String>) {
    let Value::Object(map) = patch else {
        found.push(prefix.to_owned());
        return;
    };
    for (key, value) in map {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}/{key}") };
        collect_paths(&path, value, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_merge_patch_turns_one_projection_into_the_other() {
        let before = json!({"title": "chief", "phones": {"+81": {"raw": "81", "label": "desk"}}, "city": "Oita"});
        let after = json!({"title": "boss", "phones": {"+81": {"raw": "81"}, "+82": {"raw": "82"}}});
        let patch = merge_patch(&before, &after);
        assert_eq!(
            patch,
            json!({"title": "boss", "city": null, "phones": {"+81": {"label": null}, "+82": {"raw": "82"}}})
        );
        assert_eq!(paths(&patch), ["city", "phones/+81/label", "phones/+82/raw", "title"]);
    }

    #[test]
    fn a_patch_that_does_not_fit_the_type_names_the_path() {
        let refused = |patch: Value| writes(RecordType::Contact, &patch).unwrap_err();
        let (unknown, wrong, long) = (
            |field: &str| EditError::UnknownField { field: field.to_owned() },
            |field: &str| EditError::WrongKind { field: field.to_owned() },
            |field: &str| EditError::TooLong { field: field.to_owned() },
        );
        assert_eq!(refused(json!([])), EditError::NotAnObject);
        assert_eq!(refused(json!({"shoe_size": 44})), unknown("shoe_size"));
        assert_eq!(refused(json!({"address": {"planet": "Mars"}})), unknown("address/planet"));
        assert_eq!(refused(json!({"phones": {"+81": {"colour": "red"}}})), unknown("phones/+81/colour"));
        assert_eq!(refused(json!({"last_name": 7})), wrong("last_name"));
        assert_eq!(refused(json!({"deleted_at": 1.5})), wrong("deleted_at"));
        assert_eq!(refused(json!({"owner_id": "SUZUKI"})), wrong("owner_id"));
        assert_eq!(refused(json!({"phones": {"": {"raw": "1"}}})), wrong("phones"));
        assert_eq!(refused(json!({"tags": {"vip": false}})), wrong("tags"));
        assert_eq!(refused(json!({"last_name": "x".repeat(201)})), long("last_name"));
        assert_eq!(refused(json!({"description": "x".repeat(20_001)})), long("description"));
    }
}
