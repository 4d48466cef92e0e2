//! The why-it-rang timeline of every way a call can end: where it stopped, and why.

use std::time::Duration;

use callfield_domain::CallId;
use callfield_media::sdp::{Offer, Security, Wish};
use callfield_server::app::edge_port::EdgeCommand;
use callfield_server::app::wake_port::{PushRequest, WakeReport, WakeRequest, WakeResult};
use callfield_sip::message::{Message, Method};
use serde_json::json;

use crate::exchange::{Desk, Exchange, Line, Trunk};
use crate::office::Phone;
use crate::testing::{self, db_test};

const COMPANY: &str = "+81350001000";
const RING_LIMIT: Duration = Duration::from_secs(45);

/// One call and those who have a part in it.
struct Scene {
    exchange: Exchange,
    trunk: Trunk,
    caller: String,
    user: String,
    invite: Option<Message>,
}

impl Scene {
    /// A customer of a new person.
    async fn new(mut exchange: Exchange, number: usize) -> Self {
        while exchange.office.wakes.try_recv().is_ok() {}
        let caller = format!("+8131234{number:04}");
        let user = exchange.office.user("Suzuki").await;
        let fields = json!({ "last_name": "Tanaka", "phones": { &caller: { "raw": &caller } } });
        exchange.office.contact(&exchange.office.admin, Some(user.parse().unwrap()), fields).await;
        let trunk = exchange.further_trunk(&exchange.office.admin, json!({})).await;
        Self { exchange, trunk, caller, user, invite: None }
    }

    /// The customer calls; the caller's 100 is taken.
    async fn dial(&mut self) {
        let offer = self.trunk.audio.leg.offer(&Wish::new(Security::Plain));
        self.invite = Some(self.trunk.dial(&self.caller, COMPANY, offer).await);
        assert_eq!(self.trunk.next().await.status(), Some(100));
    }

    async fn phone(&self) -> Phone {
        self.exchange.office.phone_of(&self.user).await
    }

    async fn line(&self) -> Line {
        Line::open(&self.exchange, self.phone().await).await
    }

    /// The next wake that push is asked for.
    async fn wake(&mut self) -> WakeRequest {
        loop {
            match self.exchange.office.wakes.recv().await.unwrap() {
                PushRequest::Wake { wake, .. } => return wake,
                PushRequest::Missed(_) | PushRequest::Remind { .. } => {}
            }
        }
    }

    /// Push tells what became of a wake.
    async fn report(&self, wake: &WakeRequest, result: WakeResult) {
        let WakeRequest { call, device, attempt, .. } = *wake;
        let report = WakeReport { call, device, attempt, at: self.exchange.office.app.now(), result };
        self.exchange.office.app.edge.send(EdgeCommand::WakeReported(report)).await.unwrap();
    }

    /// Push succeeds for a wake.
    async fn push(&mut self) -> CallId {
        let wake = self.wake().await;
        self.report(&wake, WakeResult::Sent).await;
        self.report(&wake, WakeResult::Accepted("id-1".to_owned())).await;
        wake.call
    }

    /// The pushed phone asks how the call stands.
    async fn ask(&self, phone: &Phone, call: CallId) {
        let state = self.exchange.office.get(&phone.token, &format!("/v1/calls/{call}/state")).await;
        assert_eq!(state.body, json!({ "state": "ringing" }));
    }

    async fn let_it_ring_out(&mut self) {
        self.exchange.office.app.clock.advance(RING_LIMIT);
        self.trunk_hears(480).await;
    }

    /// Waits for the final answer to the caller.
    async fn trunk_hears(&mut self, status: u16) {
        loop {
            let answer = self.trunk.next().await;
            if answer.status().is_some_and(|status| status >= 200) {
                assert_eq!(answer.status(), Some(status), "{answer:?}");
                return;
            }
        }
    }

