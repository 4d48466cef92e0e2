//! OAuth access tokens: an assertion buys one for an hour; it is renewed 5 minutes early and once after a 401.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::Timestamp;
use http::Request;
use http::header::CONTENT_TYPE;
use ring::signature::RsaKeyPair;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::{FcmError, FcmSettings};
use crate::app::clock::Clock;
use crate::push::connection::{Connection, FirstRequest, Handover};
use crate::push::jwt;
use crate::push::retry_after::retry_after;

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const ASSERTION_LIFETIME_S: i64 = 3_600;
const RENEWED_EARLY: Duration = Duration::from_secs(5 * 60);

/// Buys access tokens and keeps the last; those who need a new one wait for the first who asks.
pub(super) struct AccessTokens {
    connection: Connection,
    client_email: String,
    key_id: String,
    key: RsaKeyPair,
    clock: Clock,
    last: Mutex<Option<AccessToken>>,
}

#[derive(Clone)]
struct AccessToken {
    authorization: String,
    renewed_at: Timestamp,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

#[derive(Default, Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
}

impl AccessTokens {
    pub(super) fn new(settings: FcmSettings, clock: Clock) -> Self {
        Self {
            connection: Connection::new(settings.token_uri, settings.tls, FirstRequest::LikeAnyOther),
            client_email: settings.client_email,
            key_id: settings.key_id,
            key: settings.key,
            clock,
            last: Mutex::new(None),
        }
    }

    /// The `authorization` of a request that is sent now.
    pub(super) async fn authorization(&self) -> Result<String, FcmError> {
        self.other_than(None).await
    }

    /// A new `authorization` in place of `stale`, which the service did not believe; bought once for all who ask.
    pub(super) async fn in_place_of(&self, stale: &str) -> Result<String, FcmError> {
        self.other_than(Some(stale)).await
    }

    async fn other_than(&self, stale: Option<&str>) -> Result<String, FcmError> {
        let mut last = self.last.lock().await;
        let now = self.clock.now();
        let is_good = |token: &&AccessToken| now < token.renewed_at && Some(token.authorization.as_str()) != stale;
        if let Some(token) = last.as_ref().filter(is_good) {
            return Ok(token.authorization.clone());
        }
        let bought = self.buy(now).await?;
        let authorization = bought.authorization.clone();
        *last = Some(bought);
        Ok(authorization)
    }

    async fn buy(&self, now: Timestamp) -> Result<AccessToken, FcmError> {
        let issued_at_s = now.as_millis() / 1_000;
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.connection.url().to_string(),
            "iat": issued_at_s,
            "exp": issued_at_s + ASSERTION_LIFETIME_S,
        });
        let assertion = jwt::signed(&self.key, &self.key_id, &claims).map_err(|_| FcmError::Unsendable)?;
        let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let request = Request::post(self.connection.url())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(form))
            .map_err(|_| FcmError::Unsendable)?;
        let answer = self.connection.request(&request, &Arc::new(Handover::default())).await?;
        if let Some(granted) = serde_json::from_slice::<Granted>(&answer.body).ok().filter(|_| answer.status == 200) {
            let lifetime = Duration::from_secs(granted.expires_in);
            let renewed_at = now + lifetime.saturating_sub(RENEWED_EARLY);
            return Ok(AccessToken { authorization: format!("Bearer {}", granted.access_token), renewed_at });
        }
        let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
        Err(FcmError::NoAccessToken {
            status: answer.status,
            error: denied.error,
            retry_after: retry_after(&answer.headers, now),
        })
    }
}
