//! The server's HTTP API as the phone uses it.

use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, TenantId, UserId};
use http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::https::{Answer, Ask, ask};
use super::{Endpoint, Network, TransportError, Trust};
use crate::platform::PlatformKind;

const SHORT_LIMIT: Duration = Duration::from_secs(10);
const SYNC_LIMIT: Duration = Duration::from_secs(60);
/// The media type of the sync protocol's bodies (docs/protocol/sync.md).
const SYNC_TYPE: &str = "application/vnd.callfield.sync";
const SYNC_ANSWER_BYTES_MAX: usize = 256 << 20;
const ZSTD_LEVEL: i32 = 3;

/// The server, and who asks.
#[derive(Clone)]
pub struct Api {
    /// The way out.
    pub network: Network,
    /// Whom to trust.
    pub trust: Trust,
    /// Where the server is.
    pub server: Endpoint,
    /// The device's token; `None` before enrolment.
    pub token: Option<String>,
}

/// Why the server did not do as asked.
#[derive(Debug, Error)]
pub enum ApiError {
    /// The server could not be reached; trying again later may help.
    #[error(transparent)]
    Unreachable(#[from] TransportError),
    /// The server said no, and why.
    #[error("the server refused ({code}): {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The stable word for the reason.
        code: String,
        /// One sentence.
        detail: String,
    },
    /// The server's answer is not what the API promises.
    #[error("the server's answer cannot be read")]
    BadAnswer,
}

/// What `POST /v1/enrol` sends.
#[derive(Debug, Clone, Serialize)]
pub struct Enrolment<'a> {
    /// The one-time code.
    pub code: &'a str,
    /// The device that enrols.
    pub device: EnrolledDevice<'a>,
}

/// The device that enrols.
#[derive(Debug, Clone, Serialize)]
pub struct EnrolledDevice<'a> {
    /// The install id, which is the device id.
    pub install_id: DeviceId,
    /// The kind of machine.
    pub platform: PlatformKind,
    /// What the user calls it.
    pub name: &'a str,
    /// The version of the app.
    pub app_version: &'a str,
    /// The version of the operating system.
    pub os_version: &'a str,
    /// The X25519 public key, base64url.
    pub public_key: String,
    /// How to wake it; `None` if it cannot be woken.
    pub push: Option<&'a PushTarget>,
}

/// How a device is woken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushTarget {
    /// The push service.
    pub service: PushService,
    /// The address that the service gave this install.
    pub token: String,
    /// APNs' other address of this install, by which alerts reach it; FCM has one for all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alert_token: Option<String>,
    /// `production` or `sandbox` (APNs).
    pub environment: PushEnvironment,
}

/// A push service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushService {
    /// Firebase Cloud Messaging.
    Fcm,
    /// Apple Push Notification service.
    Apns,
}

/// Which of APNs' two services a token is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushEnvironment {
    /// Of apps from the store.
    Production,
    /// Of apps under development.
    Sandbox,
}

/// What the server answers to an enrolment.
#[derive(Debug, Clone, Deserialize)]
pub struct Enrolled {
    /// The device's secret for every later request.
    pub token: String,
    /// The company.
    pub tenant: EnrolledTenant,
    /// The person.
    pub user: EnrolledUser,
    /// The node that answered.
    pub node: String,
    /// What SIP needs.
    pub sip: EnrolledSip,
    /// What the device may hold.
    pub scopes: Vec<String>,
}

/// The company a device belongs to.
#[derive(Debug, Clone, Deserialize)]
pub struct EnrolledTenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Its country, ISO 3166 alpha-2.
    pub country: String,
}

/// The person a device belongs to.
#[derive(Debug, Clone, Deserialize)]
pub struct EnrolledUser {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub name: String,
}

/// What SIP needs to know.
#[derive(Debug, Clone, Deserialize)]
pub struct EnrolledSip {
    /// The domain of the company's SIP addresses.
    pub domain: String,
}

/// What a call that a push announced is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteCallState {
    /// It waits for this device.
    Ringing,
    /// The caller gave up.
    Cancelled,
    /// Another device took it.
    AnsweredElsewhere,
    /// It ended some other way.
    Over,
    /// The server does not know it, or has a word this build does not know.
    #[serde(other)]
    Unknown,
}

