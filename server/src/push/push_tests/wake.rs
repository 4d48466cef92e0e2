//! Wakes from the edge's request to the phone that opens its box, on both engines.

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::wake::{self, SecretKey, WakePayload};
use callfield_domain::{CallId, DeviceId, Random, Seed, TenantId, Timestamp, UserId};
use callfield_fakes::{Fault, Service};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Services, status};
use crate::app::App;
use crate::app::clock::Clock;
use crate::app::edge_port::EdgeCommand;
use crate::app::wake_port::{PushRequest, WakeReport, WakeRequest, WakeResult};
use crate::db::testing::{self, db_test};
use crate::db::{Db, Delivery, Device, PushEnvironment, PushService, PushTarget, Tenant, User};
use crate::push;

/// A company with one user, a server that pushes for it, and the edge's end of the channels.
pub(super) struct House {
    pub(super) services: Services,
    pub(super) app: App,
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) random: Random,
    pub(super) pushes: mpsc::Sender<PushRequest>,
    reports: mpsc::Receiver<EdgeCommand>,
}

/// A phone that enrolled.
pub(super) struct Phone {
    pub(super) device: DeviceId,
    pub(super) secret: SecretKey,
    pub(super) token: String,
    service: Service,
}

impl House {
    pub(super) async fn with_one_company(db: Db) -> Self {
        let services = Services::start().await;
        let clock = Clock::System;
        let mut random = Random::new(Seed::from_number(3));
        let (tenant, user) = (TenantId::new(clock.now(), &mut random), UserId::new(clock.now(), &mut random));
        let mut tx = db.write(tenant).await.unwrap();
        let company = Tenant {
            id: tenant,
            name: "Callfield K.K.".to_owned(),
            country: "JP".to_owned(),
            incarnation: Uuid::nil(),
            cursor_key: vec![0; 32],
            next_seq: 0,
            created_at: clock.now(),
        };
        tx.insert_tenant(&company).await.unwrap();
        tx.insert_user(&User { id: user, name: "Suzuki".to_owned(), extension: None, created_at: clock.now() })
            .await
            .unwrap();
        tx.commit().await.unwrap();

        let (edge, reports) = mpsc::channel(64);
        let (pushes, received) = mpsc::channel(64);
        let config = Arc::new(services.config.clone());
        let app = App::new(config, db, clock.clone(), Seed::from_number(4), edge, pushes.clone());
        tokio::spawn(push::run(app.clone(), services.senders(&clock), received));
        Self { services, app, tenant, user, random, pushes, reports }
    }

    pub(super) async fn enrol(&mut self, service: Service) -> Phone {
        let token = self.services.install(service);
        self.enrol_with(service, token, self.app.now()).await
    }

    async fn enrol_with(&mut self, service: Service, token: String, enrolled_at: Timestamp) -> Phone {
        let (device, secret) = (DeviceId::new(enrolled_at, &mut self.random), SecretKey::generate(&mut self.random));
        let row = Device {
            id: device,
            user: self.user,
            platform: "headless".to_owned(),
            name: "Phone".to_owned(),
            app_version: "0.1.0".to_owned(),
            os_version: "1".to_owned(),
            public_key: secret.public_key().to_bytes().to_vec(),
            push: Some(PushTarget {
                service: if service == Service::Apns { PushService::Apns } else { PushService::Fcm },
                token: token.clone(),
                alert_token: None,
                environment: PushEnvironment::Production,
                registered_at: enrolled_at,
            }),
            push_invalid: None,
            enrolled_at,
        };
        let mut tx = self.app.db.write(self.tenant).await.unwrap();
        tx.enrol_device(&row, &self.random.bytes::<32>()).await.unwrap();
        tx.commit().await.unwrap();
        Phone { device, secret, token, service }
    }

    /// Asks for a wake of this device for a new call.
    pub(super) async fn wake(&mut self, device: DeviceId) -> CallId {
        self.wake_until(device, CancellationToken::new()).await
    }

    /// As [`House::wake`], for a call that ends with `over`.
    async fn wake_until(&mut self, device: DeviceId, over: CancellationToken) -> CallId {
        let call = CallId::new(self.app.now(), &mut self.random);
        let wake = WakeRequest {
            tenant: self.tenant,
            call,
            device,
            expires_at: self.app.now() + Duration::from_secs(45),
            attempt: 0,
            from: "+81312345678".to_owned(),
            name: Some("Tanaka Ichiro".to_owned()),
            why: "record_owner".to_owned(),
        };
        self.pushes.send(PushRequest::Wake { wake, over }).await.unwrap();
        call
    }

