//! Sends one data message to one token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access_token::AccessTokens;
use super::{FcmError, FcmSettings};
use crate::app::clock::Clock;
use crate::push::connection::{Answer, Connection, FirstRequest, Handover};

/// A data message.
pub struct FcmPush<'a> {
    /// The installation's registration token.
    pub token: &'a str,
    /// The `data` of it: an object of texts.
    pub data: Value,
    /// Whether it may wake a phone that dozes.
    pub is_urgent: bool,
    /// After this time the message is of no use.
    pub time_to_live: Duration,
}

/// A client of FCM.
pub struct FcmClient {
    connection: Connection,
    path: String,
    projects: Vec<String>,
    tokens: AccessTokens,
    clock: Clock,
}

#[derive(Deserialize)]
struct Accepted {
    name: String,
}

impl FcmClient {
    /// A client with these settings; nothing is connected yet.
    pub fn new(settings: FcmSettings, clock: Clock) -> Self {
        let tls = Arc::clone(&settings.tls);
        let base = settings.url.to_string();
        Self {
            path: format!("{}/v1/projects/{}/messages:send", base.trim_end_matches('/'), settings.project_id),
            projects: [Some(settings.project_id.clone()), settings.project_number.clone()]
                .into_iter()
                .flatten()
                .collect(),
            connection: Connection::new(settings.url.clone(), tls, FirstRequest::LikeAnyOther),
            tokens: AccessTokens::new(settings, clock.clone()),
            clock,
        }
    }

    /// What its project is called: the id, and the number if that is configured.
    pub fn projects(&self) -> Vec<String> {
        self.projects.clone()
    }

    /// Opens the connection and buys an access token.
    ///
    /// # Errors
    /// [`FcmError`] when Google cannot be reached or does not believe the service account.
    pub async fn warm(&self) -> Result<(), FcmError> {
        let (authorization, connected) = tokio::join!(self.tokens.authorization(), self.connection.warm());
        authorization?;
        Ok(connected?)
    }

    /// Sends a message and gives its name at Google; `handover` says when it was handed to the connection. A
    /// stale access token is replaced once.
    ///
    /// # Errors
    /// [`FcmError`] says why it was not accepted.
    pub async fn send(&self, push: &FcmPush<'_>, handover: &Arc<Handover>) -> Result<String, FcmError> {
        let authorization = self.tokens.authorization().await?;
        let answer = self.send_as(push, &authorization, handover).await?;
        if answer.status != 401 {
            return self.accepted(&answer);
        }
        let renewed = self.tokens.in_place_of(&authorization).await?;
        self.accepted(&self.send_as(push, &renewed, handover).await?)
    }

    async fn send_as(
        &self,
        push: &FcmPush<'_>,
        authorization: &str,
        handover: &Arc<Handover>,
    ) -> Result<Answer, FcmError> {
        let ttl = format!("{}s", push.time_to_live.as_secs());
        let message = json!({ "message": {
            "token": push.token,
            "data": push.data,
            "android": { "priority": if push.is_urgent { "high" } else { "normal" }, "ttl": ttl },
        } });
        let request = Request::post(&self.path)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(message.to_string()))
            .map_err(|_| FcmError::Unsendable)?;
        Ok(self.connection.request(&request, handover).await?)
    }

    fn accepted(&self, answer: &Answer) -> Result<String, FcmError> {
        let accepted = serde_json::from_slice::<Accepted>(&answer.body).ok().filter(|_| answer.status == 200);
        accepted.map(|accepted| accepted.name).ok_or_else(|| FcmError::of(answer, self.clock.now()))
    }
}
