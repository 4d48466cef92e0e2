//! How calls of phones find their way out: proof for the trunk that wants it, the next trunk for one that cannot.

use callfield_domain::{CallId, Seed, Timestamp};
use callfield_media::sdp::{Offer, Security, Wish};
use callfield_sip::digest::{Algorithm, Check, Credentials, Ha1, Signed, Verifier};
use callfield_sip::message::{Message, Method};
use serde_json::json;

use crate::exchange::{Exchange, Line, Trunk};
use crate::office::MORNING;
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";

db_test! {
    async fn a_trunk_that_wants_proof_gets_what_the_office_wrote_down(db: Db) {
        let mut exchange = Exchange::open(db).await;
        let credentials = json!({ "username": "hanako", "password": "correct-horse" });
        let mut trunk = with_number(&exchange, json!({ "credentials": credentials })).await;
        // The key is the office's, not that of one run of the edge.
        exchange.restart().await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call).await;

        let mut guard = Verifier::new("pbx", &[Algorithm::Md5], Seed::from_number(1));
        let first = trunk.next().await;
        trunk.challenge(&first, &guard.challenges(Timestamp::ZERO, false)[0]).await;
        assert_eq!(trunk.next().await.method(), &Method::Ack);
        let second = trunk.next().await;
        assert_eq!((second.method(), second.cseq().number), (&Method::Invite, 2));
        let proof = Credentials::read(second.header("Proxy-Authorization").unwrap()).unwrap();
        let stored = Ha1::new(Algorithm::Md5, "hanako", "pbx", "correct-horse");
        let check = Signed::of(&second, |signed| guard.verify(Timestamp::ZERO, &proof, signed, Some(&stored)));
        assert_eq!(check, Check::Accepted);

        take(&mut trunk, &second).await;
        assert_eq!(trunk.next().await.method(), &Method::Ack);
        let answer = line.final_answer(&invite).await;
        line.acknowledge(&invite, &answer).await;
        line.hang_up(&invite, &answer).await;
        let bye = trunk.next().await;
        trunk.answer(&bye, 200, None).await;
        exchange.steps(call, "durable").await;
        assert_eq!(exchange.facts(call).await["outcome"], "completed");
    }

    async fn a_trunk_that_does_not_believe_the_proof_fails_the_call_and_the_phone_is_not_asked_for_any(db: Db) {
        let exchange = Exchange::open(db).await;
        let credentials = json!({ "username": "hanako", "password": "wrong" });
        let mut trunk = with_number(&exchange, json!({ "credentials": credentials })).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call).await;
        let mut guard = Verifier::new("pbx", &[Algorithm::Md5], Seed::from_number(1));
        for _ in 0..2 {
            let asked = trunk.next().await;
            trunk.challenge(&asked, &guard.challenges(Timestamp::ZERO, false)[0]).await;
            assert_eq!(trunk.next().await.method(), &Method::Ack);
        }
        assert_eq!(line.final_answer(&invite).await.status(), Some(503));
        assert_eq!(exchange.facts(call).await["outcome"], "failed");
        let steps = exchange.steps(call, "durable").await;
        let declined: Vec<_> = steps.iter().filter(|step| step["milestone"] == "declined").collect();
        assert_eq!((declined.len(), &declined[0]["detail"]), (1, &json!("407")));
        trunk.hears_nothing().await;
    }

    async fn the_trunk_with_the_lowest_priority_is_tried_first_and_the_next_one_takes_what_it_refuses(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut second = with_number(&exchange, json!({ "priority": 20 })).await;
        let mut first = exchange.further_trunk(&exchange.office.admin, json!({ "priority": 10, "max_calls": 1 })).await;
        let trunks = exchange.office.get(&exchange.office.admin, "/v1/trunks").await.body;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call).await;
        let asked = first.next().await;
        first.answer(&asked, 503, None).await;
        assert_eq!(first.next().await.method(), &Method::Ack);
        let out = second.next().await;
        take(&mut second, &out).await;
        assert_eq!(second.next().await.method(), &Method::Ack);
        let answer = line.final_answer(&invite).await;
        line.acknowledge(&invite, &answer).await;
        line.hang_up(&invite, &answer).await;
        let bye = second.next().await;
        second.answer(&bye, 200, None).await;
        let steps = exchange.steps(call, "durable").await;
        let way = steps.iter().filter(|step| ["invite_forwarded", "declined"].iter().any(|at| step["milestone"] == *at));
        let way: Vec<_> = way.map(|step| step["detail"].clone()).collect();
        assert_eq!(way, [trunks["trunks"][0]["id"].clone(), json!("503"), trunks["trunks"][1]["id"].clone()]);
        first.hears_nothing().await;
    }

    async fn a_trunk_that_is_disabled_is_not_tried(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut disabled = with_number(&exchange, json!({ "enabled": false })).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call).await;
        assert_eq!(line.final_answer(&invite).await.status(), Some(503));
        assert_eq!(exchange.facts(call).await["outcome"], "no_route");
        disabled.hears_nothing().await;
    }

    async fn a_redirection_is_not_followed(db: Db) {
        let exchange = Exchange::open(db).await;
        let mut trunk = with_number(&exchange, json!({})).await;
        let mut elsewhere = Trunk::new(trunk.edge()).await;
        let mut line = exchange.line("Suzuki").await;
        let call = new_call(&exchange);
        let invite = dial(&mut line, call).await;
        let asked = trunk.next().await;
        let moved = asked.response(302, "Moved").to_tag("far").header("Contact", elsewhere.contact());
        trunk.send(&moved.build()).await;
        assert_eq!(trunk.next().await.method(), &Method::Ack);
        assert_eq!(line.final_answer(&invite).await.status(), Some(503));
        assert_eq!(exchange.facts(call).await["outcome"], "failed");
        elsewhere.hears_nothing().await;
        trunk.hears_nothing().await;
    }
}

/// A trunk of the company, which has a number to show.
async fn with_number(exchange: &Exchange, fields: serde_json::Value) -> Trunk {
    let number = json!({ "e164": COMPANY, "route": "record_owner" });
    exchange.office.post(&exchange.office.admin, "/v1/numbers", number).await;
    exchange.further_trunk(&exchange.office.admin, fields).await
}

fn new_call(exchange: &Exchange) -> CallId {
    CallId::new(MORNING, &mut exchange.office.app.random())
}

async fn dial(line: &mut Line, call: CallId) -> Message {
    let offer = line.audio.leg.offer(&Wish::new(Security::Required));
    line.dial(call, TANAKA, offer).await
}

/// Answers an INVITE with 200.
async fn take(trunk: &mut Trunk, invite: &Message) {
    let offer = Offer::parse(&invite.body()).unwrap();
    let (sdp, _) = trunk.audio.leg.answer(&offer, &Wish::new(Security::Plain)).unwrap();
    trunk.answer(invite, 200, Some(sdp)).await;
}