    pub(super) async fn report(&mut self) -> WakeReport {
        let command = self.reports.recv().await.unwrap();
        let EdgeCommand::WakeReported(report) = command else { panic!("not a report: {command:?}") };
        report
    }

    /// The last report of the next wake that ends.
    pub(super) async fn ending(&mut self) -> WakeReport {
        loop {
            let report = self.report().await;
            if report.result != WakeResult::Sent {
                return report;
            }
        }
    }

    /// Names where a device's pushes go.
    pub(super) async fn name(&self, device: DeviceId, push: Option<&PushTarget>) {
        let mut tx = self.app.db.write(self.tenant).await.unwrap();
        tx.replace_push(device, push).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) async fn stored(&self, device: DeviceId) -> Device {
        self.app.db.read(self.tenant).await.unwrap().device(device).await.unwrap().unwrap()
    }

    /// The outbox row of a device's first wake for a call.
    async fn outbox(&self, call: CallId, device: DeviceId) -> Delivery {
        let mut name = device.uuid().as_bytes().to_vec();
        name.extend_from_slice(&0_u32.to_be_bytes());
        let id = Uuid::new_v5(&call.uuid(), &name);
        self.app.db.read(self.tenant).await.unwrap().delivery(id).await.unwrap().unwrap()
    }
}

fn payload_of(push: &callfield_fakes::Push) -> WakePayload {
    let json = match push.service {
        Service::Apns => push.payload["callfield"].to_string(),
        Service::Fcm | Service::Oauth => push.payload["callfield"].as_str().unwrap().to_owned(),
    };
    WakePayload::from_json(json.as_bytes()).unwrap()
}

