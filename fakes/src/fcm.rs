//! The fake FCM: the v1 send method behind OAuth, and Google's token endpoint on the same port.

mod answers;
mod oauth;
mod rules;

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, Response};
use jsonwebtoken::DecodingKey;
use ring::rand::{SecureRandom as _, SystemRandom};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use serde_json::Value;

use crate::delivery::ledger::LedgerEntry;
use crate::delivery::{Address, object, random_hex};
use crate::h2_listener::{Answering, Listener, Received, Verdict};
use crate::{Authority, Delivery, FakeError, Service};
use answers::FcmError;
use oauth::AccessTokens;
use rules::Message;

const RSA_BITS: usize = 2_048;

/// The account of this process's fakes, so that a test does not wait for a new RSA key each time.
static OF_PROCESS: Mutex<Option<FcmAccount>> = Mutex::new(None);

/// A service account: what a sender needs to know and what the service verifies with.
#[derive(Clone)]
pub struct FcmAccount {
    /// The Firebase project.
    pub project_id: String,
    /// The account's name, `iss` of an assertion.
    pub client_email: String,
    /// The key's id, `kid` of an assertion.
    pub private_key_id: String,
    /// The RSA key as PKCS #8 PEM.
    pub private_key: String,
    verifying_key: DecodingKey,
}

impl FcmAccount {
    /// Opens an account with a fresh RSA key, which takes a while.
    ///
    /// # Errors
    /// [`FakeError::RsaKey`] or [`FakeError::PublicKey`] when no key can be made.
    pub fn new() -> Result<Self, FakeError> {
        let key =
            RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS).map_err(|e| FakeError::RsaKey(e.to_string()))?;
        let private_key = key.to_pkcs8_pem(LineEnding::LF).map_err(|e| FakeError::RsaKey(e.to_string()))?;
        let public_key =
            key.to_public_key().to_public_key_pem(LineEnding::LF).map_err(|e| FakeError::RsaKey(e.to_string()))?;
        Ok(Self {
            project_id: "callfield-fake".to_owned(),
            client_email: "push@callfield-fake.iam.gserviceaccount.com".to_owned(),
            private_key_id: random_hex::<20>(),
            private_key: private_key.to_string(),
            verifying_key: DecodingKey::from_rsa_pem(public_key.as_bytes())?,
        })
    }

    /// The account that all fakes of this process share, opened by the first.
    fn of_process() -> Result<Self, FakeError> {
        let mut account = OF_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        match account.as_ref() {
            Some(account) => Ok(account.clone()),
            None => Ok(account.insert(Self::new()?).clone()),
        }
    }
}

/// A running fake FCM; stops when dropped.
pub struct FakeFcm {
    state: Arc<Fcm>,
    listener: Listener,
}

impl FakeFcm {
    /// Starts the service on a free port of loopback.
    ///
    /// # Errors
    /// [`FakeError`] when no port, key or certificate is to be had.
    pub async fn start(authority: &Authority, delivery: Arc<Delivery>) -> Result<Self, FakeError> {
        let account = tokio::task::spawn_blocking(FcmAccount::of_process).await.map_err(std::io::Error::other)??;
        let state = Arc::new(Fcm { account, delivery, access_tokens: AccessTokens::default() });
        let listener = Listener::start(authority.h2_server()?, Arc::clone(&state)).await?;
        Ok(Self { state, listener })
    }

    /// Where senders reach it.
    pub fn url(&self) -> String {
        self.listener.url()
    }

    /// Where access tokens are to be had.
    pub fn token_uri(&self) -> String {
        format!("{}/token", self.url())
    }

    /// The one account it knows.
    pub fn account(&self) -> &FcmAccount {
        &self.state.account
    }

