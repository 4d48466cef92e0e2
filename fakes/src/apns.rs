//! The fake APNs: token authentication over TLS and HTTP/2, with Apple's own reasons for every refusal.

mod provider_token;
mod rules;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};
use jsonwebtoken::DecodingKey;
use rcgen::KeyPair;
use serde_json::Value;

use crate::delivery::ledger::LedgerEntry;
use crate::delivery::{Address, Arrival, object, random_hex};
use crate::h2_listener::{Answering, Listener, Received, Verdict};
use crate::{Authority, Delivery, FakeError, Service};
use provider_token::TokenUpdates;

/// A team's account at Apple: what a sender needs to know and what the service verifies with.
#[derive(Clone)]
pub struct ApnsAccount {
    /// The ten-character team id, `iss` of a provider token.
    pub team_id: String,
    /// The ten-character key id, `kid` of a provider token.
    pub key_id: String,
    /// The app's bundle id, the base of every topic.
    pub bundle_id: String,
    /// The `.p8` file that Apple lets a team download once: a PKCS #8 P-256 key as PEM.
    pub p8: String,
    verifying_key: DecodingKey,
}

impl ApnsAccount {
    /// Opens an account with a fresh key.
    ///
    /// # Errors
    /// [`FakeError::Certificate`] or [`FakeError::PublicKey`] when no key can be made.
    pub fn new() -> Result<Self, FakeError> {
        let key = KeyPair::generate()?;
        Ok(Self {
            team_id: random_hex::<5>().to_uppercase(),
            key_id: random_hex::<5>().to_uppercase(),
            bundle_id: "com.callfield.app".to_owned(),
            p8: key.serialize_pem(),
            verifying_key: DecodingKey::from_ec_pem(key.public_key_pem().as_bytes())?,
        })
    }

    /// The topic of VoIP pushes.
    pub fn voip_topic(&self) -> String {
        format!("{}.voip", self.bundle_id)
    }
}

/// A running fake APNs; stops when dropped.
pub struct FakeApns {
    state: Arc<Apns>,
    listener: Listener,
}

impl FakeApns {
    /// Starts the service on a free port of loopback.
    ///
    /// # Errors
    /// [`FakeError`] when no port or certificate is to be had.
    pub async fn start(authority: &Authority, delivery: Arc<Delivery>) -> Result<Self, FakeError> {
        Self::start_for(ApnsAccount::new()?, authority, delivery).await
    }

    /// Starts the service for an account that exists, as Apple's sandbox does beside production.
    ///
    /// # Errors
    /// [`FakeError`] when no port or certificate is to be had.
    pub async fn start_for(
        account: ApnsAccount,
        authority: &Authority,
        delivery: Arc<Delivery>,
    ) -> Result<Self, FakeError> {
        let state = Arc::new(Apns { account, delivery });
        let listener = Listener::start(authority.h2_server()?, Arc::clone(&state)).await?;
        Ok(Self { state, listener })
    }

    /// Where senders reach it.
    pub fn url(&self) -> String {
        self.listener.url()
    }

    /// The one account it knows.
    pub fn account(&self) -> &ApnsAccount {
        &self.state.account
    }
}

struct Apns {
    account: ApnsAccount,
    delivery: Arc<Delivery>,
}

/// What APNs remembers of a connection.
#[derive(Default)]
pub(crate) struct Session {
    /// Until a valid provider token came, one stream may be open.
    proven: AtomicBool,
    open_streams: AtomicUsize,
    updates: TokenUpdates,
}

/// A refusal in Apple's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    reason: &'static str,
    /// When the token was found dead, in milliseconds since 1970.
    timestamp: Option<i64>,
}

impl Refusal {
    const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, timestamp: None }
    }
}

impl Answering for Apns {
    type Session = Session;

    async fn answer(&self, session: &Session, received: Received) -> Verdict {
        let others = session.open_streams.fetch_add(1, Ordering::AcqRel);
        let verdict = if others > 0 && !session.proven.load(Ordering::Acquire) {
            Verdict::Reset(Reason::REFUSED_STREAM)
        } else {
            let fault = self.delivery.next_fault(Service::Apns);
            let apns_id = apns_id(&received.headers);
            fault.play(|status, reason| refused(status, reason, None, &apns_id), self.usual(session, &received)).await
        };
        session.open_streams.fetch_sub(1, Ordering::AcqRel);
        verdict
    }
}

impl Apns {
    #[expect(clippy::unused_async, reason = "a fault decides whether the answer is awaited at all")]
    async fn usual(&self, session: &Session, received: &Received) -> Response<Bytes> {
        let apns_id = apns_id(&received.headers);
        let token = received.path.strip_prefix("/3/device/").unwrap_or_default();
        let outcome = self.judge(session, received, token);
        self.delivery.record(LedgerEntry {
            id: apns_id.clone(),
            service: Service::Apns,
            token: token.to_owned(),
            accepted_at: self.delivery.clock.now_ms(),
            status: outcome.as_ref().map_or_else(|refusal| refusal.status, |()| 200),
            reason: outcome.as_ref().err().map(|refusal| refusal.reason.to_owned()),
        });
        match outcome {
            Ok(()) => respond(200, &apns_id, Bytes::new()),
            Err(refusal) => refused(refusal.status, refusal.reason, refusal.timestamp, &apns_id),
        }
    }

    fn judge(&self, session: &Session, received: &Received, token: &str) -> Result<(), Refusal> {
        rules::check_request_line(&received.method, &received.path)?;
        let now_s = self.delivery.clock.now_s();
        let provider_token = provider_token::verify(&received.headers, &self.account, now_s)?;
        session.updates.check(&provider_token, now_s)?;
        session.proven.store(true, Ordering::Release);
        let push = rules::check_push(&received.headers, &received.body, &self.account.bundle_id)?;
        self.check_phone(token, &push.topic)?;
        let arrival = Arrival {
            push_type: push.push_type.to_owned(),
            headers: shown_headers(&received.headers),
            payload: push.payload,
        };
        self.delivery.deliver(token, arrival);
        Ok(())
    }

    fn check_phone(&self, token: &str, topic: &str) -> Result<(), Refusal> {
        match self.delivery.address(Service::Apns, token) {
            Address::Unknown => Err(Refusal::new(400, "BadDeviceToken")),
            Address::Gone(at_ms) => Err(Refusal { timestamp: Some(at_ms), ..Refusal::new(410, "Unregistered") }),
            Address::Live(home) if home != topic => Err(Refusal::new(400, "DeviceTokenNotForTopic")),
            Address::Live(_) => Ok(()),
        }
    }
}

/// The sender's id of the push, or one that is made for it.
fn apns_id(headers: &HeaderMap) -> String {
    let named = headers.get("apns-id").and_then(|value| value.to_str().ok());
    named.filter(|id| rules::is_uuid(id)).map_or_else(new_uuid, ToOwned::to_owned)
}

fn new_uuid() -> String {
    let hex = random_hex::<16>();
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

fn shown_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let of_apns = headers.iter().filter(|(name, _)| name.as_str().starts_with("apns-"));
    of_apns.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned()))).collect()
}

fn refused(status: u16, reason: &str, timestamp: Option<i64>, apns_id: &str) -> Response<Bytes> {
    let mut body = object([("reason", Value::from(reason))]);
    if let Some(timestamp) = timestamp {
        body["timestamp"] = Value::from(timestamp);
    }
    respond(status, apns_id, Bytes::from(body.to_string()))
}

fn respond(status: u16, apns_id: &str, body: Bytes) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("apns-id", apns_id)
        .body(body)
        .unwrap_or_else(|_| Response::new(Bytes::new()))
}
