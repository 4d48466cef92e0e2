//! The fields of a challenge or of credentials: `Digest name=value, name="value"`.

use crate::message::{is_token, split, unquoted};

/// The fields of one `Digest` value; other schemes give `None`.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, String)>);

/// More fields than any scheme has. A value with more is unusable: to look for doubles in it costs their square.
const FIELD_LIMIT: usize = 32;

impl Fields {
    /// Reads a header line that holds one value, or several joined by commas as HTTP allows.
    pub(super) fn read_all(line: &str) -> Vec<Self> {
        let mut values: Vec<(bool, Self)> = Vec::new();
        for part in split(line, b',').filter(|part| !part.is_empty()) {
            let field = match part.split_once([' ', '\t']) {
                Some((scheme, field)) if is_token(scheme) && !field.trim_start().starts_with('=') => {
                    values.push((scheme.eq_ignore_ascii_case("Digest"), Self(Vec::new())));
                    field
                }
                _ => part,
            };
            let Some((name, value)) = field.split_once('=') else { continue };
            if let Some((is_usable, fields)) = values.last_mut() {
                *is_usable &= fields.0.len() < FIELD_LIMIT;
                if *is_usable {
                    fields.0.push((name.trim().to_ascii_lowercase(), unquoted(value.trim()).into_owned()));
                }
            }
        }
        let has_doubles = |fields: &Self| {
            fields.0.iter().enumerate().any(|(at, (name, _))| fields.0[..at].iter().any(|(earlier, _)| earlier == name))
        };
        values.into_iter().filter(|(is_usable, fields)| *is_usable && !has_doubles(fields)).map(|(_, v)| v).collect()
    }

    /// The value of a field, unquoted; `name` is lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether a field says `true` in any case.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_values_on_one_line_are_told_apart() {
        let line = r#"Digest realm="a, \"b\"", qop="auth,auth-int", nonce=x== , Basic realm="c", Digest realm=d"#;
        let values = Fields::read_all(line);
        assert_eq!(values.len(), 2);
        assert_eq!(values[0].get("realm"), Some("a, \"b\""));
        assert_eq!(values[0].get("qop"), Some("auth,auth-int"));
        assert_eq!(values[0].get("nonce"), Some("x=="));
        assert_eq!(values[1].get("realm"), Some("d"));
    }

    #[test]
    fn white_space_around_the_equals_sign_does_not_count() {
        let values = Fields::read_all("digest realm = \"a\", stale = TRUE");
        assert_eq!(values[0].get("realm"), Some("a"));
        assert!(values[0].is_true("stale"));
    }

    #[test]
    fn a_doubled_field_makes_a_value_unusable() {
        assert!(Fields::read_all("Digest realm=a, realm=b").is_empty());
        assert!(Fields::read_all("NoOneKnowsThisScheme opaque-data=here").is_empty());
        assert!(Fields::read_all("").is_empty());
    }

    #[test]
    fn a_value_with_more_fields_than_any_scheme_has_is_unusable() {
        let fields = |count| (0..count).map(|at| format!("f{at}=1")).collect::<Vec<_>>().join(", ");
        assert_eq!(Fields::read_all(&format!("Digest {}", fields(FIELD_LIMIT))).len(), 1);
        assert!(Fields::read_all(&format!("Digest {}", fields(FIELD_LIMIT + 1))).is_empty());
        assert_eq!(Fields::read_all(&format!("Digest {}, Digest realm=a", fields(6_000))).len(), 1);
    }
}
