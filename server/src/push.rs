//! Wakes sleeping phones through APNs and FCM.
//!
//! [`Senders::load`] reads keys and settings, so that a wrong one stops the server before it serves. [`run`] takes
//! the edge's [`PushRequest`]s, sends each at once in a task of its own and reports
//! back what became of it. The clients know nothing of calls and devices: they put one push to one token and say in
//! typed words what the service answered. docs/protocol/push.md has the bytes.

pub mod apns;
pub mod connection;
pub mod fcm;
mod jwt;
mod missed;
mod retry_after;
pub mod settings;
mod softphone;
mod wake;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::app::App;
use crate::app::clock::Clock;
use crate::app::softphones::PushSupport;
use crate::app::wake_port::PushRequest;
use crate::config;
use apns::{ApnsClient, ApnsSettings};
use fcm::{FcmClient, FcmSettings};
use settings::SettingsError;

/// Wakes that may be on their way at once; more wait in the channel, which bounds the edge.
const WAKES_MAX: usize = 4_096;

/// The configured push services; without one its devices cannot be woken.
#[derive(Default)]
pub struct Senders {
    /// Apple's.
    pub apns: Option<ApnsClient>,
    /// Google's.
    pub fcm: Option<FcmClient>,
}

impl Senders {
    /// Reads the keys and settings of every configured service.
    ///
    /// # Errors
    /// [`SettingsError`] names the file or key that is wrong.
    pub fn load(config: &config::Push, clock: &Clock) -> Result<Self, SettingsError> {
        let apns = config.apns.as_ref().map(ApnsSettings::load).transpose()?;
        let fcm = config.fcm.as_ref().map(FcmSettings::load).transpose()?;
        Ok(Self {
            apns: apns.map(|settings| ApnsClient::new(settings, clock.clone())),
            fcm: fcm.map(|settings| FcmClient::new(settings, clock.clone())),
        })
    }

    /// The apps of foreign softphones that can be pushed to.
    pub fn support(&self) -> PushSupport {
        PushSupport {
            apns: self.apns.as_ref().map(ApnsClient::support),
            fcm_projects: self.fcm.as_ref().map(FcmClient::projects).unwrap_or_default(),
        }
    }

    /// Opens the connections, so that the first call does not wait for them; a failure is logged and tried again by
    /// the first push.
    async fn warm(&self) {
        let apns = async {
            if let Some(client) = &self.apns
                && let Err(error) = client.warm().await
            {
                tracing::warn!(service = "apns", %error, "the push service cannot be reached");
            }
        };
        let fcm = async {
            if let Some(client) = &self.fcm
                && let Err(error) = client.warm().await
            {
                tracing::warn!(service = "fcm", %error, "the push service cannot be used");
            }
        };
        tokio::join!(apns, fcm);
    }
}

/// Sends each push at once until the edge closes its end, then lets those on their way finish.
pub async fn run(app: App, senders: Senders, mut requests: mpsc::Receiver<PushRequest>) {
    let senders = Arc::new(senders);
    let mut tasks = JoinSet::new();
    let warming = Arc::clone(&senders);
    tasks.spawn(async move { Box::pin(warming.warm()).await });
    loop {
        tokio::select! {
            request = requests.recv(), if tasks.len() < WAKES_MAX => {
                let Some(request) = request else { break };
                let (app, senders) = (app.clone(), Arc::clone(&senders));
                match request {
                    PushRequest::Wake { wake, over } => tasks.spawn(wake::wake(app, senders, wake, over)),
                    PushRequest::Missed(missed) => tasks.spawn(missed::tell(app, senders, missed)),
                    PushRequest::Remind { tenant, device } => tasks.spawn(softphone::remind(app, senders, tenant, device)),
                };
            }
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

#[cfg(test)]
mod push_tests;
