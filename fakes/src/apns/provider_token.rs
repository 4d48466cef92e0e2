//! Provider tokens: the signature, who signed, how old, and how often a sender changes them.

use std::sync::Mutex;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::{ApnsAccount, Refusal};

const AGE_S_MAX: i64 = 60 * 60;
const CLOCK_SKEW_S_MAX: i64 = 60;
const UPDATE_INTERVAL_S_MIN: i64 = 20 * 60;

const INVALID: Refusal = Refusal::new(403, "InvalidProviderToken");

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: i64,
}

/// The JWT of a request, if it is signed by the account's key and neither too old nor from the future.
pub(super) fn verify(headers: &HeaderMap, account: &ApnsAccount, now_s: i64) -> Result<String, Refusal> {
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return Err(Refusal::new(403, "MissingProviderToken"));
    };
    let (scheme, jwt) = authorization.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(INVALID)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(INVALID);
    }
    let header = jsonwebtoken::decode_header(jwt).map_err(|_| INVALID)?;
    if header.alg != Algorithm::ES256 || header.kid.as_deref() != Some(account.key_id.as_str()) {
        return Err(INVALID);
    }
    // The fake's clock decides about time, so the library must not.
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.set_required_spec_claims::<&str>(&[]);
    let claims = jsonwebtoken::decode::<Claims>(jwt, &account.verifying_key, &validation).map_err(|_| INVALID)?.claims;
    if claims.iss != account.team_id || claims.iat > now_s + CLOCK_SKEW_S_MAX {
        return Err(INVALID);
    }
    if now_s - claims.iat > AGE_S_MAX {
        return Err(Refusal::new(403, "ExpiredProviderToken"));
    }
    Ok(jwt.to_owned())
}

/// Watches how often a connection comes with a new token: at most every 20 minutes.
#[derive(Default)]
pub(super) struct TokenUpdates(Mutex<Option<(String, i64)>>);

impl TokenUpdates {
    pub(super) fn check(&self, jwt: &str, now_s: i64) -> Result<(), Refusal> {
        let mut current = self.0.lock().expect("no code that holds this lock panics");
        match current.as_ref() {
            Some((known, _)) if known == jwt => Ok(()),
            Some((_, since_s)) if now_s - since_s < UPDATE_INTERVAL_S_MIN => {
                Err(Refusal::new(429, "TooManyProviderTokenUpdates"))
            }
            _ => {
                *current = Some((jwt.to_owned(), now_s));
                Ok(())
            }
        }
    }
}