    /// The JSON file that Google lets a project download for a service account.
    pub fn service_account_json(&self) -> String {
        let account = &self.state.account;
        let json = object([
            ("type", Value::from("service_account")),
            ("project_id", Value::from(account.project_id.as_str())),
            ("private_key_id", Value::from(account.private_key_id.as_str())),
            ("private_key", Value::from(account.private_key.as_str())),
            ("client_email", Value::from(account.client_email.as_str())),
            ("client_id", Value::from("100000000000000000000")),
            ("token_uri", Value::from(self.token_uri())),
        ]);
        format!("{json:#}")
    }

    /// Makes every access token stale at once, long before its time.
    pub fn revoke_access_tokens(&self) {
        self.state.access_tokens.revoke();
    }

    /// How many access tokens were given out.
    pub fn access_tokens_issued(&self) -> usize {
        self.state.access_tokens.issued()
    }
}

struct Fcm {
    account: FcmAccount,
    delivery: Arc<Delivery>,
    access_tokens: AccessTokens,
}

impl Answering for Fcm {
    type Session = ();

    async fn answer(&self, (): &(), received: Received) -> Verdict {
        if received.path == "/token" {
            let fault = self.delivery.next_fault(Service::Oauth);
            return fault.play(oauth::refuse, self.give_access_token(&received)).await;
        }
        let fault = self.delivery.next_fault(Service::Fcm);
        fault.play(answers::refuse_with, self.send(&received)).await
    }
}

impl Fcm {
    #[expect(clippy::unused_async, reason = "a fault decides whether the answer is awaited at all")]
    async fn give_access_token(&self, received: &Received) -> Response<Bytes> {
        let token_uri = format!("https://{}/token", received.authority);
        self.access_tokens.give(received, &self.account, &token_uri, self.delivery.clock.now_s())
    }

    #[expect(clippy::unused_async, reason = "a fault decides whether the answer is awaited at all")]
    async fn send(&self, received: &Received) -> Response<Bytes> {
        let mut token = String::new();
        let outcome = self.judge(received, &mut token);
        self.delivery.record(LedgerEntry {
            id: outcome.clone().unwrap_or_default(),
            service: Service::Fcm,
            token,
            accepted_at: self.delivery.clock.now_ms(),
            status: outcome.as_ref().map_or_else(|error| error.code, |_| 200),
            reason: outcome.as_ref().err().map(|error| error.reason().to_owned()),
        });
        match outcome {
            Ok(name) => answers::json(200, &object([("name", Value::from(name))])),
            Err(error) => error.response(),
        }
    }

    /// The name of the accepted message; the token it was for is written down as soon as it is known.
    fn judge(&self, received: &Received, token: &mut String) -> Result<String, FcmError> {
        let project = rules::project_of(&received.path)?;
        if received.method != Method::POST {
            return Err(FcmError::not_found());
        }
        self.access_tokens.check(&received.headers, self.delivery.clock.now_s())?;
        if project != self.account.project_id {
            return Err(FcmError::permission_denied());
        }
        let message = Message::read(&received.body)?;
        message.token.clone_into(token);
        self.check_phone(&message.token)?;
        if message.is_validate_only {
            return Ok(format!("projects/{project}/messages/fake_message_id"));
        }
        self.delivery.deliver(token, message.into_arrival());
        Ok(format!("projects/{project}/messages/0:{}%{}", self.delivery.clock.now_ms() * 1_000, random_hex::<8>()))
    }

    fn check_phone(&self, token: &str) -> Result<(), FcmError> {
        match self.delivery.address(Service::Fcm, token) {
            Address::Unknown if !rules::looks_like_a_token(token) => Err(FcmError::not_a_token()),
            Address::Unknown | Address::Gone(_) => Err(FcmError::unregistered()),
            Address::Live(home) if home != self.account.project_id => Err(FcmError::sender_id_mismatch()),
            Address::Live(_) => Ok(()),
        }
    }
}

/// A bearer token of the shape Google's have.
fn new_access_token() -> String {
    let mut bytes = [0; 48];
    SystemRandom::new().fill(&mut bytes).expect("the operating system always has random bytes");
    format!("ya29.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}
