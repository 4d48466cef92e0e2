//! Users who do not want to be rung: what they say through the API, and what callers hear.

use std::time::Duration;

use callfield_domain::CallId;
use callfield_media::sdp::{Security, Wish};
use callfield_sip::message::{Message, Method as SipMethod};
use http::StatusCode;
use serde_json::{Value, json};

use crate::exchange::{Exchange, Line, Trunk};
use crate::office::{MORNING, Office, company};
use crate::testing::{self, db_test};

const TANAKA: &str = "+81312345678";
const COMPANY: &str = "+81350001000";
/// Half an hour: the phones are still registered then.
const LATER: Duration = Duration::from_secs(1_800);

db_test! {
    async fn a_user_says_how_long_they_are_away_and_is_back_by_themselves(db: Db) {
        let office = Office::open(db).await;
        let (suzuki, sato) = (office.phone("Suzuki").await, office.phone("Sato").await);
        let path = format!("/v1/users/{}/presence", suzuki.user);
        let online = json!({ "state": "online", "until_at": null });
        assert_eq!(office.get(&sato.token, &path).await.body, online);
        let later = MORNING + LATER;
        let dnd = json!({ "state": "dnd", "until_at": later });
        let said = office.put(&suzuki.token, &path, dnd.clone()).await;
        assert_eq!((said.status, &said.body), (StatusCode::OK, &dnd));
        assert_eq!(office.get(&sato.token, &path).await.body, dnd);
        office.app.clock.advance(LATER - Duration::from_millis(1));
        assert_eq!(office.get(&office.admin, &path).await.body, dnd);
        office.app.clock.advance(Duration::from_millis(1));
        assert_eq!(office.get(&office.admin, &path).await.body, online);

        for state in ["away", "offline", "dnd", "online"] {
            let said = office.put(&office.admin, &path, json!({ "state": state })).await;
            assert_eq!((said.status, &said.body), (StatusCode::OK, &json!({ "state": state, "until_at": null })));
            assert_eq!(office.get(&suzuki.token, &path).await.body["state"], state);
        }
        let refused = async |token: &str, body: Value| {
            let answer = office.put(token, &path, body).await;
            (answer.status.as_u16(), answer.error().to_owned())
        };
        let is = |status: u16, code: &str| (status, code.to_owned());
        assert_eq!(refused(&sato.token, json!({ "state": "dnd" })).await, is(403, "forbidden"));
        let past = json!({ "state": "dnd", "until_at": later });
        assert_eq!(refused(&suzuki.token, past).await, is(422, "invalid_value"));
        let endless = json!({ "state": "online", "until_at": later + LATER });
        assert_eq!(refused(&suzuki.token, endless).await, is(422, "invalid_value"));
        assert_eq!(refused(&suzuki.token, json!({ "state": "asleep" })).await, is(422, "invalid_body"));
        let (_, other) = company(&office.app, "XYZ").await;
        assert_eq!(refused(&other, json!({ "state": "dnd" })).await, is(404, "not_found"));
        assert_eq!(office.get(&office.admin, &path).await.body, online, "nothing of that was taken");
    }

    async fn a_customer_of_a_user_who_does_not_want_to_be_rung_hears_so_and_the_timeline_says_why(db: Db) {
        let exchange = Exchange::open(db).await;
        let _first = exchange.trunk(&exchange.office.admin, COMPANY).await;
        let mut line = exchange.line("Suzuki").await;
        let fields = json!({ "last_name": "Tanaka", "phones": { TANAKA: { "raw": TANAKA } } });
        exchange.office.contact(&exchange.office.admin, Some(line.phone.user), fields).await;
        for (state, status, outcome) in [("dnd", 486, "busy"), ("offline", 480, "missed_device_unreachable")] {
            say(&exchange, &line, json!({ "state": state, "until_at": MORNING + LATER })).await;
            let mut trunk = exchange.further_trunk(&exchange.office.admin, json!({})).await;
            let offer = trunk.audio.leg.offer(&Wish::new(Security::Plain));
            let invite = trunk.dial(TANAKA, COMPANY, offer).await;
            let refusal = refusal_of(&mut trunk, &invite).await;
            assert_eq!(refusal.status(), Some(status));
            let list = exchange.office.get(&exchange.office.admin, "/v1/calls").await;
            let calls = list.body["calls"].as_array().unwrap();
            // It is on disk when the caller hears of it.
            let call = calls.iter().find(|call| call["outcome"] == outcome).unwrap();
            let call: CallId = call["id"].as_str().unwrap().parse().unwrap();
            let steps = exchange.steps(call, "durable").await;
            assert_eq!((&steps[1]["milestone"], &steps[1]["detail"]), (&json!("routed"), &json!(state)));
            let facts = exchange.facts(call).await;
            assert_eq!((&facts["outcome"], &facts["user"]), (&json!(outcome), &json!(line.phone.user)));
        }
        line.hears_nothing();
        exchange.office.app.clock.advance(LATER);
        let mut trunk = exchange.further_trunk(&exchange.office.admin, json!({})).await;
        let offer = trunk.audio.leg.offer(&Wish::new(Security::Plain));
        trunk.dial(TANAKA, COMPANY, offer).await;
        assert_eq!(line.next().await.method(), &SipMethod::Invite, "it is over by itself");
    }

    async fn a_colleague_hears_it_too_and_away_is_only_a_word(db: Db) {
        let exchange = Exchange::open(db).await;
        let (mut suzuki, mut sato) = (exchange.line("Suzuki").await, exchange.line("Sato").await);
        let to = sato.phone.user.to_string();
        say(&exchange, &sato, json!({ "state": "dnd" })).await;
        let call = CallId::new(MORNING, &mut exchange.office.app.random());
        let offer = suzuki.audio.leg.offer(&Wish::new(Security::Required));
        let invite = suzuki.dial(call, &to, offer.clone()).await;
        assert_eq!(suzuki.final_answer(&invite).await.status(), Some(486));
        assert_eq!(exchange.facts(call).await["outcome"], "busy");
        sato.hears_nothing();
        say(&exchange, &sato, json!({ "state": "away" })).await;
        let call = CallId::new(MORNING, &mut exchange.office.app.random());
        suzuki.dial(call, &to, offer).await;
        assert_eq!(sato.next().await.method(), &SipMethod::Invite);
    }
}

/// The final answer to an INVITE.
async fn refusal_of(trunk: &mut Trunk, invite: &Message) -> Message {
    loop {
        let answer = trunk.next().await;
        if answer.call_id() == invite.call_id() && answer.status() != Some(100) {
            return answer;
        }
    }
}

async fn say(exchange: &Exchange, line: &Line, presence: Value) {
    let path = format!("/v1/users/{}/presence", line.phone.user);
    assert_eq!(exchange.office.put(&line.phone.token, &path, presence).await.status, StatusCode::OK);
}
