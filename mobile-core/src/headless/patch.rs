//! `field=value` as a JSON merge patch.

use anyhow::{Context as _, bail};
use callfield_domain::PhoneNumber;
use serde_json::{Map, Value, json};

/// The patch that the changes ask for; numbers are read in `country`.
///
/// # Errors
/// If a change is no `field=value`, or a number cannot be read.
pub(super) fn patch(changes: &[String], country: &str) -> anyhow::Result<Value> {
    let mut patch = Map::new();
    for change in changes {
        let (path, value) = change.split_once('=').with_context(|| format!("{change:?} is not FIELD=VALUE"))?;
        if matches!(path, "mobile" | "office" | "home") {
            let number = phone(path, value, country)?;
            put(&mut patch, &["phones", &number.0], number.1)?;
        } else {
            // The key of a mail address has dots in it.
            let separator = if path.contains('/') { '/' } else { '.' };
            put(&mut patch, &path.split(separator).collect::<Vec<_>>(), read(value))?;
        }
    }
    Ok(Value::Object(patch))
}

fn phone(kind: &str, raw: &str, country: &str) -> anyhow::Result<(String, Value)> {
    let number = PhoneNumber::parse(raw, country);
    let key = number.e164.or(number.digits).with_context(|| format!("{raw:?} is no phone number"))?;
    Ok((key, json!({ "raw": raw, "type": kind })))
}

/// Nothing clears the field; true and false are themselves; all else is text.
fn read(value: &str) -> Value {
    match value {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => text.to_owned().into(),
    }
}

fn put(patch: &mut Map<String, Value>, path: &[&str], value: Value) -> anyhow::Result<()> {
    match path {
        [] | [""] => bail!("a change names a field"),
        [field] => {
            patch.insert((*field).to_owned(), value);
            Ok(())
        }
        [group, rest @ ..] => {
            let inner = patch.entry(*group).or_insert_with(|| json!({}));
            let inner = inner.as_object_mut().with_context(|| format!("{group} is changed twice"))?;
            put(inner, rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(changes: &[&str]) -> anyhow::Result<Value> {
        patch(&changes.iter().map(|&change| change.to_owned()).collect::<Vec<_>>(), "JP")
    }

    #[test]
    fn fields_groups_and_numbers_become_one_patch() {
        let patch = patched(&["title=部長", "address/city=Kyoto", "address.zip=", "mobile=090-1234-5678"]).unwrap();
        assert_eq!(
            patch,
            json!({ "title": "部長", "address": { "city": "Kyoto", "zip": null },
                    "phones": { "+819012345678": { "raw": "090-1234-5678", "type": "mobile" } } })
        );
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for change in ["title", "=x", "mobile=hello"] {
            assert!(patched(&[change]).is_err(), "{change}");
        }
    }
}