impl Api {
    /// Enrols the device with a one-time code.
    ///
    /// # Errors
    /// [`ApiError::Refused`] for a code that is wrong, expired or used; others as named there.
    pub async fn enrol(&self, enrolment: &Enrolment<'_>) -> Result<Enrolled, ApiError> {
        let body = serde_json::to_vec(enrolment).map_err(|_| ApiError::BadAnswer)?;
        read(&self.json(Method::POST, "/v1/enrol", body).await?)
    }

    /// Replaces the address that pushes for this install go to.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn replace_push_target(&self, target: &PushTarget) -> Result<(), ApiError> {
        let body = serde_json::to_vec(target).map_err(|_| ApiError::BadAnswer)?;
        self.json(Method::PUT, "/v1/device/push", body).await.map(|_| ())
    }

    /// What the call is doing, asked of the node that parked it.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn call_state(&self, node: &Endpoint, call: CallId) -> Result<RemoteCallState, ApiError> {
        #[derive(Deserialize)]
        struct State {
            state: RemoteCallState,
        }
        let asked = Ask {
            method: Method::GET,
            path: &format!("/v1/calls/{call}/state"),
            headers: self.bearer(),
            body: Bytes::new(),
            limit: SHORT_LIMIT,
        };
        let State { state } = read(&checked(ask(&self.network, &self.trust, node, asked).await?)?)?;
        Ok(state)
    }

    /// One round trip of the sync protocol: encoded request in, encoded response out.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn sync(&self, request: &[u8]) -> Result<Vec<u8>, ApiError> {
        let body = zstd::encode_all(request, ZSTD_LEVEL).map_err(|_| ApiError::BadAnswer)?;
        let mut headers = self.bearer();
        headers.push(("content-type", SYNC_TYPE.to_owned()));
        headers.push(("content-encoding", "zstd".to_owned()));
        headers.push(("accept-encoding", "zstd".to_owned()));
        let asked = Ask { method: Method::POST, path: "/v1/sync", headers, body: body.into(), limit: SYNC_LIMIT };
        let answer = checked(ask(&self.network, &self.trust, &self.server, asked).await?)?;
        let is_zstd = answer.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "zstd");
        if !is_zstd {
            return Ok(answer.body.to_vec());
        }
        unpacked(&answer.body)
    }

    /// The header that says who asks.
    pub fn bearer(&self) -> Vec<(&'static str, String)> {
        self.token.iter().map(|token| ("authorization", format!("Bearer {token}"))).collect()
    }

    async fn json(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Answer, ApiError> {
        let mut headers = self.bearer();
        headers.push(("content-type", "application/json".to_owned()));
        let asked = Ask { method, path, headers, body: body.into(), limit: SHORT_LIMIT };
        checked(ask(&self.network, &self.trust, &self.server, asked).await?)
    }
}

fn unpacked(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    use std::io::Read as _;
    let decoder = zstd::Decoder::new(body).map_err(|_| ApiError::BadAnswer)?;
    let mut plain = Vec::new();
    let limit = u64::try_from(SYNC_ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
    decoder.take(limit).read_to_end(&mut plain).map_err(|_| ApiError::BadAnswer)?;
    if plain.len() == SYNC_ANSWER_BYTES_MAX { Err(ApiError::BadAnswer) } else { Ok(plain) }
}

fn checked(answer: Answer) -> Result<Answer, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: String,
        detail: String,
    }
    if answer.status.is_success() {
        return Ok(answer);
    }
    let status = answer.status;
    let Reason { code, detail } = serde_json::from_slice::<Body>(&answer.body).map_or_else(
        |_| Reason { code: plain_code(status), detail: "the server gave no reason".to_owned() },
        |body| body.error,
    );
    Err(ApiError::Refused { status: status.as_u16(), code, detail })
}

fn plain_code(status: StatusCode) -> String {
    format!("http_{}", status.as_u16())
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, ApiError> {
    serde_json::from_slice(&answer.body).map_err(|_| ApiError::BadAnswer)
}
