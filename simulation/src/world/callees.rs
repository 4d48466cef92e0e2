//! Calls that phones begin: who dials, what the shell of the edge makes of it, and what the called do.

use bytes::Bytes;
use callfield_domain::{CallId, Outcome, Random, Seed, Timestamp, TrunkId};
use callfield_sip::agent::Input as AgentInput;
use callfield_sip::message::{Message, Method};
use callfield_sip::switchboard::{DialPlan, Hop, Input, OutboundDecision, OutboundQuestion};

use super::{Event, World};
use crate::pbx::PBX;
use crate::phone::Deed;

/// What a callee does about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CalleeDeed {
    /// Answers with this status: 180, 200 or a refusal.
    Answer(u16),
    /// Holds the call, or resumes it.
    Hold,
    /// Hangs up.
    HangUp,
}

/// A call that a phone began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialled {
    pub(super) call: CallId,
    /// The Call-ID of the phone's INVITE, once it was sent.
    call_id: String,
    /// Whom the phone calls.
    number: String,
}

impl World {
    /// Somebody takes a phone and calls.
    pub(super) fn phone_dials(&mut self, phone: usize) {
        self.resume(phone);
        let call = CallId::new(self.now, &mut self.random);
        let number = format!("+8145678{:04}", self.dialled.len());
        self.dialled.push(Dialled { call, call_id: String::new(), number: number.clone() });
        self.trace.add(self.now, format!("user {phone}"), &format!("dials {}", self.name_of(call)));
        self.ledger.note_dialled(call, phone);
        if self.random.chance(30) {
            let at = self.soon(50, 20_000);
            self.plan_deed(phone, call, Deed::HangUp, at);
        }
        self.tell_phone(phone, AgentInput::Dial { call, to: number, sdp: Bytes::from_static(b"v=phone\r\n") });
    }

    pub(super) fn route_outbound(&mut self, question: &OutboundQuestion) {
        let call = question.call;
        self.ledger.note_call(call);
        self.ledger.note_owned(call);
        let decision = if self.random.chance(5) {
            OutboundDecision::Reject { status: 403, outcome: Outcome::Blocked }
        } else {
            OutboundDecision::Dial(DialPlan {
                hops: self.hops(),
                caller: "+81350001000".to_owned(),
                called: question.to.clone(),
                why: "trunk".to_owned(),
            })
        };
        self.answer_edge(0, 50, Input::OutboundRouted { call, decision });
    }

    /// One to three trunks, which all lead to the one PBX.
    fn hops(&mut self) -> Vec<Hop> {
        let hop = |number: u64| {
            let trunk = TrunkId::new(Timestamp::ZERO, &mut Random::new(Seed::from_number(number)));
            Hop { trunk, address: PBX, max_calls: (number == 1).then_some(2), account: None }
        };
        (1..=1 + self.random.below(3)).map(hop).collect()
    }

    /// The SDP of one side of an outbound call, which now and then cannot be made.
    pub(super) fn outbound_sdp(&mut self) -> Option<Bytes> {
        (!self.random.chance(3)).then(|| Bytes::from_static(b"v=edge\r\n"))
    }

    /// The edge rings somebody at the PBX.
    pub(super) fn callee_is_rung(&mut self, callee: usize) {
        self.trace.add(self.now, "pbx", &format!("callee {callee} is called"));
        if self.random.chance(80) {
            let at = self.soon(10, 1_500);
            self.schedule.at(at, Event::Callee(callee, CalleeDeed::Answer(180)));
        }
        let deed = match self.random.below(100) {
            0..60 => CalleeDeed::Answer(200),
            60..70 => CalleeDeed::Answer(486),
            70..75 => CalleeDeed::Answer(603),
            75..85 => CalleeDeed::Answer(503),
            _ => return,
        };
        let at = self.soon(100, 40_000);
        self.schedule.at(at, Event::Callee(callee, deed));
    }

    pub(super) fn callee_acts(&mut self, callee: usize, deed: CalleeDeed) {
        self.trace.add(self.now, "pbx", &format!("callee {callee}: {deed:?}"));
        match deed {
            CalleeDeed::Answer(status) => self.pbx.answer(self.now, callee, status),
            CalleeDeed::Hold => self.pbx.callee_holds(self.now, callee),
            CalleeDeed::HangUp => self.pbx.callee_hangs_up(self.now, callee),
        }
        if deed == CalleeDeed::Answer(200) {
            // Half of them leave it to the phone.
            let at = if self.random.chance(50) { self.soon(500, 90_000) } else { self.soon(200_000, 300_000) };
            self.schedule.at(at, Event::Callee(callee, CalleeDeed::HangUp));
            for _ in 0..self.random.below(4) {
                let at = self.soon(100, 60_000);
                self.schedule.at(at, Event::Callee(callee, CalleeDeed::Hold));
            }
        }
        self.drain_pbx();
    }

    /// Remembers under which Call-ID a phone's call went out.
    pub(super) fn note_dial(&mut self, message: &Message, call: Option<CallId>) {
        let is_invite = message.is_request() && message.method() == &Method::Invite;
        let dialled = self.dialled.iter_mut().find(|dialled| Some(dialled.call) == call);
        if let Some(dialled) = dialled.filter(|_| is_invite) {
            message.call_id().clone_into(&mut dialled.call_id);
        }
    }

    /// The phone hears of the end of its call by a refusal, or by the answer to its BYE.
    pub(super) fn note_if_phone_is_told(&mut self, message: &Message) {
        let found = self.dialled.iter().find(|dialled| dialled.call_id == message.call_id());
        if let Some(call) = found.map(|dialled| dialled.call).filter(|_| tells_the_end(message)) {
            self.ledger.note_caller_told(call);
        }
    }

    /// The call in which a callee, known by their number, hears something.
    pub(super) fn call_of_callee(&self, number: Option<&str>) -> Option<CallId> {
        self.dialled.iter().find(|dialled| Some(dialled.number.as_str()) == number).map(|dialled| dialled.call)
    }
}

/// Whether a message is a refusal or the answer to a BYE: its receiver hears that the call is over.
pub(super) fn tells_the_end(message: &Message) -> bool {
    // The first INVITE of a call has the number 1: a refused re-INVITE ends nothing.
    let is_first = message.method() == &Method::Invite && message.cseq().number == 1;
    let is_refusal = is_first && message.status().is_some_and(|status| status >= 300);
    is_refusal || message.method() == &Method::Bye && message.status() == Some(200)
}
