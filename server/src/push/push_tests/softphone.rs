//! Foreign softphones against the fake services, on both engines.

use std::time::Duration;

use callfield_domain::{DeviceId, TenantId};
use callfield_fakes::Service;
use callfield_sip::switchboard::{Installation, PushOffer, PushProvider, softphone_call_id};
use serde_json::json;

use super::wake::House;
use crate::app::softphones::SoftphoneSecrets;
use crate::app::wake_port::{PushRequest, WakeResult};
use crate::db::testing::{self, db_test};
use crate::db::{DeskPhone, PushEnvironment, PushService, SoftphoneToken};

/// A softphone: its device, and the token by which its pushes are read.
struct Softphone {
    device: DeviceId,
    token: String,
}

impl House {
    async fn softphone(&mut self, service: Service) -> Softphone {
        let token = self.services.install(service);
        let (provider, kind, app, quiet_token) = match service {
            Service::Apns => {
                let app = self.services.fakes.apns.account().bundle_id.clone();
                let quiet = self.services.fakes.delivery.further_token(&token, &app);
                (PushProvider::Apns, PushService::Apns, app, quiet)
            }
            Service::Fcm | Service::Oauth => {
                let app = self.services.fakes.fcm.account().project_id.clone();
                (PushProvider::Fcm, PushService::Fcm, app, token.clone())
            }
        };
        let offer = PushOffer {
            installation: Installation::default(),
            provider,
            team: None,
            app: app.clone(),
            wake_token: Some(token.clone()),
            quiet_token: Some(quiet_token),
        };
        let now = self.app.now();
        let device = DeviceId::new(now, &mut self.random);
        let username = format!("soft-{device}");
        let phone = DeskPhone { id: device, user: self.user, name: "Linphone".to_owned(), username, created_at: now };
        let row = SoftphoneToken {
            device,
            instance: String::new(),
            reg_id: 0,
            service: kind,
            environment: PushEnvironment::Production,
            app,
            tokens: SoftphoneSecrets::of(&offer).seal(&self.app.vault, &mut self.random, self.tenant, device),
            registered_at: now,
            invalid: None,
        };
        let mut rows = self.app.db.write(self.tenant).await.unwrap();
        rows.insert_desk_phone(&phone, "md5", "sha").await.unwrap();
        rows.put_softphone_token(&row).await.unwrap();
        rows.commit().await.unwrap();
        Softphone { device, token }
    }

    async fn remind(&self, device: DeviceId) {
        let tenant: TenantId = self.tenant;
        self.pushes.send(PushRequest::Remind { tenant, device }).await.unwrap();
    }
}

db_test! {
    async fn a_softphone_is_rung_with_the_call_id_of_its_invite_and_learns_nothing_else(db: Db) {
        let mut house = House::with_one_company(db).await;
        for service in [Service::Apns, Service::Fcm] {
            let softphone = house.softphone(service).await;
            let call = house.wake(softphone.device).await;
            assert!(matches!(house.ending().await.result, WakeResult::Accepted(_)));
            let push = house.services.fakes.delivery.push_number(&softphone.token, 0).await;
            assert_eq!(push.payload["call-id"], json!(softphone_call_id(call, softphone.device)));
            let expected = if service == Service::Apns { "voip" } else { "data" };
            assert_eq!(push.push_type, expected);
            let shown = serde_json::to_string(&push).unwrap();
            assert!(!shown.contains("81312345678") && !shown.contains("Tanaka"), "{shown}");
        }
    }

    async fn a_reminder_is_a_background_push_and_never_a_voip_push(db: Db) {
        let mut house = House::with_one_company(db).await;
        let iphone = house.softphone(Service::Apns).await;
        house.remind(iphone.device).await;
        let push = house.services.fakes.delivery.push_number(&iphone.token, 0).await;
        assert_eq!((push.push_type.as_str(), &push.payload), ("background", &json!({ "aps": { "content-available": 1 } })));
        assert_eq!(push.headers["apns-priority"], "5");
        let android = house.softphone(Service::Fcm).await;
        house.remind(android.device).await;
        let push = house.services.fakes.delivery.push_number(&android.token, 0).await;
        assert_eq!((push.headers["priority"].as_str(), push.headers["ttl"].as_str()), ("normal", "600s"));
    }

    async fn a_dead_token_of_a_softphone_is_marked_and_not_used_again(db: Db) {
        let mut house = House::with_one_company(db).await;
        let softphone = house.softphone(Service::Fcm).await;
        let found_out = house.app.now() + Duration::from_secs(1);
        house.services.fakes.delivery.uninstall(&softphone.token, found_out.as_millis());
        house.wake(softphone.device).await;
        let reason = "fcm: UNREGISTERED (404)".to_owned();
        assert_eq!(house.ending().await.result, WakeResult::Failed(reason.clone()));
        let mut rows = house.app.db.read(house.tenant).await.unwrap();
        let stored = rows.softphone_token(softphone.device).await.unwrap().unwrap();
        assert_eq!(stored.invalid.unwrap().1, reason);
        assert!(rows.reach(house.user).await.unwrap().devices.is_empty());
        house.wake(softphone.device).await;
        assert_eq!(house.ending().await.result, WakeResult::Failed(format!("the push token is dead: {reason}")));
    }
}