    /// The call's outcome and its steps up to `last`.
    async fn told(&self, last: &str) -> (String, String) {
        let calls = self.exchange.office.get(&self.exchange.office.admin, "/v1/calls").await;
        let calls = calls.body["calls"].as_array().unwrap().clone();
        let call = calls.iter().find(|call| call["from"] == json!(self.caller)).unwrap();
        let id: CallId = call["id"].as_str().unwrap().parse().unwrap();
        let steps = self.exchange.steps(id, last).await;
        let steps: Vec<String> = steps
            .iter()
            .map(|step| match (step["milestone"].as_str().unwrap(), step["detail"].as_str()) {
                (name, Some(detail)) => format!("{name}({detail})"),
                (name, None) => name.to_owned(),
            })
            .collect();
        (call["outcome"].as_str().unwrap().to_owned(), steps.join(" "))
    }
}

/// What happens to a call.
#[derive(Debug, Clone, Copy)]
enum Story {
    NoDevice,
    NobodyKnowsTheCaller,
    PushFailed,
    PushedButNeverCame,
    AskedButNeverRegistered,
    RegisteredButSilent,
    RangInVain,
    Declined,
    Busy,
    DeskRefuses,
    CallerGivesUp,
    Talked,
    AnsweredElsewhere,
    ServerDied,
}

const TABLE: &[(Story, &str, &str)] = &[
    (Story::NoDevice, "missed_device_unreachable", "invited routed(record_owner) no_device durable"),
    (Story::NobodyKnowsTheCaller, "no_route", "invited routed(rejected) durable"),
    (
        Story::PushFailed,
        "missed_device_unreachable",
        "invited routed(record_owner) push_queued push_failed(fcm: UNREGISTERED (404)) ring_limit durable",
    ),
    (
        Story::PushedButNeverCame,
        "missed_device_unreachable",
        "invited routed(record_owner) push_queued push_sent push_accepted(id-1) ring_limit durable",
    ),
    (
        Story::AskedButNeverRegistered,
        "missed_device_unreachable",
        "invited routed(record_owner) push_queued push_sent push_accepted(id-1) state_asked ring_limit durable",
    ),
    (
        Story::RegisteredButSilent,
        "missed_device_unreachable",
        "invited routed(record_owner) push_queued push_sent push_accepted(id-1) state_asked registered invite_forwarded \
         ring_limit cancelled durable",
    ),
    (
        Story::RangInVain,
        "no_answer",
        "invited routed(record_owner) invite_forwarded device_ringing ring_limit cancelled durable",
    ),
    (
        Story::Declined,
        "rejected",
        "invited routed(record_owner) invite_forwarded device_ringing declined(declined) durable",
    ),
    (Story::Busy, "busy", "invited routed(record_owner) invite_forwarded declined(busy) durable"),
    (
        Story::DeskRefuses,
        "missed_device_unreachable",
        "invited routed(record_owner) invite_forwarded device_failed(480) durable",
    ),
    (
        Story::CallerGivesUp,
        "canceled",
        "invited routed(record_owner) invite_forwarded device_ringing caller_gone cancelled durable",
    ),
    (Story::Talked, "completed", "invited routed(record_owner) invite_forwarded answered hung_up(caller) durable"),
    (
        Story::AnsweredElsewhere,
        "completed",
        "invited routed(record_owner) invite_forwarded invite_forwarded answered cancelled(elsewhere) hung_up(caller) \
         durable",
    ),
    (Story::ServerDied, "failed", "invited routed(record_owner) push_queued repaired"),
];

db_test! {
    async fn the_timeline_tells_where_a_call_stopped_however_it_ended(db: Db) {
        let mut exchange = Exchange::open(db).await;
        let number = json!({ "e164": COMPANY, "route": "record_owner" });
        exchange.office.post(&exchange.office.admin, "/v1/numbers", number).await;
        for (number, (story, outcome, steps)) in TABLE.iter().enumerate() {
            let mut scene = Scene::new(exchange, number).await;
            scene.play(*story).await;
            let last = steps.rsplit(' ').next().unwrap();
            assert_eq!(scene.told(last).await, ((*outcome).to_owned(), (*steps).to_owned()), "{story:?}");
            exchange = scene.exchange;
        }
    }
}

