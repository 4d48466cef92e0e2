//! Calls that ring their own user first, through the API, the edge and its relay.

use callfield_domain::CallId;
use callfield_media::sdp::{Offer, Security, Wish};
use callfield_server::app::edge_port::{CallbackAsk, EdgeCommand};
use callfield_sip::message::{Message, Method as SipMethod};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::exchange::{Desk, Exchange, Line, Trunk};
use crate::office::{MORNING, company, request};
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";

db_test! {
    async fn p8_p9_the_own_phone_rings_first_then_the_customer_and_both_are_heard(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let fields = json!({ "last_name": "Tanaka", "phones": { TANAKA: { "raw": TANAKA } } });
        exchange.office.contact(&exchange.office.admin, Some(line.phone.user), fields).await;
        let call = begin(&exchange, &line.phone.token, json!({ "to": "03-1234-5678" })).await;
        let rings = line.next().await;
        assert_eq!((rings.method(), rings.from().uri().unwrap().user()), (&SipMethod::Invite, Some(TANAKA)));
        assert_eq!(rings.from().display().as_deref(), Some("Tanaka"));
        assert_eq!(rings.header("X-Callfield-Call"), Some(call.to_string().as_str()));
        reply(&line, &rings, 180, None).await;
        trunk.hears_nothing().await;

        let offer = Offer::parse(&rings.body()).unwrap();
        let (sdp, at_line) = line.audio.leg.answer(&offer, &Wish::new(Security::Required)).unwrap();
        reply(&line, &rings, 200, Some(sdp)).await;
        assert_eq!(line.next().await.method(), &SipMethod::Ack);
        let out = trunk.next().await;
        let (to, from) = (out.request_uri().unwrap(), out.from().uri().unwrap());
        assert_eq!((out.method(), to.user(), from.user()), (&SipMethod::Invite, Some(TANAKA), Some(COMPANY)));
        trunk.answer(&out, 180, None).await;
        let offer = Offer::parse(&out.body()).unwrap();
        let (sdp, at_trunk) = trunk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
        trunk.answer(&out, 200, Some(sdp)).await;
        assert_eq!(trunk.next().await.method(), &SipMethod::Ack);
        line.audio.speak(&at_line).await;
        trunk.audio.hear(&at_trunk).await;
        trunk.audio.speak(&at_trunk).await;
        line.audio.hear(&at_line).await;

        trunk.hang_up(&out).await;
        let bye = next_but_renewals(&mut line).await;
        assert_eq!(bye.method(), &SipMethod::Bye);
        line.send(&bye.response(200, "OK").build()).await;
        assert_eq!(trunk.next().await.status(), Some(200));
        let facts = exchange.facts(call).await;
        let expected = json!({
            "id": call, "direction": "outbound", "from": COMPANY, "to": TANAKA,
            "user": line.phone.user, "device": line.phone.id, "state": "ended", "outcome": "completed",
            "started_at": MORNING, "answered_at": MORNING, "ended_at": MORNING, "ring_ms": 0, "talk_ms": 0,
            "transferred_to": null, "record": facts["record"], "log": facts["log"],
        });
        assert_eq!(facts, expected);
        let steps = exchange.steps(call, "durable").await;
        let milestones: Vec<_> = steps.iter().map(|step| step["milestone"].as_str().unwrap()).collect();
        let expected = [
            "requested", "routed", "invite_forwarded", "device_ringing", "answered", "routed", "invite_forwarded",
            "device_ringing", "answered", "hung_up", "durable",
        ];
        assert_eq!(milestones, expected);
        assert_eq!((&steps[1]["detail"], &steps[5]["detail"]), (&json!("callback"), &json!("trunk")));
    }

    async fn a_desk_phone_is_the_own_device_where_it_is_chosen_and_either_end_may_hang_up(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let mut desk = Desk::of(&exchange, &line.phone.user.to_string()).await;
        assert_eq!(desk.register(120).await.status(), Some(200));
        let wish = json!({ "to": TANAKA, "from_device": desk.device, "user": line.phone.user });
        let call = begin(&exchange, &exchange.office.admin, wish).await;
        let rings = desk.next().await;
        let offer = Offer::parse(&rings.body()).unwrap();
        let (sdp, at_desk) = desk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
        desk.answer(&rings, 200, Some(sdp)).await;
        assert_eq!(desk.next().await.method(), &SipMethod::Ack);
        let (out, at_trunk) = answer_at(&mut trunk).await;
        desk.audio.speak(&at_desk).await;
        trunk.audio.hear(&at_trunk).await;
        desk.hang_up(&rings).await;
        let bye = trunk.next().await;
        assert_eq!((bye.method(), bye.call_id()), (&SipMethod::Bye, out.call_id()));
        trunk.answer(&bye, 200, None).await;
        exchange.steps(call, "durable").await;
        let facts = exchange.facts(call).await;
        assert_eq!((&facts["outcome"], &facts["device"]), (&json!("completed"), &json!(desk.device)));
        line.hears_nothing();
    }

    async fn a_call_that_is_not_wanted_any_more_stops_ringing_by_its_user_or_an_administrator_only(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let stranger = exchange.office.phone("Sato").await;
        let (_, other) = company(&exchange.office.app, "XYZ").await;
        let own = line.phone.token.clone();
        for ends in [own.clone(), exchange.office.admin.clone()] {
            let call = begin(&exchange, &own, json!({ "to": TANAKA })).await;
            let rings = line.next().await;
            let path = format!("/v1/calls/{call}");
            let delete = async |token: &str| exchange.office.send(request(Method::DELETE, &path, token, "".into())).await.status;
            for thief in [&stranger.token, &other] {
                assert_eq!(delete(thief).await, StatusCode::NOT_FOUND);
            }
            assert_eq!(delete(&ends).await, StatusCode::NO_CONTENT);
            assert_eq!(line.next().await.method(), &SipMethod::Cancel);
            reply(&line, &rings, 487, None).await;
            assert_eq!(line.next().await.method(), &SipMethod::Ack);
            exchange.steps(call, "durable").await;
            assert_eq!(exchange.facts(call).await["outcome"], "canceled");
            assert_eq!(delete(&ends).await, StatusCode::NOT_FOUND, "it is over");
        }
        trunk.hears_nothing().await;
    }

    async fn what_cannot_be_is_refused_in_words_and_leaves_no_row(db: Db) {
        let exchange = Exchange::open(db).await;
        let office = &exchange.office;
        let line = exchange.line("Suzuki").await;
        let (own, admin) = (line.phone.token.clone(), office.admin.clone());
        let refused = async |token: &str, wish: Value| {
            let answer = office.post(token, "/v1/calls", wish).await;
            (answer.status.as_u16(), answer.error().to_owned())
        };
        let is = |status: u16, code: &str| (status, code.to_owned());
        assert_eq!(refused(&own, json!({ "to": TANAKA })).await, is(409, "no_way_out"));
        let mut trunk = exchange.trunk(&admin, COMPANY).await;
        assert_eq!(refused(&own, json!({ "to": "110" })).await, is(403, "emergency_number"));
        assert_eq!(refused(&own, json!({ "to": "+861062123456" })).await, is(403, "destination_blocked"));
        assert_eq!(refused(&own, json!({ "to": "tanaka" })).await, is(422, "invalid_value"));
        assert_eq!(refused(&admin, json!({ "to": TANAKA })).await, is(422, "invalid_value"));
        let nobody = office.user("Sato").await;
        assert_eq!(refused(&admin, json!({ "to": TANAKA, "user": nobody })).await, is(409, "not_enrolled"));
        assert_eq!(refused(&own, json!({ "to": TANAKA, "user": nobody })).await, is(422, "invalid_value"));
        let desk = Desk::of(&exchange, &nobody).await;
        assert_eq!(refused(&admin, json!({ "to": TANAKA, "user": nobody })).await, is(409, "no_device_reachable"));
        let theirs = json!({ "to": TANAKA, "from_device": desk.device });
        assert_eq!(refused(&own, theirs).await, is(422, "invalid_value"));
        let extension = json!({ "name": "Mori", "extension": "203" });
        office.post(&admin, "/v1/users", extension).await;
        assert_eq!(refused(&own, json!({ "to": "203" })).await, is(422, "colleague"));
        assert_eq!(office.get(&admin, "/v1/calls").await.body["calls"], json!([]));
        for _ in 0..4 {
            begin(&exchange, &own, json!({ "to": TANAKA })).await;
        }
        assert_eq!(refused(&own, json!({ "to": TANAKA })).await, is(429, "too_many_calls"));
        trunk.hears_nothing().await;
    }

    async fn a_call_that_nobody_waits_for_any_more_is_taken_back(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let (tenant, user, to) = (exchange.office.tenant, line.phone.user, TANAKA.to_owned());
        let (reply, answer) = oneshot::channel();
        drop(answer);
        let ask = CallbackAsk { tenant, user, to, device: None };
        exchange.office.app.edge.send(EdgeCommand::CallBack { ask, reply }).await.unwrap();
        let calls = exchange.calls_once_over().await;
        assert_eq!((calls.len(), &calls[0]["outcome"]), (1, &json!("canceled")));
        line.hears_nothing();
        trunk.hears_nothing().await;
    }

    async fn a_call_in_progress_when_the_server_dies_ends_with_one_row(db: Db) {
        let mut exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let call = begin(&exchange, &line.phone.token, json!({ "to": TANAKA })).await;
        let rings = line.next().await;
        let offer = Offer::parse(&rings.body()).unwrap();
        let (sdp, _) = line.audio.leg.answer(&offer, &Wish::new(Security::Required)).unwrap();
        reply(&line, &rings, 200, Some(sdp)).await;
        assert_eq!(trunk.next().await.method(), &SipMethod::Invite);
        exchange.steps(call, "answered").await;
        exchange.restart().await;
        let calls = exchange.calls_once_over().await;
        assert_eq!(calls.len(), 1);
        let ended = [&calls[0]["id"], &calls[0]["direction"], &calls[0]["state"], &calls[0]["outcome"], &calls[0]["to"]];
        assert_eq!(ended, [&json!(call), &json!("outbound"), &json!("ended"), &json!("failed"), &json!(TANAKA)]);
    }
}

async fn begin(exchange: &Exchange, token: &str, wish: Value) -> CallId {
    let answer = exchange.office.post(token, "/v1/calls", wish).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    answer.body["id"].as_str().unwrap().parse().unwrap()
}

/// The customer takes the call that comes: its INVITE, and what was agreed.
async fn answer_at(trunk: &mut Trunk) -> (Message, callfield_media::sdp::Agreement) {
    let out = trunk.next().await;
    assert_eq!(out.method(), &SipMethod::Invite);
    let offer = Offer::parse(&out.body()).unwrap();
    let (sdp, agreed) = trunk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
    trunk.answer(&out, 200, Some(sdp)).await;
    assert_eq!(trunk.next().await.method(), &SipMethod::Ack);
    (out, agreed)
}

/// The next message that is not the edge's offer of what the far end took.
async fn next_but_renewals(line: &mut Line) -> Message {
    loop {
        let message = line.next().await;
        if message.method() != &SipMethod::Invite {
            return message;
        }
    }
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
