//! Calls that phones begin, through the edge and its relay to a trunk on loopback.

use callfield_domain::{CallFacts, CallId, CallState, DeviceId, Direction, Outcome, UserId};
use callfield_media::sdp::{Offer, Security, Wish};
use callfield_server::app::edge_port::DeviceIdentity;
use callfield_sip::message::{Message, Method};
use serde_json::{Value, json};

use crate::exchange::{Exchange, Line, Trunk};
use crate::office::{MORNING, Phone, company};
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";

db_test! {
    async fn a_phone_calls_a_customer_who_answers_and_both_are_heard(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let offer = line.audio.leg.offer(&Wish::new(Security::Required));
        let invite = line.dial(call, "03-1234-5678", offer).await;

        let out = trunk.next().await;
        let (to, from) = (out.request_uri().unwrap(), out.from().uri().unwrap());
        assert_eq!((out.method(), to.user(), from.user()), (&Method::Invite, Some(TANAKA), Some(COMPANY)));
        let text = String::from_utf8(out.as_bytes().to_vec()).unwrap();
        for inside in [line.phone.user.to_string(), line.phone.id.to_string(), "crypto".to_owned(), "SAVP".to_owned()] {
            assert!(!text.contains(&inside), "{inside} leaves the house:\n{text}");
        }

        trunk.answer(&out, 180, None).await;
        line.answer(180).await;
        let offer = Offer::parse(&out.body()).unwrap();
        let (sdp, at_trunk) = trunk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
        trunk.answer(&out, 200, Some(sdp)).await;
        assert_eq!(trunk.next().await.method(), &Method::Ack);
        let answer = line.answer(200).await;
        line.acknowledge(&invite, &answer).await;
        let at_phone = line.audio.leg.receive_answer(&answer.body()).unwrap();
        assert!(at_phone.keys.is_some() && at_trunk.keys.is_none());
        line.audio.speak(&at_phone).await;
        trunk.audio.hear(&at_trunk).await;
        trunk.audio.speak(&at_trunk).await;
        line.audio.hear(&at_phone).await;

        line.hang_up(&invite, &answer).await;
        let bye = trunk.next().await;
        assert_eq!(bye.method(), &Method::Bye);
        trunk.answer(&bye, 200, None).await;
        line.answer(200).await;
        // The phone's BYE is answered when the row is on disk.
        let facts = exchange.facts(call).await;
        let expected = json!({
            "id": call, "direction": "outbound", "from": COMPANY, "to": TANAKA,
            "user": line.phone.user, "device": line.phone.id, "state": "ended", "outcome": "completed",
            "started_at": MORNING, "answered_at": MORNING, "ended_at": MORNING, "transferred_to": null,
            "ring_ms": 0, "talk_ms": 0,
            "record": facts["record"], "log": facts["log"],
        });
        assert_eq!(facts, expected);
        let steps = exchange.steps(call, "durable").await;
        let milestones: Vec<_> = steps.iter().map(|step| step["milestone"].as_str().unwrap()).collect();
        let expected =
            ["invited", "routed", "invite_forwarded", "device_ringing", "answered", "hung_up", "durable"];
        assert_eq!(milestones, expected);
        assert_eq!((&steps[0]["device"], &steps[1]["detail"]), (&json!(line.phone.id), &json!("trunk")));
        assert!(steps[2..5].iter().all(|step| step["device"] == Value::Null), "{steps:?}");
    }

    async fn the_customer_may_hang_up_first(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let (out, _, _) = connect(&mut line, &mut trunk, call).await;
        trunk.hang_up(&out).await;
        let bye = line.next().await;
        assert_eq!(bye.method(), &Method::Bye);
        line.send(&bye.response(200, "OK").build()).await;
        assert_eq!(trunk.next().await.status(), Some(200));
        exchange.steps(call, "durable").await;
        assert_eq!(exchange.facts(call).await["outcome"], "completed");
    }

    async fn what_the_far_end_refuses_with_is_told_to_the_phone_and_decides_the_outcome(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        for (status, outcome) in [(486, "busy"), (603, "rejected"), (480, "no_answer"), (404, "no_route"), (500, "failed")] {
            let call = new_call(&exchange);
            let invite = dial(&mut line, call, TANAKA).await;
            let out = trunk.next().await;
            trunk.answer(&out, status, None).await;
            assert_eq!(trunk.next().await.method(), &Method::Ack);
            assert_eq!(line.final_answer(&invite).await.status(), Some(status));
            assert_eq!(exchange.facts(call).await["outcome"], outcome, "{status}");
        }
    }

    async fn a_phone_that_gives_up_stops_the_ringing_at_the_far_end(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call, TANAKA).await;
        let out = trunk.next().await;
        trunk.answer(&out, 180, None).await;
        line.answer(180).await;
        line.cancel(&invite).await;
        line.answer(200).await;
        let cancel = trunk.next().await;
        assert_eq!((cancel.method(), cancel.call_id()), (&Method::Cancel, out.call_id()));
        trunk.answer(&cancel, 200, None).await;
        trunk.answer(&out, 487, None).await;
        assert_eq!(trunk.next().await.method(), &Method::Ack);
        assert_eq!(line.final_answer(&invite).await.status(), Some(487));
        let facts = exchange.facts(call).await;
        assert_eq!((&facts["outcome"], &facts["answered_at"]), (&json!("canceled"), &Value::Null));
    }

    async fn what_may_not_be_called_never_reaches_the_trunk(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        for (number, status, outcome) in [
            ("119", 380, "blocked"),
            ("110", 380, "blocked"),
            ("+861062123456", 403, "blocked"),
            ("010861062123456", 403, "blocked"),
            ("tanaka", 484, "no_route"),
        ] {
            let call = new_call(&exchange);
            let invite = dial(&mut line, call, number).await;
            assert_eq!(line.final_answer(&invite).await.status(), Some(status), "{number}");
            let facts = exchange.facts(call).await;
            assert_eq!((&facts["outcome"], &facts["to"]), (&json!(outcome), &json!(number)));
        }
        let call = new_call(&exchange);
        let plain = line.audio.leg.offer(&Wish::new(Security::Plain));
        let invite = line.dial(call, TANAKA, plain).await;
        assert_eq!(line.final_answer(&invite).await.status(), Some(488));
        assert_eq!(exchange.facts(call).await["outcome"], "failed");
        trunk.hears_nothing().await;
    }

    async fn a_company_without_a_way_out_does_not_use_the_one_of_another(db: Db) {
        let exchange = Exchange::open(db).await;
        let (_, other) = company(&exchange.office.app, "XYZ").await;
        let mut trunk = exchange.trunk(&other, "+81350009000").await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call, TANAKA).await;
        assert_eq!(line.final_answer(&invite).await.status(), Some(503));
        assert_eq!(exchange.facts(call).await["outcome"], "no_route");
        trunk.hears_nothing().await;
    }

    async fn the_id_of_a_call_is_good_once_also_after_the_edge_was_started_again(db: Db) {
        let mut exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let (out, _, _) = connect(&mut line, &mut trunk, call).await;
        trunk.hang_up(&out).await;
        let bye = line.next().await;
        line.send(&bye.response(200, "OK").build()).await;
        assert_eq!(trunk.next().await.status(), Some(200));
        let (steps, facts) = (exchange.steps(call, "durable").await, exchange.facts(call).await);
        for is_restarted in [false, true] {
            if is_restarted {
                exchange.restart().await;
                line = Line::open(&exchange, line.phone).await;
            }
            let invite = dial(&mut line, call, "+81398765432").await;
            assert_eq!(line.final_answer(&invite).await.status(), Some(482));
            // What is written of a later call is on disk after what would be written of this one.
            let later = new_call(&exchange);
            let invite = dial(&mut line, later, "119").await;
            assert_eq!(line.final_answer(&invite).await.status(), Some(380));
            exchange.steps(later, "durable").await;
            let shown = exchange.facts(call).await;
            for fact in ["direction", "from", "to", "outcome", "answered_at", "ended_at", "device"] {
                assert_eq!(shown[fact], facts[fact], "{fact}, restarted: {is_restarted}");
            }
            assert_eq!(exchange.steps(call, "durable").await, steps, "restarted: {is_restarted}");
        }
        trunk.hears_nothing().await;
    }

    async fn a_phone_of_another_company_cannot_write_into_a_call_by_its_id(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call, "+861062123456").await;
        assert_eq!(line.final_answer(&invite).await.status(), Some(403));
        let (steps, facts) = (exchange.steps(call, "durable").await, exchange.facts(call).await);

        let (other_tenant, other) = company(&exchange.office.app, "XYZ").await;
        let id = DeviceId::new(MORNING, &mut exchange.office.app.random());
        let user = UserId::new(MORNING, &mut exchange.office.app.random());
        let stranger = Phone { id, user, token: String::new() };
        let identity = DeviceIdentity { tenant: other_tenant, user: stranger.user, device: stranger.id };
        let mut thief = Line::open_as(&exchange, identity, stranger).await;
        let invite = dial(&mut thief, call, TANAKA).await;
        assert_eq!(thief.final_answer(&invite).await.status(), Some(482));
        let theirs = exchange.office.get(&other, &format!("/v1/calls/{call}")).await;
        assert_eq!(theirs.status, http::StatusCode::NOT_FOUND);
        assert_eq!(exchange.steps(call, "durable").await, steps);
        assert_eq!(exchange.facts(call).await["to"], facts["to"]);
        trunk.hears_nothing().await;
    }

    async fn a_phone_cannot_take_over_a_call_that_somebody_else_made(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let stored = CallFacts {
            id: new_call(&exchange),
            tenant: exchange.office.tenant,
            direction: Direction::Inbound,
            from: TANAKA.to_owned(),
            to: COMPANY.to_owned(),
            user: None,
            device: None,
            state: CallState::Ended,
            outcome: Some(Outcome::NoAnswer),
            started_at: MORNING,
            answered_at: None,
            ended_at: Some(MORNING),
            transferred_to: None,
        };
        let mut rows = exchange.office.app.db.write(exchange.office.tenant).await.unwrap();
        rows.put_call(&stored).await.unwrap();
        rows.commit().await.unwrap();
        let invite = dial(&mut line, stored.id, TANAKA).await;
        assert_eq!(line.final_answer(&invite).await.status(), Some(482));
        let mut rows = exchange.office.app.db.read(exchange.office.tenant).await.unwrap();
        assert_eq!(rows.call(stored.id).await.unwrap().unwrap().facts, stored);
        assert!(rows.timeline(stored.id).await.unwrap().is_empty());
        trunk.hears_nothing().await;
    }
}

fn new_call(exchange: &Exchange) -> CallId {
    CallId::new(MORNING, &mut exchange.office.app.random())
}

async fn dial(line: &mut Line, call: CallId, number: &str) -> Message {
    let offer = line.audio.leg.offer(&Wish::new(Security::Required));
    line.dial(call, number, offer).await
}

/// A call that was answered: the trunk's INVITE, the phone's and its answer.
async fn connect(line: &mut Line, trunk: &mut Trunk, call: CallId) -> (Message, Message, Message) {
    let invite = dial(line, call, TANAKA).await;
    let out = trunk.next().await;
    let offer = Offer::parse(&out.body()).unwrap();
    let (sdp, _) = trunk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
    trunk.answer(&out, 200, Some(sdp)).await;
    assert_eq!(trunk.next().await.method(), &Method::Ack);
    let answer = line.final_answer(&invite).await;
    line.acknowledge(&invite, &answer).await;
    (out, invite, answer)
}
