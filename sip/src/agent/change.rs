//! Calls that change while the phone talks: the user holds and resumes, the edge offers anew.
//!
//! A [`Session`] for each such call says when an offer may go out; here it becomes SIP. As with everything else, what the
//! edge has not answered goes out again on the next connection.

use std::collections::BTreeMap;

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::inbound::leg::{Leg, reason};
use super::receive::ALLOW;
use super::{Agent, EndReason, Output, Why, inbound, outbound};
use crate::dialog::Dialog;
use crate::message::{Message, Method, RequestBuilder};
use crate::session::{End, Input, Output as Wanted, Request, Response, Role, Session, Settings, Terms, Verb};

/// How many requests of the edge are remembered, in case one comes again over another connection.
const MEMORY: usize = 4;

/// A call that has changed.
pub(super) struct Change {
    session: Session,
    /// Whether the user holds it.
    is_holding: bool,
    /// Requests of the edge, by CSeq, with what they were answered last.
    asked: BTreeMap<u32, (Message, Option<Message>)>,
    /// The last request of this phone, while it has no final answer.
    sent: Option<Message>,
    /// The last INVITE of this phone, and its ACK.
    invite: Option<Message>,
    ack: Option<Message>,
}

impl Change {
    const fn new(session: Session) -> Self {
        Self { session, is_holding: false, asked: BTreeMap::new(), sent: None, invite: None, ack: None }
    }

    /// Whether the user holds the call.
    pub(super) const fn is_holding(&self) -> bool {
        self.is_holding
    }

    pub(super) fn poll_timeout(&self, call: CallId) -> Option<(Timestamp, Why)> {
        self.session.poll_timeout().map(|(at, _)| (at, Why::Change(call)))
    }
}

impl Agent {
    /// The user holds a call, or resumes it.
    pub(super) fn hold(&mut self, now: Timestamp, call: CallId, is_holding: bool) {
        let is_held = self.changes.get(&call).is_some_and(|change| change.is_holding);
        if self.is_talking(call) && is_held != is_holding {
            self.change_of(now, call).is_holding = is_holding;
            self.tell_change(now, call, Input::Change);
        }
    }

    /// The app made an offer or an answer.
    pub(super) fn take_change_sdp(&mut self, now: Timestamp, call: CallId, sdp: Option<Bytes>) {
        self.tell_change(now, call, Input::Sdp(sdp));
    }

    /// Takes in a re-INVITE or an UPDATE.
    pub(super) fn take_change(&mut self, now: Timestamp, request: &Message) {
        let found = self.call_in_dialog(request).or_else(|| self.dial_in_dialog(request));
        let Some(call) = found else { return self.respond(request, 481) };
        if !self.is_talking(call) {
            // The ACK of the answer was lost with an older connection.
            return self.respond(request, 491);
        }
        let cseq = request.cseq().number;
        if let Some((_, answer)) = self.changes.get(&call).and_then(|change| change.asked.get(&cseq)) {
            let bytes = answer.as_ref().map(|answer| answer.as_bytes().clone());
            return self.transmit_some(bytes);
        }
        let Some(asked) = Request::of(request) else { return };
        let change = self.change_of(now, call);
        change.asked.insert(cseq, (request.detached(), None));
        if change.asked.len() > MEMORY {
            change.asked.pop_first();
        }
        self.tell_change(now, call, Input::Requested { cseq, request: asked });
    }

    /// Takes in an ACK; `false` if it is not that of a re-INVITE.
    pub(super) fn take_change_ack(&mut self, now: Timestamp, ack: &Message) -> bool {
        let cseq = ack.cseq().number;
        let is_own = |asked: &(Message, Option<Message>)| asked.0.call_id() == ack.call_id();
        let found = self.changes.iter().find(|(_, change)| change.asked.get(&cseq).is_some_and(is_own));
        let Some(call) = found.map(|(call, _)| *call) else { return false };
        let sdp = Some(ack.body()).filter(|body| !body.is_empty());
        self.tell_change(now, call, Input::Acknowledged { cseq, sdp });
        true
    }

