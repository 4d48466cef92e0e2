//! Desk phones: their accounts, how they register at the edge, and their calls.

use callfield_media::sdp::{Offer, Security, Wish};
use callfield_sip::message::{Message, Method as SipMethod};
use http::{Method, StatusCode};
use serde_json::json;

use crate::exchange::{Desk, Exchange};
use crate::office::{MORNING, Office, company, request};
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";

db_test! {
    async fn a_desk_phone_registers_with_its_account_until_that_is_gone(db: Db) {
        let exchange = Exchange::open(db).await;
        let user = exchange.office.user("Suzuki").await;
        let mut desk = Desk::of(&exchange, &user).await;
        let response = desk.register(120).await;
        assert_eq!(response.status(), Some(200));
        assert_eq!(response.contacts().next().unwrap().param("expires"), Some("120"));

        let path = format!("/v1/devices/{}", desk.device);
        let gone = exchange.office.send(request(Method::DELETE, &path, &exchange.office.admin, "".into())).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(desk.register(120).await.status(), Some(401));
        let again = exchange.office.send(request(Method::DELETE, &path, &exchange.office.admin, "".into())).await;
        assert_eq!((again.status, again.error()), (StatusCode::NOT_FOUND, "not_found"));
    }

    async fn a_guesser_finds_none_of_a_thousand_users(db: Db) {
        let exchange = Exchange::open(db).await;
        // From a trunk's address as many may come as want to.
        exchange.trunk(&exchange.office.admin, COMPANY).await;
        let user = exchange.office.user("Suzuki").await;
        let mut desk = Desk::of(&exchange, &user).await;
        let (username, password) = (desk.username.clone(), desk.password.clone());
        let mut shapes = std::collections::BTreeSet::new();
        let names = (100..1_100).map(|number| number.to_string()).chain([username.clone()]);
        for name in names {
            (desk.username, desk.password) = (name, "guess".to_owned());
            let asked = desk.register_request(120);
            let asked = desk.ask(&asked).await;
            let guess = desk.register_request(120);
            let answer = desk.answer_challenge(&asked, &guess).await;
            shapes.extend([shape(&asked), shape(&answer)]);
        }
        assert_eq!(shapes.len(), 1, "{shapes:?}");
        (desk.username, desk.password) = (username, password);
        assert_eq!(desk.register(120).await.status(), Some(200), "and its owner is not locked out");
    }

    async fn a_customer_calls_a_desk_phone_and_both_are_heard_in_the_clear(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let user = exchange.office.user("Suzuki").await;
        let mut desk = Desk::of(&exchange, &user).await;
        assert_eq!(desk.register(120).await.status(), Some(200));
        let fields = json!({ "last_name": "Tanaka", "phones": { TANAKA: { "raw": TANAKA } } });
        exchange.office.contact(&exchange.office.admin, Some(user.parse().unwrap()), fields).await;

        let offer = trunk.audio.leg.offer(&Wish::new(Security::Plain));
        let invite = trunk.dial(TANAKA, COMPANY, offer).await;
        assert_eq!(trunk.next().await.status(), Some(100));
        let rings = desk.next().await;
        assert_eq!((rings.method(), rings.from().uri().unwrap().user()), (&SipMethod::Invite, Some(TANAKA)));
        assert_eq!(rings.from().display().as_deref(), Some("Tanaka"));
        let text = String::from_utf8(rings.as_bytes().to_vec()).unwrap();
        assert!(text.contains("RTP/AVP") && !text.contains("crypto") && !text.contains("Callfield"), "{text}");
        desk.answer(&rings, 180, None).await;
        assert_eq!(trunk.next().await.status(), Some(180));
        let offer = Offer::parse(&rings.body()).unwrap();
        let (sdp, at_desk) = desk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
        desk.answer(&rings, 200, Some(sdp)).await;
        assert_eq!(desk.next().await.method(), &SipMethod::Ack);
        let answer = trunk.next().await;
        assert_eq!(answer.status(), Some(200));
        trunk.acknowledge(&invite, &answer).await;
        let at_trunk = trunk.audio.leg.receive_answer(&answer.body()).unwrap();
        desk.audio.speak(&at_desk).await;
        trunk.audio.hear(&at_trunk).await;
        trunk.audio.speak(&at_trunk).await;
        desk.audio.hear(&at_desk).await;

        desk.hang_up(&rings).await;
        let bye = trunk.next().await;
        assert_eq!(bye.method(), &SipMethod::Bye);
        trunk.answer(&bye, 200, None).await;
        assert_eq!(desk.next().await.status(), Some(200));
        let calls = exchange.office.get(&exchange.office.admin, "/v1/calls").await;
        let call = &calls.body["calls"][0];
        assert_eq!((&call["outcome"], &call["device"], &call["user"]), (&json!("completed"), &json!(desk.device), &json!(user)));
    }

    async fn a_desk_phone_calls_a_customer_as_its_user_and_both_are_heard(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let user = exchange.office.user("Suzuki").await;
        let mut desk = Desk::of(&exchange, &user).await;
        assert_eq!(desk.register(120).await.status(), Some(200));
        let offer = desk.audio.leg.offer(&Wish::new(Security::Plain));
        let invite = desk.dial("03-1234-5678", offer).await;

        let out = trunk.next().await;
        let (to, from) = (out.request_uri().unwrap(), out.from().uri().unwrap());
        assert_eq!((out.method(), to.user(), from.user()), (&SipMethod::Invite, Some(TANAKA), Some(COMPANY)));
        let text = String::from_utf8(out.as_bytes().to_vec()).unwrap();
        assert!(!text.contains(&desk.username) && !text.contains("Authorization"), "{text}");
        trunk.answer(&out, 180, None).await;
        desk.hears(180).await;
        let offer = Offer::parse(&out.body()).unwrap();
        let (sdp, at_trunk) = trunk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
        trunk.answer(&out, 200, Some(sdp)).await;
        assert_eq!(trunk.next().await.method(), &SipMethod::Ack);
        let answer = desk.hears(200).await;
        desk.acknowledge(&invite, &answer).await;
        let at_desk = desk.audio.leg.receive_answer(&answer.body()).unwrap();
        assert!(at_desk.keys.is_none());
        desk.audio.speak(&at_desk).await;
        trunk.audio.hear(&at_trunk).await;
        trunk.audio.speak(&at_trunk).await;
        desk.audio.hear(&at_desk).await;

        trunk.hang_up(&out).await;
        let bye = desk.next().await;
        assert_eq!(bye.method(), &SipMethod::Bye);
        desk.answer(&bye, 200, None).await;
        assert_eq!(trunk.next().await.status(), Some(200));
        let calls = exchange.office.get(&exchange.office.admin, "/v1/calls").await;
        let call = &calls.body["calls"][0];
        assert_eq!((&call["outcome"], &call["device"]), (&json!("completed"), &json!(desk.device)));
        assert_eq!((&call["from"], &call["to"]), (&json!(COMPANY), &json!(TANAKA)));
    }

    async fn an_account_is_shown_once_and_listed_without_its_password(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let body = json!({ "kind": "desk", "user": user, "name": " Reception " });
        let made = office.post(&office.admin, "/v1/devices", body).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let listed = office.get(&office.admin, "/v1/devices").await.body;
        let expected = json!({
            "kind": "desk", "id": made.body["device_id"], "user": user, "name": "Reception",
            "username": made.body["username"], "created_at": MORNING,
        });
        assert_eq!(listed, json!({ "devices": [expected] }));
        assert_eq!(made.body["password"].as_str().unwrap().len(), 20);
    }

    async fn a_desk_phone_needs_a_user_of_the_company_and_a_kind(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let (_, other) = company(&office.app, "XYZ").await;
        let body = json!({ "kind": "desk", "user": user, "name": "Reception" });
        let refused = office.post(&other, "/v1/devices", body).await;
        assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
        let refused = office.post(&office.admin, "/v1/devices", json!({ "kind": "app", "user": user, "name": "x" })).await;
        assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"));
    }
}

/// What somebody who guesses can tell one answer from another by.
fn shape(answer: &Message) -> (Option<u16>, Vec<String>) {
    let names = answer.to_string();
    let names = names.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect();
    (answer.status(), names)
}