impl Scene {
    async fn play(&mut self, story: Story) {
        match story {
            Story::NoDevice => {
                self.dial().await;
                self.trunk_hears(480).await;
            }
            Story::NobodyKnowsTheCaller => {
                self.caller = "+81399999999".to_owned();
                self.dial().await;
                self.trunk_hears(480).await;
            }
            Story::PushFailed => {
                let _phone = self.phone().await;
                self.dial().await;
                let wake = self.wake().await;
                self.report(&wake, WakeResult::Failed("fcm: UNREGISTERED (404)".to_owned())).await;
                self.let_it_ring_out().await;
            }
            Story::PushedButNeverCame => {
                let _phone = self.phone().await;
                self.dial().await;
                self.push().await;
                self.let_it_ring_out().await;
            }
            Story::AskedButNeverRegistered | Story::RegisteredButSilent => {
                let phone = self.phone().await;
                self.dial().await;
                let call = self.push().await;
                self.ask(&phone, call).await;
                let mut line = None;
                if matches!(story, Story::RegisteredButSilent) {
                    let woken = line.insert(Line::open(&self.exchange, phone).await);
                    assert_eq!(woken.next().await.method(), &Method::Invite);
                }
                self.let_it_ring_out().await;
            }
            Story::RangInVain | Story::Declined | Story::Busy | Story::CallerGivesUp => self.ring_a_phone(story).await,
            Story::DeskRefuses => {
                let mut desk = Desk::of(&self.exchange, &self.user).await;
                assert_eq!(desk.register(120).await.status(), Some(200));
                self.dial().await;
                let invite = desk.next().await;
                desk.answer(&invite, 480, None).await;
                self.trunk_hears(480).await;
            }
            Story::Talked => {
                let line = self.line().await;
                self.talk(line).await;
            }
            Story::AnsweredElsewhere => {
                let (line, mut other) = (self.line().await, self.line().await);
                self.talk(line).await;
                assert_eq!(other.next().await.method(), &Method::Invite);
                assert_eq!(other.next().await.method(), &Method::Cancel);
            }
            Story::ServerDied => {
                let _phone = self.phone().await;
                self.dial().await;
                let call = self.wake().await.call;
                self.exchange.steps(call, "push_queued").await;
                self.exchange.restart().await;
                self.exchange.steps(call, "repaired").await;
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "only some stories ring a phone")]
    async fn ring_a_phone(&mut self, story: Story) {
        let mut line = self.line().await;
        self.dial().await;
        let invite = line.next().await;
        if !matches!(story, Story::Busy) {
            line.respond(&invite, 180, None).await;
            assert_eq!(self.trunk.next().await.status(), Some(180));
        }
        match story {
            Story::Declined => {
                line.respond(&invite, 603, None).await;
                self.trunk_hears(603).await;
            }
            Story::Busy => {
                line.respond(&invite, 486, None).await;
                self.trunk_hears(486).await;
            }
            Story::CallerGivesUp => {
                let invite = self.invite.take().unwrap();
                self.trunk.cancel(&invite).await;
                self.trunk_hears_after_cancel().await;
                self.invite = Some(invite);
            }
            _ => self.let_it_ring_out().await,
        }
    }

    /// 200 to the CANCEL and 487 to the INVITE, in whatever order.
    async fn trunk_hears_after_cancel(&mut self) {
        let mut heard = [self.trunk.next().await.status(), self.trunk.next().await.status()];
        heard.sort_unstable();
        assert_eq!(heard, [Some(200), Some(487)]);
    }

    /// The phone answers, then the customer hangs up.
    async fn talk(&mut self, mut line: Line) {
        self.dial().await;
        let rings = line.next().await;
        let offer = Offer::parse(&rings.body()).unwrap();
        let (sdp, _) = line.audio.leg.answer(&offer, &Wish::new(Security::Required)).unwrap();
        line.respond(&rings, 200, Some(sdp)).await;
        let invite = self.invite.clone().unwrap();
        let answer = loop {
            let answer = self.trunk.next().await;
            if answer.status() == Some(200) {
                break answer;
            }
        };
        self.trunk.acknowledge(&invite, &answer).await;
        self.trunk.bye(&invite, &answer).await;
        assert_eq!(self.trunk.next().await.status(), Some(200));
    }
}
