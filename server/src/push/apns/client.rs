//! Sends one push to one token.

use std::sync::Arc;

use bytes::Bytes;
use callfield_domain::Timestamp;
use http::Request;
use serde_json::Value;
use uuid::Uuid;

use super::provider_token::ProviderTokens;
use super::{ApnsError, ApnsSettings, Reason};
use crate::app::clock::Clock;
use crate::app::softphones::ApnsSupport;
use crate::db::PushEnvironment;
use crate::push::connection::{Answer, Connection, FirstRequest, Handover, TransportError};

/// A push.
pub struct ApnsPush<'a> {
    /// The device's token, as hex.
    pub token: &'a str,
    /// Which of Apple's two worlds the token belongs to.
    pub environment: PushEnvironment,
    /// The push's own id, the same each time it is sent.
    pub id: Uuid,
    /// The whole JSON body.
    pub payload: &'a Value,
    /// What it does on the phone.
    pub kind: ApnsKind,
    /// The app it is for, if it is not the configured one.
    pub bundle: Option<&'a str>,
}

/// What a push does on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApnsKind {
    /// Wakes the app, which must show a call. One that cannot be delivered at once is over when it could be.
    Voip,
    /// Shows something, at the latest at the given time.
    Alert(Timestamp),
    /// Wakes the app for a moment, when that suits the phone; at the latest at the given time.
    Background(Timestamp),
}

impl ApnsKind {
    const fn push_type(self) -> &'static str {
        match self {
            Self::Voip => "voip",
            Self::Alert(_) => "alert",
            Self::Background(_) => "background",
        }
    }

    fn topic(self, bundle: &str) -> String {
        match self {
            Self::Voip => format!("{bundle}.voip"),
            Self::Alert(_) | Self::Background(_) => bundle.to_owned(),
        }
    }

    /// Apple demands 5 of a background push.
    const fn priority(self) -> &'static str {
        match self {
            Self::Voip | Self::Alert(_) => "10",
            Self::Background(_) => "5",
        }
    }

    /// Seconds since 1970; 0: now or never.
    const fn expiration_s(self) -> i64 {
        match self {
            Self::Voip => 0,
            Self::Alert(until) | Self::Background(until) => until.as_millis() / 1_000,
        }
    }
}

/// A client of APNs; one connection for each of Apple's worlds that is configured.
pub struct ApnsClient {
    production: Connection,
    sandbox: Option<Connection>,
    tokens: ProviderTokens,
    bundle_id: String,
    team_id: String,
    clock: Clock,
}

impl ApnsClient {
    /// A client with these settings; nothing is connected yet.
    pub fn new(settings: ApnsSettings, clock: Clock) -> Self {
        let connect = |url| Connection::new(url, Arc::clone(&settings.tls), FirstRequest::Alone);
        Self {
            production: connect(settings.url),
            sandbox: settings.sandbox_url.map(connect),
            team_id: settings.team_id.clone(),
            tokens: ProviderTokens::new(settings.key, settings.key_id, settings.team_id),
            bundle_id: settings.bundle_id,
            clock,
        }
    }

    /// The apps of foreign softphones that it can push to.
    pub fn support(&self) -> ApnsSupport {
        let (team, bundle) = (self.team_id.clone(), self.bundle_id.clone());
        ApnsSupport { team, bundle, has_sandbox: self.sandbox.is_some() }
    }

    /// Opens the connection to production.
    ///
    /// # Errors
    /// [`TransportError`] when Apple cannot be reached.
    pub async fn warm(&self) -> Result<(), TransportError> {
        self.production.warm().await
    }

    /// Sends a push and gives Apple's id of it; `handover` says when it was handed to the connection. A token
    /// that is unknown in its own world is tried once in the other.
    ///
    /// # Errors
    /// [`ApnsError`] says why it was not accepted.
    pub async fn send(&self, push: &ApnsPush<'_>, handover: &Arc<Handover>) -> Result<String, ApnsError> {
        let (own, other) = match (push.environment, &self.sandbox) {
            (PushEnvironment::Sandbox, Some(sandbox)) => (sandbox, Some(&self.production)),
            (PushEnvironment::Production, Some(sandbox)) => (&self.production, Some(sandbox)),
            (_, None) => (&self.production, None),
        };
        let refusal = match self.send_over(own, push, handover).await {
            Err(refusal) if refusal.reason() == Some(&Reason::BadDeviceToken) => refusal,
            outcome => return outcome,
        };
        let Some(other) = other else { return Err(refusal) };
        match self.send_over(other, push, handover).await {
            Ok(id) => {
                tracing::warn!("a push token belongs to the other APNs environment than its device said");
                Ok(id)
            }
            Err(_) => Err(refusal),
        }
    }

    async fn send_over(
        &self,
        connection: &Connection,
        push: &ApnsPush<'_>,
        handover: &Arc<Handover>,
    ) -> Result<String, ApnsError> {
        let authorization = self.tokens.authorization(self.clock.now()).map_err(|_| ApnsError::Unsendable)?;
        let refusal = match self.send_as(connection, push, &authorization, handover).await {
            Err(refusal) if refusal.reason() == Some(&Reason::ExpiredProviderToken) => refusal,
            outcome => return outcome,
        };
        let renewed = self.tokens.after_refusal(self.clock.now()).map_err(|_| ApnsError::Unsendable)?;
        if renewed == authorization {
            return Err(refusal);
        }
        self.send_as(connection, push, &renewed, handover).await
    }

    async fn send_as(
        &self,
        connection: &Connection,
        push: &ApnsPush<'_>,
        authorization: &str,
        handover: &Arc<Handover>,
    ) -> Result<String, ApnsError> {
        if push.token.is_empty() || !push.token.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(ApnsError::Unsendable);
        }
        let base = connection.url().to_string();
        let request = Request::post(format!("{}/3/device/{}", base.trim_end_matches('/'), push.token))
            .header("authorization", authorization)
            .header("apns-id", push.id.hyphenated().to_string())
            .header("apns-topic", push.kind.topic(push.bundle.unwrap_or(&self.bundle_id)))
            .header("apns-push-type", push.kind.push_type())
            .header("apns-priority", push.kind.priority())
            .header("apns-expiration", push.kind.expiration_s().to_string())
            .body(Bytes::from(push.payload.to_string()))
            .map_err(|_| ApnsError::Unsendable)?;
        let answer = connection.request(&request, handover).await?;
        if answer.status == 200 { Ok(apns_id(&answer)) } else { Err(ApnsError::of(&answer, self.clock.now())) }
    }
}

fn apns_id(answer: &Answer) -> String {
    let id = answer.headers.get("apns-id").and_then(|id| id.to_str().ok());
    id.unwrap_or_default().to_owned()
}
