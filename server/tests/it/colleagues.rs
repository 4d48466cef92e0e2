//! Calls between colleagues: extensions, and calls that never leave the house.

use callfield_domain::CallId;
use callfield_media::sdp::{Offer, Security, Wish};
use callfield_server::app::wake_port::PushRequest;
use callfield_sip::message::{Message, Method as SipMethod};
use http::{Method, StatusCode};
use serde_json::json;

use crate::exchange::{Desk, Exchange, Line};
use crate::office::{MORNING, Office, company};
use crate::testing::{self, db_test};

const COMPANY: &str = "+81350001000";
/// The number that is Sato's own.
const OWN: &str = "+81350002000";

db_test! {
    async fn a_person_has_an_extension_that_no_colleague_has(db: Db) {
        let office = Office::open(db).await;
        let suzuki = office.post(&office.admin, "/v1/users", json!({ "name": "Suzuki", "extension": "201" })).await;
        assert_eq!((suzuki.status, &suzuki.body["extension"]), (StatusCode::CREATED, &json!("201")));
        let taken = office.post(&office.admin, "/v1/users", json!({ "name": "Sato", "extension": "201" })).await;
        assert_eq!((taken.status, taken.error()), (StatusCode::CONFLICT, "extension_taken"));
        let sato = office.user("Sato").await;
        let path = format!("/v1/users/{sato}");
        let view = |extension| json!({ "id": sato, "name": "Sato", "extension": extension, "decline": "stop_all" });
        assert_eq!(office.get(&office.admin, &path).await.body, view(json!(null)));
        let taken = office.ask(Method::PATCH, &path, json!({ "extension": "201" })).await;
        assert_eq!((taken.status, taken.error()), (StatusCode::CONFLICT, "extension_taken"));
        for unfit in ["", "2", "0201", "110", "119", "1234567", "+201", "20a", "２０１", "201 "] {
            let refused = office.ask(Method::PATCH, &path, json!({ "extension": unfit })).await;
            assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"), "{unfit}");
        }
        assert_eq!(office.ask(Method::PATCH, &path, json!({ "extension": "202" })).await.body, view(json!("202")));
        assert_eq!(office.ask(Method::PATCH, &path, json!({ "name": "Sato" })).await.body, view(json!("202")));
        assert_eq!(office.ask(Method::PATCH, &path, json!({ "extension": null })).await.body, view(json!(null)));
        let list = office.get(&office.admin, "/v1/users").await;
        assert_eq!(list.body["users"].as_array().unwrap().len(), 2);
        let (_, other) = company(&office.app, "XYZ").await;
        assert_eq!(office.get(&other, &path).await.status, StatusCode::NOT_FOUND);
        let same = office.post(&other, "/v1/users", json!({ "name": "Mori", "extension": "201" })).await;
        assert_eq!(same.status, StatusCode::CREATED, "another company has its own");
    }

    async fn a_phone_calls_a_colleague_by_whatever_names_them_and_both_are_heard(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let (mut suzuki, mut sato) = colleagues(&exchange).await;
        let own = json!({ "e164": OWN, "route": "record_owner", "user": sato.phone.user });
        exchange.office.post(&exchange.office.admin, "/v1/numbers", own).await;
        let user = sato.phone.user.to_string();
        for (dialled, why) in [("202", "extension"), ("03-5000-2000", "own_number"), (&user, "user")] {
            let call = new_call(&exchange);
            let offer = suzuki.audio.leg.offer(&Wish::new(Security::Required));
            let invite = suzuki.dial(call, dialled, offer).await;
            let rings = sato.next().await;
            let from = rings.from();
            assert_eq!((rings.method(), from.uri().unwrap().user()), (&SipMethod::Invite, Some("201")));
            assert_eq!((from.display().as_deref(), rings.header("X-Callfield-Call")), (Some("Suzuki"), Some(call.to_string().as_str())));
            reply(&sato, &rings, 180, None).await;
            suzuki.answer(180).await;
            let offer = Offer::parse(&rings.body()).unwrap();
            let (sdp, at_sato) = sato.audio.leg.answer(&offer, &Wish::new(Security::Required)).unwrap();
            reply(&sato, &rings, 200, Some(sdp)).await;
            assert_eq!(sato.next().await.method(), &SipMethod::Ack);
            let answer = suzuki.answer(200).await;
            suzuki.acknowledge(&invite, &answer).await;
            let at_suzuki = suzuki.audio.leg.receive_answer(&answer.body()).unwrap();
            assert!(at_suzuki.keys.is_some() && at_sato.keys.is_some());
            suzuki.audio.speak(&at_suzuki).await;
            sato.audio.hear(&at_sato).await;
            sato.audio.speak(&at_sato).await;
            suzuki.audio.hear(&at_suzuki).await;

            suzuki.hang_up(&invite, &answer).await;
            let bye = sato.next().await;
            assert_eq!(bye.method(), &SipMethod::Bye);
            sato.send(&bye.response(200, "OK").build()).await;
            suzuki.answer(200).await;
            let facts = exchange.facts(call).await;
            let expected = json!({
                "id": call, "direction": "internal", "from": "201", "to": "202",
                "user": sato.phone.user, "device": sato.phone.id, "state": "ended", "outcome": "completed",
                "started_at": MORNING, "answered_at": MORNING, "ended_at": MORNING, "ring_ms": 0, "talk_ms": 0,
                "transferred_to": null, "record": facts["record"], "log": facts["log"],
            });
            assert_eq!(facts, expected, "{dialled}");
            let steps = exchange.steps(call, "durable").await;
            let milestones: Vec<_> = steps.iter().map(|step| step["milestone"].as_str().unwrap()).collect();
            let expected =
                ["invited", "routed", "invite_forwarded", "device_ringing", "answered", "hung_up", "durable"];
            assert_eq!(milestones, expected);
            assert_eq!((&steps[0]["device"], &steps[1]["detail"]), (&json!(suzuki.phone.id), &json!(why)));
        }
        trunk.hears_nothing().await;
    }

    async fn a_colleague_who_sleeps_is_woken_and_rings_as_soon_as_the_phone_is_there(db: Db) {
        let mut exchange = Exchange::open(db).await;
        let suzuki = person(&exchange, "Suzuki", "201").await;
        let sato = person(&exchange, "Sato", "202").await;
        let (suzuki, sato) = (exchange.office.phone_of(&suzuki).await, exchange.office.phone_of(&sato).await);
        let mut suzuki = Line::open(&exchange, suzuki).await;
        let call = new_call(&exchange);
        let invite = dial(&mut suzuki, call, "202").await;
        let Some(PushRequest::Wake { wake, .. }) = exchange.office.wakes.recv().await else { panic!("no wake") };
        assert_eq!((wake.call, wake.device, wake.from.as_str()), (call, sato.id, "201"));
        assert_eq!((wake.name.as_deref(), wake.why.as_str()), (Some("Suzuki"), "extension"));
        suzuki.answer(180).await;
        let mut sato = Line::open(&exchange, sato).await;
        let rings = sato.next().await;
        assert_eq!(rings.method(), &SipMethod::Invite);
        suzuki.cancel(&invite).await;
        suzuki.answer(200).await;
        assert_eq!(sato.next().await.method(), &SipMethod::Cancel);
        assert_eq!(suzuki.final_answer(&invite).await.status(), Some(487));
        exchange.steps(call, "durable").await;
        let facts = exchange.facts(call).await;
        assert_eq!((&facts["outcome"], &facts["direction"]), (&json!("canceled"), &json!("internal")));
    }

    async fn a_desk_phone_calls_a_colleagues_phone_and_both_are_heard(db: Db) {
        let exchange = Exchange::open(db).await;
        let (user, sato) = (person(&exchange, "Suzuki", "201").await, person(&exchange, "Sato", "202").await);
        let mut desk = Desk::of(&exchange, &user).await;
        assert_eq!(desk.register(120).await.status(), Some(200));
        let mut sato = Line::open(&exchange, exchange.office.phone_of(&sato).await).await;
        let offer = desk.audio.leg.offer(&Wish::new(Security::Plain));
        let invite = desk.dial("202", offer).await;
        let rings = sato.next().await;
        let offer = Offer::parse(&rings.body()).unwrap();
        let (sdp, at_sato) = sato.audio.leg.answer(&offer, &Wish::new(Security::Required)).unwrap();
        reply(&sato, &rings, 200, Some(sdp)).await;
        assert_eq!(sato.next().await.method(), &SipMethod::Ack);
        let answer = desk.hears(200).await;
        desk.acknowledge(&invite, &answer).await;
        let at_desk = desk.audio.leg.receive_answer(&answer.body()).unwrap();
        assert!(at_desk.keys.is_none() && at_sato.keys.is_some());
        desk.audio.speak(&at_desk).await;
        sato.audio.hear(&at_sato).await;
        sato.audio.speak(&at_sato).await;
        desk.audio.hear(&at_desk).await;
    }

    async fn who_calls_themselves_is_busy_and_a_phone_without_a_key_calls_nobody(db: Db) {
        let exchange = Exchange::open(db).await;
        let (mut suzuki, _sato) = colleagues(&exchange).await;
        let call = new_call(&exchange);
        let invite = dial(&mut suzuki, call, "201").await;
        assert_eq!(suzuki.final_answer(&invite).await.status(), Some(486));
        assert_eq!(exchange.facts(call).await["outcome"], "busy");
        let call = new_call(&exchange);
        let plain = suzuki.audio.leg.offer(&Wish::new(Security::Plain));
        let invite = suzuki.dial(call, "202", plain).await;
        assert_eq!(suzuki.final_answer(&invite).await.status(), Some(488));
        assert_eq!(exchange.facts(call).await["outcome"], "failed");
        // The id of somebody who is nobody of the company.
        let call = new_call(&exchange);
        let invite = dial(&mut suzuki, call, &call.to_string()).await;
        assert_eq!(suzuki.final_answer(&invite).await.status(), Some(484));
    }
}

