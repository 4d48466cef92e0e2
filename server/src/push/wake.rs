//! One wake from its request to its report.

pub(super) mod failure;

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::wake::{self, Envelope, PublicKey, SealedCaller, WakeError, WakePayload};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Senders;
use super::apns::{ApnsKind, ApnsPush};
use super::connection::Handover;
use super::fcm::FcmPush;
use super::softphone::Softphone;
use crate::app::App;
use crate::app::edge_port::EdgeCommand;
use crate::app::wake_port::{WakeReport, WakeRequest, WakeResult};
use crate::db::{DbError, Device, NewDelivery, PushService, PushTarget};
use failure::WakeFailure;

/// Wakes one device and reports how far it came; nothing that fails here stops another wake.
pub(super) async fn wake(app: App, senders: Arc<Senders>, request: WakeRequest, over: CancellationToken) {
    let wake = Wake { id: push_id(&request), app, request, over };
    let result = match wake.addressee().await {
        Ok(addressee) => wake.send_and_record(&senders, &addressee).await,
        Err(failure) => Err(failure),
    };
    match &result {
        Ok(_) => tracing::info!(call = %wake.request.call, device = %wake.request.device, "wake push accepted"),
        Err(failure) => tracing::warn!(
            call = %wake.request.call, device = %wake.request.device, reason = failure.text(), "wake push failed"
        ),
    }
    wake.report(match result {
        Ok(id) => WakeResult::Accepted(id),
        Err(failure) => {
            failure.count();
            WakeResult::Failed(failure.text())
        }
    })
    .await;
}

/// The id of a push: the same however often it is sent, another for the next attempt.
fn push_id(request: &WakeRequest) -> Uuid {
    let mut name = request.device.uuid().as_bytes().to_vec();
    name.extend_from_slice(&request.attempt.to_be_bytes());
    Uuid::new_v5(&request.call.uuid(), &name)
}

struct Wake {
    id: Uuid,
    app: App,
    request: WakeRequest,
    over: CancellationToken,
}

/// Who is woken.
enum Addressee {
    App(Box<Device>, PushTarget),
    Softphone(Softphone),
}

impl Addressee {
    const fn service(&self) -> PushService {
        match self {
            Self::App(_, target) => target.service,
            Self::Softphone(softphone) => softphone.service,
        }
    }
}

impl Wake {
    /// Who it is and where its pushes go.
    async fn addressee(&self) -> Result<Addressee, WakeFailure> {
        let WakeRequest { tenant, device: id, .. } = self.request;
        let Some(device) = self.app.db.read(tenant).await?.device(id).await? else {
            return Softphone::find(&self.app, tenant, id).await.map(Addressee::Softphone);
        };
        if let Some((_, reason)) = &device.push_invalid {
            return Err(WakeFailure::DeadToken(reason.clone()));
        }
        let target = device.push.clone().ok_or(WakeFailure::NoToken)?;
        Ok(Addressee::App(Box::new(device), target))
    }

    /// Sends at once; the outbox row is written beside it and finished with the result.
    async fn send_and_record(&self, senders: &Senders, addressee: &Addressee) -> Result<String, WakeFailure> {
        let (began, service) = (self.app.now(), addressee.service());
        let sending = async {
            let result = self.send(senders, addressee).await;
            count(service, result.is_ok(), self.app.now().since(began));
            result
        };
        let (result, enqueued) = tokio::join!(sending, self.enqueue(service));
        if let Err(error) = enqueued {
            tracing::error!(call = %self.request.call, %error, "a wake is missing from the outbox");
        }
        if let Err(error) = self.finish(addressee, &result).await {
            tracing::error!(call = %self.request.call, %error, "the result of a wake is not stored");
        }
        result
    }

    async fn send(&self, senders: &Senders, addressee: &Addressee) -> Result<String, WakeFailure> {
        let time_left = self.request.expires_at.since(self.app.now());
        if time_left.is_zero() {
            return Err(WakeFailure::TooLate);
        }
        if self.over.is_cancelled() {
            return Err(WakeFailure::CallOver);
        }
        let handover = Arc::new(Handover::until(self.over.clone()));
        let sending = self.put(senders, addressee, time_left, &handover);
        tokio::pin!(sending);
        tokio::select! {
            biased;
            () = handover.written.notified() => {
                self.report(WakeResult::Sent).await;
                sending.await
            }
            outcome = &mut sending => {
                // The answer may overtake the note that the request was written.
                if outcome.is_ok() {
                    self.report(WakeResult::Sent).await;
                }
                outcome
            }
        }
    }

