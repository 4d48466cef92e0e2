//! Words of the domain in a column: the same snake_case form as on the wire.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{DbError, Result};

/// The word of a value that serialises as a text.
pub(super) fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        other => unreachable!("a domain word is a text, not {other:?}"),
    }
}

/// The value of a stored word.
pub(super) fn from_word<T: DeserializeOwned>(word: String, what: &'static str) -> Result<T> {
    serde_json::from_value(Value::String(word)).map_err(|_| DbError::Unreadable(what))
}

#[cfg(test)]
mod tests {
    use callfield_domain::Outcome;

    use super::*;

    #[test]
    fn a_word_is_read_back_and_an_unknown_one_refused() {
        assert_eq!(word(Outcome::NoAnswer), "no_answer");
        assert_eq!(from_word::<Outcome>("no_answer".to_owned(), "outcome").unwrap(), Outcome::NoAnswer);
        assert!(from_word::<Outcome>("shrug".to_owned(), "outcome").is_err());
    }
}
