//! Phone numbers: what was typed, its E.164 form, its extension (features.md 4.5).

use serde::{Deserialize, Serialize};

/// A number as typed, with what could be read from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneNumber {
    /// As typed or received; the only form that is shown as if typed.
    pub raw: String,
    /// `+` and up to 15 digits, when the number is valid.
    pub e164: Option<String>,
    /// The extension behind it, digits only.
    pub extension: Option<String>,
}
