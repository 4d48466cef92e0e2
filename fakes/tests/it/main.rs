//! Proves that the fakes are as strict as the real services.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod apns;
mod client;
mod control;
mod fcm;
mod transport;

use callfield_fakes::FakePush;
use serde::Serialize;

async fn start() -> FakePush {
    FakePush::start().await.expect("the fakes start")
}

#[derive(Serialize)]
struct ProviderClaims<'a> {
    iss: &'a str,
    iat: i64,
}

/// A provider token as a sender makes it.
fn provider_token(fakes: &FakePush, iat: i64) -> String {
    let account = fakes.apns.account();
    signed_by(&account.p8, &account.key_id, &account.team_id, iat)
}

fn signed_by(p8: &str, key_id: &str, team_id: &str, iat: i64) -> String {
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    header.kid = Some(key_id.to_owned());
    let key = jsonwebtoken::EncodingKey::from_ec_pem(p8.as_bytes()).expect("the account's key is a P-256 key");
    let jwt = jsonwebtoken::encode(&header, &ProviderClaims { iss: team_id, iat }, &key).expect("signing works");
    format!("bearer {jwt}")
}
