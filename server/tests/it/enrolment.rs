//! A phone becomes a device with a one-time code.

use std::time::Duration;

use callfield_domain::{DeviceId, TenantId};
use callfield_server::db::{PushEnvironment, PushService};
use http::StatusCode;
use serde_json::json;

use crate::office::{MORNING, Office, enrolment};
use crate::testing::{self, db_test};

db_test! {
    async fn a_code_makes_a_device_that_may_ask(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki Hanako").await;
        let code = office.code(&user).await;
        let id = DeviceId::new(MORNING, &mut office.app.random());
        let answer = office.post("", "/v1/enrol", enrolment(&code, id)).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let token = answer.body["token"].as_str().unwrap();
        assert!(token.starts_with("cfd_"));
        let expected = json!({
            "device_id": id,
            "token": token,
            "tenant": { "id": office.tenant, "name": "ABC", "country": "JP" },
            "user": { "id": user, "name": "Suzuki Hanako" },
            "node": "node-1",
            "sip": { "domain": "abc.example" },
            "scopes": [format!("user:{user}"), "tenant"],
        });
        assert_eq!(answer.body, expected);
        assert_eq!(office.get(token, "/v1/calls").await.status, StatusCode::OK);
    }

    async fn a_code_is_typed_in_any_way(db: Db) {
        let office = Office::open(db).await;
        let code = office.code(&office.user("Suzuki").await).await;
        let id = DeviceId::new(MORNING, &mut office.app.random());
        let typed = code.to_lowercase().replace('-', " ");
        assert_eq!(office.post("", "/v1/enrol", enrolment(&typed, id)).await.status, StatusCode::CREATED);
    }

    async fn a_wrong_an_expired_and_a_used_code_each_say_so(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let id = DeviceId::new(MORNING, &mut office.app.random());

        let wrong = office.post("", "/v1/enrol", enrolment("AAAA-AAAA", id)).await;
        assert_eq!((wrong.status, wrong.error()), (StatusCode::NOT_FOUND, "enrolment_code_unknown"));

        let code = office.code(&user).await;
        assert_eq!(office.post("", "/v1/enrol", enrolment(&code, id)).await.status, StatusCode::CREATED);
        let again = office.post("", "/v1/enrol", enrolment(&code, id)).await;
        assert_eq!((again.status, again.error()), (StatusCode::CONFLICT, "enrolment_code_used"));

        let code = office.code(&user).await;
        office.app.clock.advance(Duration::from_secs(600));
        let late = office.post("", "/v1/enrol", enrolment(&code, id)).await;
        assert_eq!((late.status, late.error()), (StatusCode::GONE, "enrolment_code_expired"));
    }

    async fn of_two_phones_with_one_code_one_enrols(db: Db) {
        let office = Office::open(db).await;
        let code = office.code(&office.user("Suzuki").await).await;
        let bodies = [0, 1].map(|_| enrolment(&code, DeviceId::new(MORNING, &mut office.app.random())));
        let [one, two] = bodies.map(|body| office.post("", "/v1/enrol", body));
        let (one, two) = tokio::join!(one, two);
        let mut statuses = [one.status, two.status];
        statuses.sort();
        assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
    }

    async fn an_installation_that_enrols_again_loses_its_old_token(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let phone = office.phone_of(&user).await;
        let code = office.code(&user).await;
        let answer = office.post("", "/v1/enrol", enrolment(&code, phone.id)).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(office.get(&phone.token, "/v1/calls").await.status, StatusCode::UNAUTHORIZED);
        let devices = office.get(&office.admin, "/v1/devices").await;
        assert_eq!(devices.body["devices"].as_array().unwrap().len(), 1);
    }

    async fn a_new_push_token_replaces_the_old_and_forgets_that_it_was_dead(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let mut write = office.app.db.write(office.tenant).await.unwrap();
        let named = write.device(phone.id).await.unwrap().unwrap().push.unwrap();
        assert_eq!(named.token, "fcm-token-1");
        assert!(write.invalidate_push(phone.id, &named, MORNING, "Unregistered").await.unwrap());
        write.commit().await.unwrap();
        let listed = office.get(&office.admin, "/v1/devices").await;
        assert_eq!(listed.body["devices"][0]["push"]["invalid_reason"], "Unregistered");
        assert!(!listed.body.to_string().contains("fcm-token-1"), "a push token is a secret");

        office.app.clock.advance(Duration::from_secs(60));
        let push = json!({ "service": "apns", "token": "apns-token-2", "environment": "sandbox" });
        assert_eq!(office.put(&phone.token, "/v1/device/push", push).await.status, StatusCode::NO_CONTENT);
        let device = office.app.db.read(office.tenant).await.unwrap().device(phone.id).await.unwrap().unwrap();
        let push = device.push.unwrap();
        assert_eq!((push.service, push.environment), (PushService::Apns, PushEnvironment::Sandbox));
        assert_eq!(push.token, "apns-token-2");
        assert_eq!((push.registered_at, device.enrolled_at), (MORNING + Duration::from_secs(60), MORNING));
        assert_eq!(device.push_invalid, None);
    }

    async fn a_user_of_another_company_gets_no_code(db: Db) {
        let office = Office::open(db).await;
        let (_, other): (TenantId, String) = crate::office::company(&office.app, "XYZ").await;
        let user = office.user("Suzuki").await;
        let refused = office.post(&other, "/v1/enrolment-codes", json!({ "user": user })).await;
        assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
    }
}
