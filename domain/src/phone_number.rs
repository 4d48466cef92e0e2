//! Phone numbers: what was typed, its E.164 form, its extension (features.md 4.5).
//!
//! [`PhoneNumber::parse`] reads anything: typed text, a `sip:` or `tel:` URI, a caller ID. What it cannot read keeps
//! its raw form and matches nobody. [`find`] tells which of many numbers are the same subscriber, and how surely.

mod emergency;
mod matching;
mod reading;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use emergency::is_emergency;
pub use matching::{Quality, TAIL_DIGITS, find};
use reading::{Reading, Region};

/// Digits of the longest number that is an internal extension when the tenant says nothing else.
pub const INTERNAL_DIGITS_MAX: usize = 5;

/// A number as typed, with what could be read from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PhoneNumber {
    /// As typed or received; the only form that is shown as if typed.
    pub raw: String,
    /// `+` and up to 15 digits, when the number is valid.
    pub e164: Option<String>,
    /// The extension behind it, digits only; alone it is an internal extension.
    pub extension: Option<String>,
    /// The national digits of a number that is possible but not valid, such as one without its area code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<String>,
    /// The ISO 3166 region `digits` were read in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// What could be made of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A valid number with an E.164 form.
    Valid,
    /// Long enough for its region, but no number that was given out.
    Possible,
    /// An extension of the company's own telephone system.
    Internal,
    /// The police and the like: it goes to the native dialler, never into SIP or the records.
    Emergency,
    /// The caller did not show it.
    Withheld,
    /// Text that is no number.
    Unreadable,
}

impl PhoneNumber {
    /// Reads `raw` as it is dialled in `region` (ISO 3166, such as `JP`).
    ///
    /// ```
    /// use callfield_domain::PhoneNumber;
    ///
    /// let number = PhoneNumber::parse("０３-1234-5678 内線 123", "JP");
    /// assert_eq!(number.e164.as_deref(), Some("+81312345678"));
    /// assert_eq!(number.extension.as_deref(), Some("123"));
    /// ```
    pub fn parse(raw: &str, region: &str) -> Self {
        Self::parse_with_plan(raw, region, INTERNAL_DIGITS_MAX)
    }

    /// Reads `raw` for a tenant whose internal extensions have up to `internal_digits_max` digits.
    pub fn parse_with_plan(raw: &str, region: &str, internal_digits_max: usize) -> Self {
        let unread = Self { raw: raw.to_owned(), e164: None, extension: None, digits: None, region: None };
        let reading = Reading::of(raw, region);
        if reading.is_withheld() || emergency::holds(&reading.number, region) {
            return unread;
        }
        let Reading { number, extension, .. } = reading;
        if number.is_empty() {
            return Self { extension, ..unread };
        }
        if !number.starts_with(['+', '0']) && number.len() <= internal_digits_max {
            // An extension of an extension is the innermost one: "101 x 5" rings 101.
            return Self { extension: Some(number), ..unread };
        }
        let found = if number.starts_with('+') {
            reading::read_global(&number)
        } else {
            Region::named(region).and_then(|region| region.read(&number))
        };
        match found {
            Some(reading::Found::Valid(e164)) => Self { e164: Some(e164), extension, ..unread },
            Some(reading::Found::Possible { digits, region }) => {
                Self { digits: Some(digits), region: Some(region), extension, ..unread }
            }
            None => unread,
        }
    }

    /// What could be made of the number, when it was read in `region`.
    pub fn kind(&self, region: &str) -> Kind {
        match self {
            Self { e164: Some(_), .. } => Kind::Valid,
            Self { digits: Some(_), .. } => Kind::Possible,
            Self { extension: Some(_), .. } => Kind::Internal,
            _ if is_emergency(&self.raw, region) => Kind::Emergency,
            _ if self.is_withheld() => Kind::Withheld,
            _ => Kind::Unreadable,
        }
    }

    /// Whether the caller did not show a number: the label is "Withheld" and nobody matches.
    pub fn is_withheld(&self) -> bool {
        Reading::of(&self.raw, "").is_withheld()
    }

    /// The national significant number: the E.164 form without its country code, or the possible digits.
    pub fn national_significant(&self) -> Option<String> {
        match &self.e164 {
            Some(e164) => reading::national_of(e164),
            None => self.digits.clone(),
        }
    }

    /// The last [`TAIL_DIGITS`] digits of the national significant number, as the phone index keeps them.
    pub fn nsn_tail(&self) -> Option<String> {
        self.tail(TAIL_DIGITS)
    }

    /// The last `digits` digits of the national significant number; `None` when it is shorter.
    pub fn tail(&self, digits: usize) -> Option<String> {
        let national = self.national_significant()?;
        let from = national.len().checked_sub(digits)?;
        national.get(from..).map(str::to_owned)
    }
}

/// The region to read a number in: the first that is known of the record's, its organization's, the user's country
/// and the tenant's.
pub fn default_region<'a>(
    record: Option<&'a str>,
    organization: Option<&'a str>,
    user: Option<&'a str>,
    tenant: &'a str,
) -> &'a str {
    [record, organization, user].into_iter().flatten().find(|region| Region::named(region).is_some()).unwrap_or(tenant)
}
