//! Parameters: `;name=value` behind a header's value or inside a URI.

use std::borrow::Cow;

use super::list::{cut, split, trim, unquoted};

/// A view of parameters. Values may hold `:`, `%`, `/` and, in quotes, anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// A view of text such as `;tag=1;lr`, with or without the first semicolon.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Each parameter in order: its name, and its value as written, if it has one. Empty ones are left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        split(self.0, b';').filter(|part| !part.is_empty()).map(|part| match cut(part, b'=') {
            Some((name, value)) => (trim(name), Some(trim(value))),
            None => (part, None),
        })
    }

    /// The value of the first parameter of this name (any case), as written; `None` also when it has no value.
    pub fn get(self, name: &str) -> Option<&'a str> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }

    /// The value of the first parameter of this name without quotes and their backslashes.
    pub fn unquoted(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).map(unquoted)
    }

    /// Whether a parameter of this name is there, with or without a value.
    pub fn has(self, name: &str) -> bool {
        self.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
    }

    /// Whether each parameter has a name and no two semicolons touch.
    pub(super) fn is_well_formed(self) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let text = self.0.trim_start().strip_prefix(';').unwrap_or(self.0);
        trim(text).is_empty() == trim(self.0).is_empty()
            && (trim(text).is_empty() || split(text, b';').all(|part| !part.is_empty() && !trim(part).starts_with('=')))
    }

    /// The text as it came.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_colons_and_percent_signs() {
        let params = Params::new(";pn-prid=ab:cd%3A;LR; x = \"a;b\" ");
        assert_eq!(params.get("pn-prid"), Some("ab:cd%3A"));
        assert!(params.has("lr"));
        assert_eq!(params.get("lr"), None);
        assert_eq!(params.unquoted("X").as_deref(), Some("a;b"));
        assert_eq!(params.iter().count(), 3);
    }

    #[test]
    fn empty_parameters_are_not_well_formed() {
        assert!(Params::new("").is_well_formed());
        assert!(Params::new(";a=1;b").is_well_formed());
        assert!(!Params::new(";").is_well_formed());
        assert!(!Params::new(";;a").is_well_formed());
        assert!(!Params::new(";a;").is_well_formed());
        assert!(!Params::new(";=a").is_well_formed());
    }
}
