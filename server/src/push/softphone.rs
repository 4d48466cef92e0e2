//! Foreign softphones (RFC 8599): rung for a call, or reminded to register again. Nothing that is pushed to them says who
//! calls: they have no key of ours, and learn it from the INVITE.

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::{DeviceId, TenantId, Timestamp};
use callfield_sip::switchboard::softphone_call_id;
use serde_json::json;
use uuid::Uuid;

use super::Senders;
use super::apns::{ApnsKind, ApnsPush};
use super::connection::Handover;
use super::fcm::FcmPush;
use super::wake::count;
use super::wake::failure::WakeFailure;
use crate::app::App;
use crate::app::softphones::SoftphoneSecrets;
use crate::app::wake_port::WakeRequest;
use crate::db::{self, PushEnvironment, PushService, Scoped};

/// How long a reminder is of use: the next one follows.
const REMINDER: Duration = Duration::from_secs(600);

/// A softphone and its tokens.
pub(super) struct Softphone {
    device: DeviceId,
    pub(super) service: PushService,
    environment: PushEnvironment,
    app: String,
    secrets: SoftphoneSecrets,
    registered_at: Timestamp,
}

/// Makes a softphone register again; nothing that fails here stops another push.
pub(super) async fn remind(app: App, senders: Arc<Senders>, tenant: TenantId, device: DeviceId) {
    let began = app.now();
    let softphone = match Softphone::find(&app, tenant, device).await {
        Ok(softphone) => softphone,
        Err(failure) => {
            failure.count();
            return tracing::debug!(%device, reason = failure.text(), "a softphone is not reminded");
        }
    };
    let result = softphone.remind(&senders, began).await;
    count(softphone.service, result.is_ok(), app.now().since(began));
    let Err(failure) = result else { return };
    failure.count();
    tracing::warn!(%device, reason = failure.text(), "a softphone could not be reminded");
    if let Err(error) = softphone.note(&app, tenant, &failure).await {
        tracing::error!(%device, %error, "the result of a push is not stored");
    }
}

impl Softphone {
    /// The softphone of a device, if it can be woken.
    pub(super) async fn find(app: &App, tenant: TenantId, device: DeviceId) -> Result<Self, WakeFailure> {
        let row = app.db.read(tenant).await?.softphone_token(device).await?.ok_or(WakeFailure::UnknownDevice)?;
        if let Some((_, reason)) = row.invalid {
            return Err(WakeFailure::DeadToken(reason));
        }
        Ok(Self {
            device,
            service: row.service,
            environment: row.environment,
            app: row.app,
            secrets: SoftphoneSecrets::unseal(&app.vault, tenant, device, &row.tokens)?,
            registered_at: row.registered_at,
        })
    }

    /// Rings it for a call. One that has no token for VoIP pushes shows an alert.
    pub(super) async fn ring(
        &self,
        senders: &Senders,
        (request, id): (&WakeRequest, Uuid),
        time_left: Duration,
        handover: &Arc<Handover>,
    ) -> Result<String, WakeFailure> {
        let call_id = softphone_call_id(request.call, request.device);
        let token = self.secrets.wake.as_ref().or(self.secrets.quiet.as_ref()).ok_or(WakeFailure::NoToken)?.reveal();
        if self.service == PushService::Fcm {
            let client = senders.fcm.as_ref().ok_or(WakeFailure::NotConfigured)?;
            let data = json!({ "call-id": call_id });
            return Ok(client
                .send(&FcmPush { token, data, is_urgent: true, time_to_live: time_left }, handover)
                .await?);
        }
        let (kind, aps) = if self.secrets.wake.is_some() {
            (ApnsKind::Voip, json!({ "call-id": call_id }))
        } else {
            let shown = json!({ "loc-key": "IC_MSG" });
            let aps = json!({ "alert": shown, "sound": "default", "content-available": 1, "call-id": call_id });
            (ApnsKind::Alert(request.expires_at), aps)
        };
        let payload = json!({ "aps": aps, "call-id": call_id });
        let (environment, bundle) = (self.environment, Some(self.app.as_str()));
        let push = ApnsPush { token, environment, id, payload: &payload, kind, bundle };
        Ok(senders.apns.as_ref().ok_or(WakeFailure::NotConfigured)?.send(&push, handover).await?)
    }

    async fn remind(&self, senders: &Senders, now: Timestamp) -> Result<String, WakeFailure> {
        let token = self.secrets.quiet.as_ref().ok_or(WakeFailure::NoToken)?.reveal();
        let handover = Arc::new(Handover::default());
        if self.service == PushService::Fcm {
            let client = senders.fcm.as_ref().ok_or(WakeFailure::NotConfigured)?;
            let data = json!({ "reason": "refresh" });
            // Nothing is shown to a person: Google wants such a message to wait until the phone is awake.
            return Ok(client
                .send(&FcmPush { token, data, is_urgent: false, time_to_live: REMINDER }, &handover)
                .await?);
        }
        let payload = json!({ "aps": { "content-available": 1 } });
        let name = format!("refresh {}", now.as_millis());
        let push = ApnsPush {
            token,
            environment: self.environment,
            id: Uuid::new_v5(&self.device.uuid(), name.as_bytes()),
            payload: &payload,
            kind: ApnsKind::Background(now + REMINDER),
            bundle: Some(&self.app),
        };
        Ok(senders.apns.as_ref().ok_or(WakeFailure::NotConfigured)?.send(&push, &handover).await?)
    }

    async fn note(&self, app: &App, tenant: TenantId, failure: &WakeFailure) -> db::Result<()> {
        let mut rows = app.db.write(tenant).await?;
        self.condemn(&mut rows, failure, app.now()).await?;
        rows.commit().await
    }

    /// Notes that its tokens are dead, if that is what the failure says.
    pub(super) async fn condemn(&self, rows: &mut Scoped, failure: &WakeFailure, now: Timestamp) -> db::Result<()> {
        if failure.condemns(self.registered_at) {
            let reason = failure.text();
            rows.invalidate_softphone_token(self.device, self.registered_at, now, &reason).await?;
        }
        Ok(())
    }
}
