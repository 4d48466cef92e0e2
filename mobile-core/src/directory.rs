//! Caller ID: what the phone shows for a record, what finds it, and whose a number is.
//!
//! Answers come from the store's own index of E.164 numbers, so they need no network and no scan.

mod view;

use callfield_domain::{PhoneNumber, RecordId};

use crate::store::{Store, StoreError, Tx};

pub use view::{RecordView, search_form, view};

/// A record that a number belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The record.
    pub record: RecordId,
    /// What to show: `Tanaka Ichiro · ABC`.
    pub label: String,
}

/// Whose number it is, the most likely first; empty for a stranger or a withheld number.
///
/// # Errors
/// The store's failure.
pub fn look_up(store: &Store, number: &str, country: &str) -> Result<Vec<Match>, StoreError> {
    store.read(|tx| look_up_in(tx, number, country))
}

/// As [`look_up`], inside a transaction.
///
/// # Errors
/// The store's failure.
pub fn look_up_in(tx: &Tx<'_>, number: &str, country: &str) -> Result<Vec<Match>, StoreError> {
    let Some(e164) = e164(number, country) else {
        return Ok(Vec::new());
    };
    let found = tx.records_of_number(&e164)?;
    Ok(found.into_iter().map(|(record, label)| Match { record, label }).collect())
}

/// The E.164 form of a number as it came; `None` if it has none.
pub fn e164(number: &str, country: &str) -> Option<String> {
    // The server sends this form; reading a number otherwise loads the numbering plans of the world first, which a
    // phone that must ring has no time for.
    let is_e164 = |digits: &str| (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if number.strip_prefix('+').is_some_and(is_e164) {
        return Some(number.to_owned());
    }
    PhoneNumber::parse(number, country).e164
}