    async fn put(
        &self,
        senders: &Senders,
        addressee: &Addressee,
        time_left: Duration,
        handover: &Arc<Handover>,
    ) -> Result<String, WakeFailure> {
        let (device, target) = match addressee {
            Addressee::App(device, target) => (device, target),
            Addressee::Softphone(softphone) => {
                return softphone.ring(senders, (&self.request, self.id), round_up(time_left), handover).await;
            }
        };
        let payload = self.seal(device)?;
        match target.service {
            PushService::Apns => {
                let client = senders.apns.as_ref().ok_or(WakeFailure::NotConfigured)?;
                let body = json!({ "aps": {}, "callfield": payload });
                let push = ApnsPush {
                    token: &target.token,
                    environment: target.environment,
                    id: self.id,
                    payload: &body,
                    kind: ApnsKind::Voip,
                    bundle: None,
                };
                Ok(client.send(&push, handover).await?)
            }
            PushService::Fcm => {
                let client = senders.fcm.as_ref().ok_or(WakeFailure::NotConfigured)?;
                let push = FcmPush {
                    token: &target.token,
                    data: json!({ "callfield": payload.to_json() }),
                    is_urgent: true,
                    time_to_live: round_up(time_left),
                };
                Ok(client.send(&push, handover).await?)
            }
        }
    }

    fn seal(&self, device: &Device) -> Result<WakePayload, WakeError> {
        let request = &self.request;
        let envelope =
            Envelope { call: request.call, node: &self.app.config.server.public_url, expires: request.expires_at };
        let caller = SealedCaller { from: request.from.clone(), name: request.name.clone(), why: request.why.clone() };
        wake::seal(&PublicKey::from_bytes(&device.public_key)?, &envelope, &caller, &mut self.app.random())
    }

    async fn enqueue(&self, service: PushService) -> Result<(), DbError> {
        let request = &self.request;
        let mut tx = self.app.db.write(request.tenant).await?;
        tx.insert_delivery(&NewDelivery {
            id: self.id,
            kind: "push".to_owned(),
            dedupe_key: format!("wake:{}:{}:{}", request.call, request.device, request.attempt),
            payload: json!({
                "what": "wake",
                "call": request.call,
                "device": request.device,
                "attempt": request.attempt,
                "service": service,
            }),
            priority: 0,
            expires_at: request.expires_at,
            max_attempts: 1,
            created_at: self.app.now(),
        })
        .await?;
        tx.commit().await
    }

    /// Ends the outbox row and, if the service says so, notes that the token is dead; it is never deleted.
    async fn finish(&self, addressee: &Addressee, result: &Result<String, WakeFailure>) -> Result<(), DbError> {
        let failure = result.as_ref().err();
        let reason = failure.map(WakeFailure::text);
        let now = self.app.now();
        let mut tx = self.app.db.write(self.request.tenant).await?;
        tx.finish_delivery(self.id, reason.as_deref(), now).await?;
        match (addressee, failure.zip(reason)) {
            (Addressee::App(device, target), Some((failure, reason))) if failure.condemns(target.registered_at) => {
                tx.invalidate_push(device.id, target, now, &reason).await?;
            }
            (Addressee::Softphone(softphone), Some((failure, _))) => softphone.condemn(&mut tx, failure, now).await?,
            (Addressee::App(..) | Addressee::Softphone(_), _) => {}
        }
        tx.commit().await
    }

    async fn report(&self, result: WakeResult) {
        let request = &self.request;
        let report = WakeReport {
            call: request.call,
            device: request.device,
            attempt: request.attempt,
            at: self.app.now(),
            result,
        };
        if self.app.edge.send(EdgeCommand::WakeReported(report)).await.is_err() {
            tracing::debug!("the edge is gone: a wake's report has no reader");
        }
    }
}

pub(super) fn count(service: PushService, is_accepted: bool, took: Duration) {
    let service = match service {
        PushService::Apns => "apns",
        PushService::Fcm => "fcm",
    };
    let result = if is_accepted { "accepted" } else { "failed" };
    metrics::counter!("callfield_pushes_total", "service" => service, "result" => result).increment(1);
    metrics::histogram!("callfield_push_seconds", "service" => service).record(took.as_secs_f64());
}

/// Whole seconds, so that a message never ends before the ring does.
fn round_up(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}
