//! Bearer tokens: shown once, stored as their SHA-256.

use std::fmt;

use callfield_domain::Random;
use ring::digest;

/// How a device's token starts.
pub const DEVICE_PREFIX: &str = "cfd_";
/// How an admin token starts.
pub const ADMIN_PREFIX: &str = "cfa_";

/// What is stored of a token or an enrolment code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token as it was sent.
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        Self(hash)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A new token: a prefix and 160 random bits. It is printed only through [`Token::reveal`].
pub struct Token(String);

impl Token {
    /// A token for a device.
    pub fn for_device(random: &mut Random) -> Self {
        Self(format!("{DEVICE_PREFIX}{}", random.token(32)))
    }

    /// A token for administration.
    pub fn for_admin(random: &mut Random) -> Self {
        Self(format!("{ADMIN_PREFIX}{}", random.token(32)))
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// The token itself, for the one answer that shows it.
    pub fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::Seed;

    use super::*;

    #[test]
    fn a_token_is_found_again_by_its_hash_and_never_printed() {
        let token = Token::for_device(&mut Random::new(Seed::from_number(1)));
        let hash = token.hash();
        assert_eq!(format!("{token:?}"), "Token(…)");
        let text = token.reveal();
        assert!(text.starts_with("cfd_"));
        assert_eq!(TokenHash::of(&text), hash);
    }
}
