//! The edge's side of the world: its shell, which routes, makes SDP, writes rows and pushes.

use bytes::Bytes;
use callfield_domain::{CallFacts, CallId, Outcome, Timestamp};
use callfield_sip::extension::CALL_HEADER;
use callfield_sip::message::{Message, Method, Verdict, parse};
use callfield_sip::switchboard::{
    Decision, Flow, Input, Output, PushVerdict, RingPlan, RouteQuestion, Target, Wake, WakeReport, WakeResult,
};

use super::callees::tells_the_end;
use super::{Event, World};
use crate::mutant::Mutant;
use crate::pbx::number_of;
use crate::schedule::ms;

/// The company number that rings somebody.
pub(super) const COMPANY: &str = "0350001000";

impl World {
    pub(super) fn tell_edge(&mut self, input: Input) {
        self.switchboard.handle(self.now, input);
        self.drain_edge();
    }

    pub(super) fn edge_deadline(&self) -> Option<Timestamp> {
        let deadline = self.switchboard.poll_timeout().filter(|(_, why)| !self.mutant.hides(*why)).map(|(at, _)| at);
        // Behind a hidden deadline others have waited.
        if self.mutant.hides_some() { deadline.map(|at| at.max(self.now)) } else { deadline }
    }

    pub(super) fn time_edge(&mut self) {
        if self.mutant != Mutant::SkipTimeout {
            self.switchboard.handle_timeout(self.now);
        }
        self.drain_edge();
    }

