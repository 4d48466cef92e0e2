//! How the numbers begin that may not be called.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// `+` and the first digits of E.164 numbers: a country code, or a range inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// Whether a number in E.164 form begins with it.
    pub fn holds(&self, e164: &str) -> bool {
        e164.starts_with(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix('+').unwrap_or_default();
        if !(1..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(D::Error::custom("not `+` and 1 to 15 digits"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn china_is_blocked_unless_the_list_is_another_one() {
        let is_blocked =
            |config: &Config, e164: &str| config.telephony.blocked_destinations.iter().any(|prefix| prefix.holds(e164));
        let config = Config::from_toml("").unwrap();
        assert!(is_blocked(&config, "+861012345678"));
        assert!(!is_blocked(&config, "+81312345678"));
        let config = Config::from_toml("[telephony]\nblocked_destinations = [\"+81990\"]").unwrap();
        assert!(is_blocked(&config, "+81990123456"));
        assert!(!is_blocked(&config, "+861012345678"));
        assert!(!is_blocked(&config, "+81312345678"));
    }

    #[test]
    fn a_prefix_that_would_block_nothing_or_everything_is_refused_by_name() {
        for prefix in ["", "+", "86", "0086", "+8 6", "+8612345678901234"] {
            let text = format!("[telephony]\nblocked_destinations = [\"{prefix}\"]");
            let error = Config::from_toml(&text).unwrap_err().to_string();
            assert!(error.contains("telephony.blocked_destinations"), "{error}");
        }
    }
}