fn new_call(exchange: &Exchange) -> CallId {
    CallId::new(MORNING, &mut exchange.office.app.random())
}

/// A new person with an extension.
async fn person(exchange: &Exchange, name: &str, extension: &str) -> String {
    let body = json!({ "name": name, "extension": extension });
    let answer = exchange.office.post(&exchange.office.admin, "/v1/users", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

/// The registered phones of Suzuki (201) and Sato (202).
async fn colleagues(exchange: &Exchange) -> (Line, Line) {
    let (suzuki, sato) = (person(exchange, "Suzuki", "201").await, person(exchange, "Sato", "202").await);
    let (suzuki, sato) = (exchange.office.phone_of(&suzuki).await, exchange.office.phone_of(&sato).await);
    (Line::open(exchange, suzuki).await, Line::open(exchange, sato).await)
}

async fn dial(line: &mut Line, call: CallId, number: &str) -> Message {
    let offer = line.audio.leg.offer(&Wish::new(Security::Required));
    line.dial(call, number, offer).await
}

/// A phone answers the edge's INVITE.
async fn reply(line: &Line, invite: &Message, status: u16, sdp: Option<Vec<u8>>) {
    let start =
        invite.response(status, "As told").to_tag("line").header("Contact", "<sip:x@phone.invalid;transport=ws>");
    let answer = match sdp {
        Some(sdp) => start.body("application/sdp", sdp),
        None => start,
    };
    line.send(&answer.build()).await;
}