    /// Takes in a response; `false` if it is not to a change.
    pub(super) fn take_change_response(&mut self, now: Timestamp, response: &Message) -> bool {
        let is_of = |request: &Option<Message>| {
            let own = request.as_ref().map(|request| (request.call_id(), request.cseq()));
            own == Some((response.call_id(), response.cseq()))
        };
        let found = self.changes.iter().find(|(_, change)| is_of(&change.sent) || is_of(&change.invite));
        let Some(call) = found.map(|(call, _)| *call) else { return false };
        let (Some(verb), Some(said)) = (Verb::of(response.method()), Response::of(response)) else { return true };
        let Some(change) = self.changes.get_mut(&call) else { return true };
        let is_new = is_of(&change.sent);
        if said.status >= 200 {
            change.sent.take_if(|_| is_new);
        }
        if said.status >= 300 && verb == Verb::Invite {
            let ack = ack_refusal(&change.invite, response);
            self.transmit_some(ack);
        }
        // A 2xx to INVITE comes again if its ACK was lost.
        if is_new || verb == Verb::Invite && said.status < 300 {
            self.tell_change(now, call, Input::Answered { verb, response: said });
        }
        true
    }

    /// Sends again what the edge has not answered.
    pub(super) fn repeat_changes(&mut self, now: Timestamp) {
        let unanswered = self.changes.values().filter_map(|change| change.sent.as_ref());
        let unanswered: Vec<Bytes> = unanswered.map(|request| request.as_bytes().clone()).collect();
        for bytes in unanswered {
            self.line.note_asked(now);
            self.transmit(bytes);
        }
    }

    /// Does what is due for calls that have changed.
    pub(super) fn wake_changes(&mut self, now: Timestamp) {
        let is_due = |change: &Change| change.session.poll_timeout().is_some_and(|(at, _)| at <= now);
        let due: Vec<CallId> =
            self.changes.iter().filter(|(_, change)| is_due(change)).map(|(call, _)| *call).collect();
        for call in due {
            if let Some(change) = self.changes.get_mut(&call) {
                change.session.handle_timeout(now);
            }
            self.act_on_change(now, call);
        }
    }

    /// Calls that talk no more are not changed any more.
    pub(super) fn settle_changes(&mut self, now: Timestamp) {
        let over: Vec<CallId> = self.changes.keys().copied().filter(|call| !self.is_talking(*call)).collect();
        for call in over {
            self.tell_change(now, call, Input::Over);
            self.changes.remove(&call);
        }
    }

