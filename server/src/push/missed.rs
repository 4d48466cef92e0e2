//! Tells a device of a call that it never rang for: an alert, which the phone shows with what its own store knows of the
//! caller. Its result goes on the call's timeline.

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::wake::{self, MissedPayload, PublicKey, SealedCaller, WakeError};
use callfield_domain::{Milestone, TimelineEvent, Timestamp};
use serde_json::json;
use uuid::Uuid;

use super::Senders;
use super::apns::{ApnsKind, ApnsPush};
use super::connection::Handover;
use super::fcm::FcmPush;
use super::wake::count;
use super::wake::failure::WakeFailure;
use crate::app::App;
use crate::app::wake_port::Missed;
use crate::db::{self, Device, NewDelivery, PushService, PushTarget};

/// How long the news is worth telling a phone that is switched off.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// Tells one device of one call; nothing that fails here stops another push.
pub(super) async fn tell(app: App, senders: Arc<Senders>, missed: Missed) {
    let began = app.now();
    let telling = Telling { id: push_id(&missed), app, missed, until: began + LIFETIME };
    // A desk phone or foreign softphone has a list of its own.
    let device = match telling.device().await {
        Ok(Some(device)) => device,
        Ok(None) => return,
        Err(error) => return tracing::error!(call = %telling.missed.call, %error, "a missed call was not told"),
    };
    let result = telling.send(&senders, &device).await;
    if let Err(failure) = &result {
        failure.count();
    }
    if let Some(target) = &device.push {
        count(target.service, result.is_ok(), telling.app.now().since(began));
    }
    if let Err(error) = telling.note(&device, &result).await {
        tracing::error!(call = %telling.missed.call, %error, "the result of a push is not stored");
    }
}

/// Another one than that of any wake of the same call.
fn push_id(missed: &Missed) -> Uuid {
    Uuid::new_v5(&missed.call.uuid(), &[missed.device.uuid().as_bytes(), b"missed".as_slice()].concat())
}

struct Telling {
    id: Uuid,
    app: App,
    missed: Missed,
    until: Timestamp,
}

impl Telling {
    async fn device(&self) -> db::Result<Option<Device>> {
        self.app.db.read(self.missed.tenant).await?.device(self.missed.device).await
    }

    async fn send(&self, senders: &Senders, device: &Device) -> Result<String, WakeFailure> {
        let target = device.push.as_ref().ok_or(WakeFailure::NoToken)?;
        if let (Some((_, reason)), PushService::Fcm) = (&device.push_invalid, target.service) {
            return Err(WakeFailure::DeadToken(reason.clone()));
        }
        let payload = self.seal(device)?;
        let handover = Arc::new(Handover::default());
        match target.service {
            PushService::Apns => {
                let client = senders.apns.as_ref().ok_or(WakeFailure::NotConfigured)?;
                let token = target.alert_token.as_ref().ok_or(WakeFailure::NoAlerts)?;
                // The extension of the app puts the caller into it; without one it is shown as it is.
                let alert = json!({ "alert": { "loc-key": "MISSED_CALL" }, "sound": "default", "mutable-content": 1 });
                let body = json!({ "aps": alert, "callfield": payload });
                let push = ApnsPush {
                    token,
                    environment: target.environment,
                    id: self.id,
                    payload: &body,
                    kind: ApnsKind::Alert(self.until),
                    bundle: None,
                };
                Ok(client.send(&push, &handover).await?)
            }
            PushService::Fcm => {
                let client = senders.fcm.as_ref().ok_or(WakeFailure::NotConfigured)?;
                let data = json!({ "callfield": payload.to_json() });
                // It is shown to a person, which is what Google wants of a message that may wake a phone.
                let push = FcmPush { token: &target.token, data, is_urgent: true, time_to_live: LIFETIME };
                Ok(client.send(&push, &handover).await?)
            }
        }
    }

    fn seal(&self, device: &Device) -> Result<MissedPayload, WakeError> {
        let Missed { call, at, outcome, from, name, why, .. } = self.missed.clone();
        let key = PublicKey::from_bytes(&device.public_key)?;
        wake::seal_missed(&key, call, at, outcome, &SealedCaller { from, name, why }, &mut self.app.random())
    }

    /// What became of it: on the timeline of the call and in the outbox.
    async fn note(&self, device: &Device, result: &Result<String, WakeFailure>) -> db::Result<()> {
        let Missed { tenant, call, .. } = self.missed;
        let (now, failure) = (self.app.now(), result.as_ref().err());
        let reason = failure.map(WakeFailure::text);
        let milestone = if failure.is_none() { Milestone::MissedTold } else { Milestone::MissedUntold };
        let detail = reason.clone().or_else(|| result.as_ref().ok().cloned());
        let mut rows = self.app.db.write(tenant).await?;
        let step = TimelineEvent { at: now, milestone, device: Some(device.id), detail };
        rows.append_events(&[(call, step)]).await?;
        rows.insert_delivery(&self.delivery(now)).await?;
        rows.finish_delivery(self.id, reason.as_deref(), now).await?;
        if let Some((target, reason)) = self.condemned(device, failure).zip(reason) {
            rows.invalidate_push(device.id, target, now, &reason).await?;
        }
        rows.commit().await
    }

    /// The address that the service says is dead. Apple's for alerts is another one than that for calls.
    fn condemned<'a>(&self, device: &'a Device, failure: Option<&WakeFailure>) -> Option<&'a PushTarget> {
        let target = device.push.as_ref().filter(|target| target.service == PushService::Fcm)?;
        failure.filter(|failure| failure.condemns(target.registered_at)).map(|_| target)
    }

    fn delivery(&self, now: Timestamp) -> NewDelivery {
        let Missed { call, device, .. } = self.missed;
        NewDelivery {
            id: self.id,
            kind: "push".to_owned(),
            dedupe_key: format!("missed:{call}:{device}"),
            payload: json!({ "what": "missed", "call": call, "device": device }),
            priority: 1,
            expires_at: self.until,
            max_attempts: 1,
            created_at: now,
        }
    }
}