    pub(super) fn drain_edge(&mut self) {
        while let Some(output) = self.switchboard.poll_output() {
            for output in self.mutant.edge_output(output, &self.wakes) {
                self.carry_out(output);
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Transmit { flow: Flow::Udp(_), bytes } => self.send_to_pbx(&bytes),
            Output::Transmit { flow: Flow::Stream(stream), bytes } => self.send_to_phone(stream.0, bytes),
            Output::CloseConnection { connection } => self.close_from_edge(connection.0),
            Output::RouteWanted(question) => self.route(&question),
            Output::BranchOfferWanted { call, device, .. } => {
                let sdp = (!self.random.chance(2)).then(|| Bytes::from_static(b"v=edge\r\n"));
                self.answer_edge(0, 20, Input::BranchOffered { call, device, sdp });
            }
            Output::AnswerWanted { call, .. } => {
                let sdp = (!self.random.chance(3)).then(|| Bytes::from_static(b"v=edge\r\n"));
                self.answer_edge(0, 20, Input::CallerAnswer { call, sdp });
            }
            Output::OutboundRouteWanted(question) => self.route_outbound(&question),
            Output::TrunkOfferWanted { call, .. } => {
                let sdp = self.outbound_sdp();
                self.answer_edge(0, 20, Input::TrunkOffered { call, sdp });
            }
            Output::DeviceAnswerWanted { call, .. } => {
                let sdp = self.outbound_sdp();
                self.answer_edge(0, 20, Input::DeviceAnswer { call, sdp });
            }
            Output::FarOfferWanted { call, .. } => {
                let sdp = self.outbound_sdp();
                self.answer_edge(0, 20, Input::FarOffered { call, sdp });
            }
            Output::FarAnswered { call, .. } => {
                let is_joined = self.outbound_sdp().is_some();
                self.answer_edge(0, 20, Input::FarJoined { call, is_joined, renews_device: false });
            }
            Output::CredentialsWanted { login, .. } => {
                self.answer_edge(0, 20, Input::Credentials { login, account: None });
            }
            Output::ChangeWanted { call, side, offer } => {
                let sdp = (!self.random.chance(5)).then(|| Bytes::from_static(b"v=edge\r\n"));
                let renews_other = offer.is_some() && sdp.is_some();
                self.answer_edge(0, 20, Input::ChangeMade { call, side, sdp, renews_other });
            }
            Output::TransferOfferWanted { call } => {
                let sdp = self.outbound_sdp();
                self.answer_edge(0, 20, Input::TransferOffered { call, sdp });
            }
            Output::TransferAnswerWanted { call, .. } => {
                let is_joined = !self.random.chance(3);
                self.answer_edge(0, 20, Input::TransferAnswered { call, is_joined });
            }
            Output::TransferEnded { .. } | Output::ChangeAnswered { .. } => {}
            Output::CallChanged(facts) if facts.answered_at.is_some() => self.ledger.note_settled(facts.id),
            Output::CallerAccepted { .. } | Output::CallChanged(_) => {}
            Output::CallbackBegun { .. } | Output::CallbackEnded { .. } => {}
            Output::TrunkRegistration { .. } | Output::RefreshWanted { .. } | Output::Proven { .. } => {}
            Output::PushOffered { login, .. } => {
                self.answer_edge(0, 20, Input::PushStored { login, verdict: PushVerdict::Kept });
            }
            Output::MediaEnded { call } => self.ledger.note_media_ended(call),
            Output::Wake(wake) => self.push(wake),
            Output::Missed(missed) => {
                let what = format!("{} was missed", self.name_of(missed.call));
                self.trace.add(self.now, "push", &what);
            }
            Output::Persist(facts) => self.persist(facts),
            Output::Timeline { call, event } => {
                let what = format!("{:?} of {} {:?}", event.milestone, self.name_of(call), event.detail);
                self.trace.add(self.now, "edge", &what);
            }
        }
    }

    fn route(&mut self, question: &RouteQuestion) {
        let call = question.call;
        self.ledger.note_call(call);
        let caller = (0..self.calls.len()).find(|caller| number_of(*caller) == question.from);
        if let Some(caller) = caller {
            self.calls[caller] = Some(call);
        }
        let decision = if self.random.chance(3) {
            self.ledger.note_settled(call);
            Decision::Reject { status: 403, outcome: Outcome::Blocked, tenant: None }
        } else if question.to != COMPANY {
            self.ledger.note_owned(call);
            Decision::Reject { status: 404, outcome: Outcome::NoRoute, tenant: Some(self.tenant) }
        } else {
            self.ledger.note_owned(call);
            Decision::Ring(self.ring_plan(question))
        };
        self.answer_edge(0, 50, Input::Routed { call, decision });
    }

    /// Now and then a device is not yet known when the call comes.
    fn ring_plan(&mut self, question: &RouteQuestion) -> RingPlan {
        let known: Vec<bool> = self.phones.iter().map(|_| self.random.chance(90)).collect();
        let phones = self.phones.iter().zip(known).filter(|(_, is_known)| *is_known);
        let targets = phones.map(|(phone, _)| Target { device: phone.device.device, has_push: phone.has_push });
        RingPlan {
            tenant: self.tenant,
            user: self.user,
            targets: targets.collect(),
            why: "record_owner".to_owned(),
            caller: question.from.clone(),
            caller_name: Some("Tanaka Ichiro".to_owned()),
            called: question.to.clone(),
            decline: self.decline,
        }
    }

    pub(super) fn answer_edge(&mut self, from_ms: u64, to_ms: u64, input: Input) {
        let at = self.soon(from_ms, to_ms);
        self.schedule.at(at, Event::Edge(input));
    }

    fn persist(&mut self, facts: CallFacts) {
        let call = facts.id;
        self.trace.add(self.now, "edge", &format!("{} ended: {:?}", self.name_of(call), facts.outcome));
        self.ledger.note_ended(call);
        let slow = if self.random.chance(5) { 4_000 } else { 200 };
        let at = self.soon(1, slow);
        self.schedule.at(at, Event::RowWritten(facts));
        if self.mutant == Mutant::LieAboutRow {
            self.schedule.at(self.now, Event::Edge(Input::Persisted { call }));
        }
    }

    pub(super) fn write_row(&mut self, facts: CallFacts) {
        let call = facts.id;
        self.ledger.note_row(facts);
        if self.mutant != Mutant::ForgetNothing {
            self.tell_edge(Input::Persisted { call });
        }
    }

    fn push(&mut self, wake: Wake) {
        self.ledger.note_wake(wake.call);
        let (call, device, attempt) = (wake.call, wake.device, wake.attempt);
        let Some(phone) = self.phones.iter().position(|phone| phone.device.device == device) else { return };
        self.trace.add(self.now, "push", &format!("to phone {phone} for {} #{attempt}", self.name_of(call)));
        for at in self.weather.push(self.now, &mut self.random) {
            self.schedule.at(at, Event::Push { phone, call, expires_at: wake.expires_at });
        }
        for (delay_ms, result) in [(2, WakeResult::Sent), (40, WakeResult::Accepted("id".to_owned()))] {
            let at = self.now + ms(delay_ms);
            let report = WakeReport { call, device, attempt, at, result };
            self.schedule.at(at, Event::Edge(Input::WakeReported(report)));
        }
        self.wakes.push(Output::Wake(wake));
    }

    fn send_to_pbx(&mut self, bytes: &Bytes) {
        if let Verdict::Ok(message) = parse(bytes.clone()) {
            self.trace.add(self.now, "edge>pbx", &summary(&message));
            self.note_if_caller_is_told(&message);
        }
        self.trace.add_bytes(bytes);
        for at in self.weather.datagram(self.now, &mut self.random) {
            self.schedule.at(at, Event::Pbx(bytes.clone()));
        }
    }

    /// Who called, or was called, at the PBX hears of the end by a refusal, or by the answer to its BYE.
    fn note_if_caller_is_told(&mut self, message: &Message) {
        if !tells_the_end(message) {
            return;
        }
        let number = message.from().uri().ok().and_then(|uri| uri.user_decoded().map(|user| user.into_owned()));
        let caller = (0..self.calls.len()).find(|caller| Some(number_of(*caller)) == number);
        let call = caller.and_then(|caller| self.calls[caller]);
        if let Some(call) = call.or_else(|| self.call_of_callee(number.as_deref())) {
            self.ledger.note_caller_told(call);
        }
    }

    fn send_to_phone(&mut self, stream: u64, bytes: Bytes) {
        let Some(phone) = self.streams.stream(stream).map(|stream| stream.phone) else { return };
        if let Verdict::Ok(message) = parse(bytes.clone()) {
            self.trace.add(self.now, format!("edge>{phone}"), &summary(&message));
            self.note_if_phone_is_told(&message);
            let call = message.header(CALL_HEADER).and_then(|call| call.parse().ok());
            if let (&Method::Invite, true, Some(call)) = (message.method(), message.is_request(), call) {
                let branch = message.top_via().and_then(|via| via.branch().map(str::to_owned));
                self.ledger.note_invite(call, phone, &branch.unwrap_or_default());
            }
        }
        self.trace.add_bytes(&bytes);
        self.carry_to_phone(stream, phone, bytes);
    }

    /// A short name for the trace.
    pub(super) fn name_of(&self, call: CallId) -> String {
        let caller = self.calls.iter().position(|known| *known == Some(call));
        let dialled = self.dialled.iter().position(|dialled| dialled.call == call);
        let dialled = dialled.map(|number| format!("dialled call {number}"));
        caller.map(|caller| format!("call {caller}")).or(dialled).unwrap_or_else(|| "call ?".to_owned())
    }
}

/// The kind of a message.
pub(super) fn summary(message: &Message) -> String {
    match message.status() {
        Some(status) => format!("{status} to {}", message.method()),
        None => message.method().to_string(),
    }
}
