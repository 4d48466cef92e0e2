//! Missed calls from the edge's request to the phone that opens their box, on both engines.

use std::time::Duration;

use callfield_domain::wake::{self, MissedPayload};
use callfield_domain::{CallId, DeviceId, Milestone, Outcome, TimelineEvent};
use callfield_fakes::{Push, Service};
use serde_json::json;

use super::wake::{House, Phone};
use crate::app::wake_port::{Missed, PushRequest};
use crate::db::PushTarget;
use crate::db::testing::{self, db_test};

impl House {
    /// Asks that this device be told of a call.
    async fn miss(&mut self, device: DeviceId) -> CallId {
        let at = self.app.now();
        let call = CallId::new(at, &mut self.random);
        let missed = Missed {
            tenant: self.tenant,
            call,
            device,
            at,
            outcome: Outcome::Canceled,
            from: "+81312345678".to_owned(),
            name: Some("Tanaka Ichiro".to_owned()),
            why: "record_owner".to_owned(),
        };
        self.pushes.send(PushRequest::Missed(missed)).await.unwrap();
        call
    }

    /// An iPhone with an address for alerts.
    async fn iphone(&mut self) -> (Phone, String) {
        let phone = self.enrol(Service::Apns).await;
        let bundle = self.services.fakes.apns.account().bundle_id.clone();
        let alert_token = self.services.fakes.delivery.further_token(&phone.token, &bundle);
        let push = self.stored(phone.device).await.push.unwrap();
        self.name(phone.device, Some(&PushTarget { alert_token: Some(alert_token.clone()), ..push })).await;
        (phone, alert_token)
    }

    /// The step that a missed call leaves on its timeline.
    async fn told(&self, call: CallId) -> TimelineEvent {
        let told = async {
            loop {
                let steps = self.app.db.read(self.tenant).await.unwrap().timeline(call).await.unwrap();
                if let Some(step) = steps.into_iter().next() {
                    return step;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.unwrap()
    }
}

fn payload_of(push: &Push) -> MissedPayload {
    let json = match push.service {
        Service::Apns => push.payload["callfield"].to_string(),
        Service::Fcm | Service::Oauth => push.payload["callfield"].as_str().unwrap().to_owned(),
    };
    MissedPayload::from_json(json.as_bytes()).unwrap()
}

db_test! {
    async fn a_missed_call_is_an_alert_to_apple_and_an_urgent_message_to_google(db: Db) {
        let mut house = House::with_one_company(db).await;
        let (iphone, _) = house.iphone().await;
        let android = house.enrol(Service::Fcm).await;
        for phone in [&iphone, &android] {
            let call = house.miss(phone.device).await;
            let push = house.services.fakes.delivery.push_number(&phone.token, 0).await;
            let payload = payload_of(&push);
            assert_eq!((payload.call, payload.outcome), (call, Outcome::Canceled));
            let caller = wake::open_missed(&phone.secret, &payload).unwrap();
            assert_eq!((caller.from.as_str(), caller.name.as_deref()), ("+81312345678", Some("Tanaka Ichiro")));
            let shown = serde_json::to_string(&push).unwrap();
            for secret in ["81312345678", "Tanaka", "record_owner"] {
                assert!(!shown.contains(secret), "{shown}");
            }
            let step = house.told(call).await;
            assert_eq!((step.milestone, step.device), (Milestone::MissedTold, Some(phone.device)));
            let ledger = house.services.fakes.delivery.ledger();
            assert_eq!(step.detail, Some(ledger.last().unwrap().id.clone()));
        }
        let at_iphone = house.services.fakes.delivery.push_number(&iphone.token, 0).await;
        assert_eq!(at_iphone.push_type, "alert", "a VoIP push would have to ring");
        assert_eq!(at_iphone.headers["apns-topic"], house.services.fakes.apns.account().bundle_id);
        assert_eq!(at_iphone.payload["aps"]["alert"], json!({ "loc-key": "MISSED_CALL" }));
        let at_android = house.services.fakes.delivery.push_number(&android.token, 0).await;
        assert_eq!((at_android.push_type.as_str(), at_android.headers["priority"].as_str()), ("data", "high"));
        assert_eq!(at_android.headers["ttl"], "86400s");
    }

    async fn a_missed_call_that_cannot_be_told_says_why_on_the_timeline(db: Db) {
        let mut house = House::with_one_company(db).await;
        let iphone = house.enrol(Service::Apns).await;
        let call = house.miss(iphone.device).await;
        let step = house.told(call).await;
        assert_eq!(step.milestone, Milestone::MissedUntold);
        assert_eq!(step.detail.as_deref(), Some("the device named no address for alerts"));

        let android = house.enrol(Service::Fcm).await;
        let found_out = house.app.now() + Duration::from_secs(1);
        house.services.fakes.delivery.uninstall(&android.token, found_out.as_millis());
        let call = house.miss(android.device).await;
        assert_eq!(house.told(call).await.detail.as_deref(), Some("fcm: UNREGISTERED (404)"));
        let stored = house.stored(android.device).await;
        assert_eq!(stored.push_invalid.unwrap().1, "fcm: UNREGISTERED (404)");
    }

    async fn a_dead_address_for_alerts_says_nothing_about_that_for_calls(db: Db) {
        let mut house = House::with_one_company(db).await;
        let (iphone, alert_token) = house.iphone().await;
        let found_out = house.app.now() + Duration::from_secs(1);
        house.services.fakes.delivery.uninstall(&iphone.token, found_out.as_millis());
        let call = house.miss(iphone.device).await;
        assert_eq!(house.told(call).await.detail.as_deref(), Some("apns: Unregistered (410)"));
        let stored = house.stored(iphone.device).await;
        assert_eq!((stored.push.unwrap().alert_token, stored.push_invalid), (Some(alert_token), None));
    }
}