    pub(super) fn is_talking(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|entry| entry.call.is_talking())
            || self.dials.get(&call).is_some_and(|dial| dial.call.is_talking())
    }

    fn change_of(&mut self, now: Timestamp, call: CallId) -> &mut Change {
        let role = if self.dials.contains_key(&call) { Role::Caller } else { Role::Callee };
        let (settings, seed) = (Settings::default(), self.random.seed());
        self.changes
            .entry(call)
            .or_insert_with(|| Change::new(Session::established(role, settings, Terms::new(settings.timer), seed, now)))
    }

    fn tell_change(&mut self, now: Timestamp, call: CallId, input: Input) {
        let Some(change) = self.changes.get_mut(&call) else { return };
        change.session.handle(now, input);
        self.act_on_change(now, call);
    }

    fn act_on_change(&mut self, now: Timestamp, call: CallId) {
        while let Some(wanted) = self.changes.get_mut(&call).and_then(|change| change.session.poll_output()) {
            self.perform_change(now, call, wanted);
        }
    }

    fn perform_change(&mut self, now: Timestamp, call: CallId, wanted: Wanted) {
        match wanted {
            Wanted::Request(request) => self.send_change(now, call, request),
            Wanted::Respond { cseq, response } => self.answer_change(call, cseq, response),
            Wanted::Acknowledge { sdp } => self.acknowledge_change(call, sdp),
            Wanted::OfferWanted => self.ask_for_change(call, None),
            Wanted::AnswerWanted { offer } => self.ask_for_change(call, Some(offer)),
            Wanted::Agreed { answer } => {
                self.outputs.push_back(Output::ChangeAnswered { call, answer: Some(answer) });
            }
            Wanted::Kept { .. } => self.outputs.push_back(Output::ChangeAnswered { call, answer: None }),
            // The phone was away: the edge says its request again.
            Wanted::Ended(End::Unacknowledged) => drop(self.changes.remove(&call)),
            Wanted::Ended(_) => {
                self.tell(now, call, inbound::Event::ByeReceived(EndReason::RemoteHungUp));
                self.tell_dial(now, call, outbound::Event::ByeReceived);
            }
            // Of a first INVITE, which a call that talks has behind it.
            Wanted::Invited { .. } | Wanted::Progressed { .. } | Wanted::Established | Wanted::Refused { .. } => {}
        }
    }

    fn ask_for_change(&mut self, call: CallId, offer: Option<Bytes>) {
        let is_holding = self.changes.get(&call).is_some_and(|change| change.is_holding);
        self.outputs.push_back(Output::ChangeWanted { call, offer, is_holding });
    }

    fn send_change(&mut self, now: Timestamp, call: CallId, wanted: Request) {
        let via = self.address.via(&mut self.random).0;
        let contact = self.address.contact.to_string();
        let Some(dialog) = self.dialog_of(call) else { return };
        let start = dialog.request(wanted.verb.method()).header("Via", via).header("Contact", contact);
        let start = wanted.timer.on_request(start.header("Allow", ALLOW));
        let request = wanted.sdp.into_iter().fold(start, |start, sdp| start.body("application/sdp", sdp)).build();
        let bytes = request.as_bytes().clone();
        if let Some(change) = self.changes.get_mut(&call) {
            if wanted.verb == Verb::Invite {
                change.invite = Some(request.clone());
            }
            change.sent = Some(request);
        }
        self.line.note_asked(now);
        self.transmit(bytes);
    }

    fn answer_change(&mut self, call: CallId, cseq: u32, said: Response) {
        let contact = &self.address.contact;
        let asked = self.changes.get_mut(&call).and_then(|change| change.asked.get_mut(&cseq));
        let Some((request, answer)) = asked else { return };
        let start = request.response(said.status, reason(said.status));
        let start = if said.status < 300 {
            start.copy("Record-Route").header("Contact", contact).header("Allow", ALLOW)
        } else {
            said.retry_after_s.iter().fold(start, |start, seconds| start.header("Retry-After", seconds))
        };
        let start = said.timer.on_response(start);
        let start = said.sdp.into_iter().fold(start, |start, sdp| start.body("application/sdp", sdp));
        let response = answer.get_or_insert_with(|| start.build());
        let bytes = response.as_bytes().clone();
        self.transmit(bytes);
    }

    fn acknowledge_change(&mut self, call: CallId, sdp: Option<Bytes>) {
        let via = self.address.via(&mut self.random).0;
        let Some(invite) = self.changes.get(&call).and_then(|change| change.invite.clone()) else { return };
        let known = self.changes.get(&call).and_then(|change| change.ack.clone());
        let ack = match known.filter(|ack| ack.cseq().number == invite.cseq().number) {
            Some(again) => again,
            None => {
                let Some(dialog) = self.dialog_of(call) else { return };
                let start = dialog.ack(&invite).header("Via", via);
                sdp.into_iter().fold(start, |start, sdp| start.body("application/sdp", sdp)).build()
            }
        };
        self.transmit(ack.as_bytes().clone());
        if let Some(change) = self.changes.get_mut(&call) {
            change.ack = Some(ack);
        }
    }

    pub(super) fn dialog_of(&mut self, call: CallId) -> Option<&mut Dialog> {
        if let Some(entry) = self.calls.get_mut(&call) {
            return entry.leg.as_mut().and_then(Leg::dialog);
        }
        self.dials.get_mut(&call)?.dialog()
    }
}

/// The ACK of a refusal belongs to the transaction of the INVITE (RFC 3261 §17.1.1.3).
fn ack_refusal(invite: &Option<Message>, response: &Message) -> Option<Bytes> {
    let invite = invite.as_ref()?;
    let start = RequestBuilder::new(Method::Ack, &invite.request_uri()?).via(&invite.top_via()?);
    let start = start.from(&invite.from()).to(&response.to()).call_id(invite.call_id());
    Some(start.cseq(invite.cseq().number).build().as_bytes().clone())
}
