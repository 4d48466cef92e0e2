//! People: what they may say about their calls.

use callfield_media::sdp::{Security, Wish};
use callfield_sip::message::Method as SipMethod;
use http::{Method, StatusCode};
use serde_json::json;

use crate::exchange::{Exchange, Line};
use crate::office::{Office, company, request};
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";

db_test! {
    async fn a_decline_stops_every_device_until_the_person_wants_the_others_to_ring_on(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let user = exchange.office.user("Suzuki").await;
        let fields = json!({ "last_name": "Tanaka", "phones": { TANAKA: { "raw": TANAKA } } });
        exchange.office.contact(&exchange.office.admin, Some(user.parse().unwrap()), fields).await;
        let mut first = Line::open(&exchange, exchange.office.phone_of(&user).await).await;
        let mut second = Line::open(&exchange, exchange.office.phone_of(&user).await).await;
        let path = format!("/v1/users/{user}");
        let edit = exchange.office.ask(Method::PATCH, &path, json!({ "decline": "ring_on" })).await;
        assert_eq!((edit.status, &edit.body["decline"]), (StatusCode::OK, &json!("ring_on")));

        let offer = trunk.audio.leg.offer(&Wish::new(Security::Plain));
        trunk.dial(TANAKA, COMPANY, offer).await;
        let (at_first, at_second) = (first.next().await, second.next().await);
        first.respond(&at_first, 603, None).await;
        assert_eq!(first.next().await.method(), &SipMethod::Ack);
        second.respond(&at_second, 180, None).await;
        assert_eq!(trunk.next().await.status(), Some(100));
        assert_eq!(trunk.next().await.status(), Some(180), "it rings on");
        second.respond(&at_second, 603, None).await;
        assert_eq!(trunk.next().await.status(), Some(603), "until all have declined");
    }

    async fn a_person_is_shown_with_what_a_decline_means_and_only_to_their_company(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let path = format!("/v1/users/{user}");
        let shown = json!({ "id": user, "name": "Suzuki", "extension": null, "decline": "stop_all" });
        assert_eq!(office.get(&office.admin, &path).await.body, shown);
        assert_eq!(office.ask(Method::PATCH, &path, json!({})).await.body, shown, "what is absent stays");
        let refused = office.ask(Method::PATCH, &path, json!({ "decline": "shrug" })).await;
        assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"));
        let (_, other) = company(&office.app, "XYZ").await;
        for method in [Method::GET, Method::PATCH] {
            let body = json!({ "decline": "ring_on" }).to_string();
            let hidden = office.send(request(method, &path, &other, body.into())).await;
            assert_eq!((hidden.status, hidden.error()), (StatusCode::NOT_FOUND, "not_found"));
        }
        assert_eq!(office.get(&office.admin, &path).await.body, shown);
    }
}
