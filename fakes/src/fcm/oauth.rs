//! Google's token endpoint: an assertion signed by the service account buys an access token for an hour (RFC 7523).

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Response};
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::answers::{self, FcmError};
use super::{FcmAccount, new_access_token};
use crate::delivery::object;
use crate::h2_listener::Received;

const LIFETIME_S: i64 = 3_599;
const ASSERTION_LIFETIME_S_MAX: i64 = 3_600;
const CLOCK_SKEW_S_MAX: i64 = 60;
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/firebase.messaging", "https://www.googleapis.com/auth/cloud-platform"];

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    aud: String,
    scope: String,
    iat: i64,
    exp: i64,
}

/// The access tokens that are good, with the second at which each ends.
#[derive(Default)]
pub(super) struct AccessTokens(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    good_until_s: BTreeMap<String, i64>,
    count: usize,
}

/// Why no token is given: OAuth's `error` and Google's description.
type Refused = (&'static str, &'static str);

impl AccessTokens {
    pub(super) fn give(
        &self,
        received: &Received,
        account: &FcmAccount,
        token_uri: &str,
        now_s: i64,
    ) -> Response<Bytes> {
        if let Err((error, description)) = check_request(received, account, token_uri, now_s) {
            return refusal(400, error, description);
        }
        let token = new_access_token();
        let mut issued = self.0.lock().expect("no code that holds this lock panics");
        issued.good_until_s.insert(token.clone(), now_s + LIFETIME_S);
        issued.count += 1;
        answers::json(
            200,
            &object([
                ("access_token", Value::from(token)),
                ("expires_in", Value::from(LIFETIME_S)),
                ("token_type", Value::from("Bearer")),
            ]),
        )
    }

    pub(super) fn check(&self, headers: &HeaderMap, now_s: i64) -> Result<(), FcmError> {
        let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let issued = self.0.lock().expect("no code that holds this lock panics");
        let good_until_s = bearer.and_then(|token| issued.good_until_s.get(token));
        if good_until_s.is_some_and(|&until| now_s < until) { Ok(()) } else { Err(FcmError::unauthenticated()) }
    }

    pub(super) fn revoke(&self) {
        self.0.lock().expect("no code that holds this lock panics").good_until_s.clear();
    }

    pub(super) fn issued(&self) -> usize {
        self.0.lock().expect("no code that holds this lock panics").count
    }
}

/// An ordered error of the token endpoint.
pub(super) fn refuse(status: u16, error: &str) -> Response<Bytes> {
    refusal(status, error, "An error that was ordered.")
}

fn refusal(status: u16, error: &str, description: &str) -> Response<Bytes> {
    let body = object([("error", Value::from(error)), ("error_description", Value::from(description))]);
    answers::json(status, &body)
}

fn check_request(received: &Received, account: &FcmAccount, token_uri: &str, now_s: i64) -> Result<(), Refused> {
    let content_type = received.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if received.method != Method::POST || !content_type.starts_with("application/x-www-form-urlencoded") {
        return Err(("invalid_request", "Could not determine client type from the request."));
    }
    let form = read_form(&received.body);
    if form.get("grant_type").map(String::as_str) != Some(GRANT_TYPE) {
        return Err(("unsupported_grant_type", "Invalid grant_type"));
    }
    let assertion = form.get("assertion").ok_or(("invalid_request", "Missing parameter: assertion"))?;
    check_assertion(assertion, account, token_uri, now_s)
}

fn check_assertion(jwt: &str, account: &FcmAccount, token_uri: &str, now_s: i64) -> Result<(), Refused> {
    let malformed = ("invalid_grant", "Invalid JWT: Failed parsing assertion.");
    let header = jsonwebtoken::decode_header(jwt).map_err(|_| malformed)?;
    let is_known_key = header.kid.as_deref() == Some(account.private_key_id.as_str());
    if header.alg != Algorithm::RS256 || !is_known_key {
        return Err(("invalid_grant", "Invalid JWT Signature."));
    }
    // The fake's clock decides about time, and the audience is compared below.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.set_required_spec_claims::<&str>(&[]);
    let claims = jsonwebtoken::decode::<Assertion>(jwt, &account.verifying_key, &validation)
        .map_err(|_| ("invalid_grant", "Invalid JWT Signature."))?
        .claims;
    if claims.iss != account.client_email {
        return Err(("invalid_grant", "Invalid grant: account not found"));
    }
    if claims.aud != token_uri {
        return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
    }
    let is_timely = claims.iat <= now_s + CLOCK_SKEW_S_MAX && now_s < claims.exp + CLOCK_SKEW_S_MAX;
    if !is_timely || claims.exp - claims.iat > ASSERTION_LIFETIME_S_MAX {
        return Err((
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat \
             and exp values in the JWT claim.",
        ));
    }
    if !claims.scope.split(' ').any(|scope| SCOPES.contains(&scope)) {
        return Err(("invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    Ok(())
}

fn read_form(body: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (percent_decode(key), percent_decode(value))).collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
