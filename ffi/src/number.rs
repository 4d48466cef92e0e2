//! Phone numbers, read by the rules the server uses.

use callfield_domain::PhoneNumber;

/// What was typed, and what could be read from it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NormalisedNumber {
    /// As typed; the only form to show as if typed.
    pub raw: String,
    /// `+` and up to 15 digits, if the number is valid.
    pub e164: Option<String>,
    /// The extension behind it, digits only.
    pub extension: Option<String>,
    /// Whether it must go to the native dialler, never through the company.
    pub is_emergency: bool,
}

/// Reads a number as typed by somebody in `region` (ISO 3166-1 alpha-2). Text that is no number has no `e164`.
#[uniffi::export]
pub fn normalise_number(raw: String, region: String) -> NormalisedNumber {
    let is_emergency = callfield_domain::phone_number::is_emergency(&raw, &region);
    let number = PhoneNumber::parse(&raw, &region);
    NormalisedNumber { raw: number.raw, e164: number.e164, extension: number.extension, is_emergency }
}