db_test! {
    async fn a_wake_reaches_the_phone_which_alone_can_read_it(db: Db) {
        let mut house = House::with_one_company(db).await;
        for service in [Service::Apns, Service::Fcm] {
            let phone = house.enrol(service).await;
            let call = house.wake(phone.device).await;
            let sent = house.report().await;
            assert_eq!((sent.call, sent.device, sent.attempt, sent.result), (call, phone.device, 0, WakeResult::Sent));
            let accepted = house.report().await;
            let ledger = house.services.fakes.delivery.ledger();
            assert_eq!(accepted.result, WakeResult::Accepted(ledger.last().unwrap().id.clone()));
            assert!(accepted.at >= sent.at);

            let push = house.services.fakes.delivery.push_number(&phone.token, 0).await;
            let all_that_is_seen = serde_json::to_string(&push).unwrap();
            for secret in ["81312345678", "Tanaka", "Suzuki", "Callfield K.K.", "record_owner"] {
                assert!(!all_that_is_seen.contains(secret), "{:?} shows {secret}", phone.service);
            }
            let payload = payload_of(&push);
            assert_eq!((payload.call, payload.node.as_str()), (call, "https://calls.example:8443"));
            let caller = wake::open(&phone.secret, &payload).unwrap();
            assert_eq!((caller.from.as_str(), caller.name.as_deref()), ("+81312345678", Some("Tanaka Ichiro")));
        }
    }

    async fn the_outbox_keeps_what_became_of_a_wake(db: Db) {
        let mut house = House::with_one_company(db).await;
        let phone = house.enrol(Service::Fcm).await;
        let call = house.wake(phone.device).await;
        assert!(matches!(house.ending().await.result, WakeResult::Accepted(_)));
        let row = house.outbox(call, phone.device).await;
        assert_eq!((row.kind.as_str(), row.state.as_str(), row.attempts), ("push", "done", 1));
        assert!(!row.payload.to_string().contains(&phone.token), "a push token is in the outbox");

        house.services.order(Service::Fcm, [status(429, "QUOTA_EXCEEDED", Some("30"))]);
        let call = house.wake(phone.device).await;
        let reason = "fcm: QUOTA_EXCEEDED (429), retry after 30 s".to_owned();
        assert_eq!(house.ending().await.result, WakeResult::Failed(reason.clone()));
        let row = house.outbox(call, phone.device).await;
        assert_eq!((row.state.as_str(), row.last_error), ("failed", Some(reason)));
        assert_eq!(house.stored(phone.device).await.push_invalid, None);
    }

    async fn a_dead_token_is_marked_and_not_tried_again(db: Db) {
        let mut house = House::with_one_company(db).await;
        for (service, reason) in [(Service::Apns, "apns: Unregistered (410)"), (Service::Fcm, "fcm: UNREGISTERED (404)")] {
            let phone = house.enrol(service).await;
            let found_out = house.app.now() + Duration::from_secs(1);
            house.services.fakes.delivery.uninstall(&phone.token, found_out.as_millis());
            house.wake(phone.device).await;
            assert_eq!(house.ending().await.result, WakeResult::Failed(reason.to_owned()));
            let stored = house.stored(phone.device).await;
            assert_eq!(stored.push.unwrap().token, phone.token, "the token itself is kept");
            assert_eq!(stored.push_invalid.unwrap().1, reason);
            let requests = house.services.fakes.delivery.ledger().len();
            house.wake(phone.device).await;
            let again = WakeResult::Failed(format!("the push token is dead: {reason}"));
            assert_eq!(house.ending().await.result, again);
            assert_eq!(house.services.fakes.delivery.ledger().len(), requests);
        }
    }

    async fn what_is_older_than_the_registration_or_not_about_the_token_condemns_nothing(db: Db) {
        let mut house = House::with_one_company(db).await;
        let reinstalled = house.enrol(Service::Apns).await;
        house.services.fakes.delivery.uninstall(&reinstalled.token, 1_000);
        let strangers = house.services.fakes.delivery.install(Service::Fcm, "another-project");
        let strangers = house.enrol_with(Service::Fcm, strangers, Timestamp::ZERO).await;
        let unknown = house.enrol_with(Service::Apns, "ab".repeat(32), Timestamp::ZERO).await;
        for (phone, reason) in [
            (reinstalled, "apns: Unregistered (410)"),
            (strangers, "fcm: SENDER_ID_MISMATCH (403)"),
            (unknown, "apns: BadDeviceToken (400)"),
        ] {
            house.wake(phone.device).await;
            assert_eq!(house.ending().await.result, WakeResult::Failed(reason.to_owned()));
            assert_eq!(house.stored(phone.device).await.push_invalid, None, "{reason}");
        }
    }

    async fn a_token_named_again_outlives_what_apple_found_out_before(db: Db) {
        let mut house = House::with_one_company(db).await;
        let enrolled_at = house.app.now();
        let phone = house.enrol(Service::Apns).await;
        let (found_out, named_again) = (enrolled_at + Duration::from_secs(60), enrolled_at + Duration::from_secs(120));
        house.services.fakes.delivery.uninstall(&phone.token, found_out.as_millis());
        let push = PushTarget { registered_at: named_again, ..house.stored(phone.device).await.push.unwrap() };
        house.name(phone.device, Some(&push)).await;
        house.wake(phone.device).await;
        assert_eq!(house.ending().await.result, WakeResult::Failed("apns: Unregistered (410)".to_owned()));
        let stored = house.stored(phone.device).await;
        assert_eq!((stored.push, stored.push_invalid), (Some(push), None));
    }

    async fn a_token_named_again_while_a_wake_is_under_way_outlives_its_answer(db: Db) {
        let mut house = House::with_one_company(db).await;
        for (service, reason) in [(Service::Apns, "apns: Unregistered (410)"), (Service::Fcm, "fcm: UNREGISTERED (404)")] {
            let phone = house.enrol(service).await;
            let found_out = house.app.now() + Duration::from_secs(1);
            house.services.fakes.delivery.uninstall(&phone.token, found_out.as_millis());
            house.services.order(service, [Fault::Slow { ms: 500 }]);
            house.wake(phone.device).await;
            assert_eq!(house.report().await.result, WakeResult::Sent);
            let named_again = found_out + Duration::from_secs(1);
            let push = PushTarget { registered_at: named_again, ..house.stored(phone.device).await.push.unwrap() };
            house.name(phone.device, Some(&push)).await;
            assert_eq!(house.ending().await.result, WakeResult::Failed(reason.to_owned()));
            let stored = house.stored(phone.device).await;
            assert_eq!((stored.push, stored.push_invalid), (Some(push), None), "{reason}");
        }
    }

    async fn what_cannot_be_sent_is_reported_at_once(db: Db) {
        let mut house = House::with_one_company(db).await;
        let nobody = DeviceId::new(house.app.now(), &mut house.random);
        house.wake(nobody).await;
        assert_eq!(house.report().await.result, WakeResult::Failed("the device is unknown".to_owned()));
        let phone = house.enrol(Service::Fcm).await;
        house.name(phone.device, None).await;
        house.wake(phone.device).await;
        assert_eq!(house.report().await.result, WakeResult::Failed("the device has no push token".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_whose_ring_limit_is_over_is_not_sent() {
    let (db, _folder) = testing::sqlite().await;
    let mut house = House::with_one_company(db).await;
    let phone = house.enrol(Service::Fcm).await;
    let wake = WakeRequest {
        tenant: house.tenant,
        call: CallId::new(house.app.now(), &mut house.random),
        device: phone.device,
        expires_at: house.app.now(),
        attempt: 1,
        from: String::new(),
        name: None,
        why: "record_owner".to_owned(),
    };
    house.pushes.send(PushRequest::Wake { wake, over: CancellationToken::new() }).await.unwrap();
    assert_eq!(house.report().await.result, WakeResult::Failed("the ring limit is over".to_owned()));
    assert!(house.services.fakes.delivery.pushes(&phone.token, None).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_ends_between_the_decision_and_the_sending_is_not_pushed() {
    let (db, _folder) = testing::sqlite().await;
    let mut house = House::with_one_company(db).await;
    let phone = house.enrol(Service::Fcm).await;
    let over = CancellationToken::new();
    over.cancel();
    house.wake_until(phone.device, over).await;
    assert_eq!(house.report().await.result, WakeResult::Failed("the call is over".to_owned()));

    // The request to Google waits for its access token when the caller gives up.
    house.services.order(Service::Oauth, [Fault::Slow { ms: 500 }]);
    let over = CancellationToken::new();
    house.wake_until(phone.device, over.clone()).await;
    over.cancel();
    assert!(matches!(house.report().await.result, WakeResult::Failed(_)));
    assert!(house.services.fakes.delivery.pushes(&phone.token, None).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_wakes_are_on_their_way_at_the_same_time() {
    let (db, _folder) = testing::sqlite().await;
    let mut house = House::with_one_company(db).await;
    for service in [Service::Fcm, Service::Apns] {
        let (first, second) = (house.enrol(service).await, house.enrol(service).await);
        // The connection is proven and the access token bought: what follows are two wakes in the middle of a day.
        house.wake(first.device).await;
        assert!(matches!(house.ending().await.result, WakeResult::Accepted(_)));
        house.services.order(service, [Fault::Slow { ms: 400 }, Fault::Slow { ms: 400 }]);
        house.wake(first.device).await;
        house.wake(second.device).await;
        let results = [house.report().await.result, house.report().await.result];
        assert_eq!(results, [WakeResult::Sent, WakeResult::Sent], "the second waited for the first's answer");
        let results = [house.report().await.result, house.report().await.result];
        assert!(results.iter().all(|result| matches!(result, WakeResult::Accepted(_))), "{results:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_apns_does_not_slow_fcm() {
    let (db, _folder) = testing::sqlite().await;
    let mut house = House::with_one_company(db).await;
    let (iphone, android) = (house.enrol(Service::Apns).await, house.enrol(Service::Fcm).await);
    house.services.order(Service::Apns, vec![Fault::Slow { ms: 60_000 }; 10]);
    for _ in 0..10 {
        house.wake(iphone.device).await;
    }
    house.wake(android.device).await;
    let first = house.ending().await;
    assert_eq!(first.device, android.device);
    assert!(matches!(first.result, WakeResult::Accepted(_)), "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_configured_is_named() {
    let (db, _folder) = testing::sqlite().await;
    let house = House::with_one_company(db).await;
    let (edge, reports) = mpsc::channel(8);
    let (pushes, received) = mpsc::channel(8);
    let app = App::new(
        Arc::clone(&house.app.config),
        house.app.db.clone(),
        Clock::System,
        Seed::from_number(5),
        edge,
        pushes.clone(),
    );
    let running = tokio::spawn(push::run(app.clone(), push::Senders::default(), received));
    let mut house = House { app, pushes, reports, ..house };
    let phone = house.enrol(Service::Apns).await;
    house.wake(phone.device).await;
    let reason = "the push service is not configured".to_owned();
    assert_eq!(house.report().await.result, WakeResult::Failed(reason));
    assert!(!running.is_finished());
}
