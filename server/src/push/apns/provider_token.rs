//! Provider tokens: one is reused for 50 minutes and never renewed within 20, as Apple asks.

use std::sync::{Mutex, PoisonError};

use callfield_domain::Timestamp;
use ring::error::Unspecified;
use ring::signature::EcdsaKeyPair;
use serde_json::json;

use crate::push::jwt;

const REUSED_MS: i64 = 50 * 60 * 1_000;
const RENEWED_AFTER_MS_MIN: i64 = 20 * 60 * 1_000;

/// Signs provider tokens and keeps the last.
pub(super) struct ProviderTokens {
    key: EcdsaKeyPair,
    key_id: String,
    team_id: String,
    last: Mutex<Option<ProviderToken>>,
}

#[derive(Clone)]
struct ProviderToken {
    authorization: String,
    signed_at: Timestamp,
}

impl ProviderTokens {
    pub(super) fn new(key: EcdsaKeyPair, key_id: String, team_id: String) -> Self {
        Self { key, key_id, team_id, last: Mutex::new(None) }
    }

    /// The `authorization` of a request that is sent now.
    pub(super) fn authorization(&self, now: Timestamp) -> Result<String, Unspecified> {
        self.younger_than(REUSED_MS, now)
    }

    /// A new `authorization` after Apple called `refused` expired; the same again if it is too young to be renewed.
    pub(super) fn after_refusal(&self, now: Timestamp) -> Result<String, Unspecified> {
        self.younger_than(RENEWED_AFTER_MS_MIN, now)
    }

    fn younger_than(&self, age_ms: i64, now: Timestamp) -> Result<String, Unspecified> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes the age negative: such a token is kept, it is not from another hour.
        if let Some(token) = last.as_ref().filter(|token| now.as_millis() - token.signed_at.as_millis() < age_ms) {
            return Ok(token.authorization.clone());
        }
        let claims = json!({ "iss": self.team_id, "iat": now.as_millis() / 1_000 });
        let authorization = format!("bearer {}", jwt::signed(&self.key, &self.key_id, &claims)?);
        *last = Some(ProviderToken { authorization: authorization.clone(), signed_at: now });
        Ok(authorization)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ring::rand::SystemRandom;
    use ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;

    use super::*;

    fn tokens() -> ProviderTokens {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
        ProviderTokens::new(key, "KEY".to_owned(), "TEAM".to_owned())
    }

    fn minutes(count: u64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000) + Duration::from_secs(60 * count)
    }

    #[test]
    fn a_token_is_reused_for_50_minutes() {
        let tokens = tokens();
        let first = tokens.authorization(minutes(0)).unwrap();
        assert_eq!(tokens.authorization(minutes(49)).unwrap(), first);
        assert_ne!(tokens.authorization(minutes(50)).unwrap(), first);
    }

    #[test]
    fn a_refused_token_is_not_renewed_within_20_minutes() {
        let tokens = tokens();
        let first = tokens.authorization(minutes(0)).unwrap();
        assert_eq!(tokens.after_refusal(minutes(19)).unwrap(), first);
        let second = tokens.after_refusal(minutes(20)).unwrap();
        assert_ne!(second, first);
        assert_eq!(tokens.authorization(minutes(21)).unwrap(), second);
    }
}
