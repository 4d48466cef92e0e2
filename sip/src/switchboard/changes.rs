//! Changes of calls that talk: a re-INVITE or an UPDATE on any leg, and what is passed on to the other.
//!
//! The edge anchors media, so each leg has offers and answers of its own: a [`Session`] says when they may go out, the
//! shell makes them ([`Output::ChangeWanted`]). What one end does is passed on only if the shell says so
//! ([`Input::Renew`](super::Input::Renew)): then the other leg gets a re-INVITE of the edge's own.

mod leg;
mod perform;
mod proof;
mod silence;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Timestamp};

use super::outer::{OuterLeg, SUPPORTED};
use super::{Alarm, Call, ConnectionId, Output, Switchboard, Why};
use crate::dialog::Dialog;
use crate::message::Message;
use crate::session::{Input, Request, Response, Role, Session, Settings, Terms, Verb};
use crate::transaction::{ClientId, Ended, ServerId};
use leg::{Leg, Sent};

/// One of the two sides of a call, whoever began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The trunk.
    Outside,
    /// The device.
    Device,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Outside => Self::Device,
            Self::Device => Self::Outside,
        }
    }
}

/// A leg of a call that talks.
pub(super) type Key = (CallId, Side);

/// How a request came, and how its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In a transaction with a trunk.
    Transaction(ServerId),
    /// Over the connection of a device.
    Connection(ConnectionId),
}

/// The sessions of the calls that talk, made when something first wants to change.
#[derive(Default)]
pub(super) struct Changes {
    legs: BTreeMap<Key, Leg>,
    by_client: BTreeMap<ClientId, Key>,
    /// Legs that are to be renewed as soon as their first answer is acknowledged.
    waiting: BTreeSet<Key>,
}

impl Changes {
    /// Whether no call that lives was ever changed.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.legs.is_empty() && self.waiting.is_empty()
    }
}

impl Switchboard {
    /// Takes in a re-INVITE or an UPDATE of a leg whose dialog it belongs to.
    pub(super) fn take_leg_change(&mut self, now: Timestamp, key: Key, arrival: Arrival, request: &Message) {
        let cseq = request.cseq().number;
        if let Some(asked) = self.changes.legs.get(&key).and_then(|leg| leg.asked.get(&cseq)) {
            // Again, over another connection: the answer may have been lost with the old one.
            let answer = asked.answer.as_ref().map(|answer| answer.as_bytes().clone());
            return self.transmit_to_device_of(key, answer);
        }
        if let Some(status) = self.reason_to_refuse_change(key, request) {
            return self.refuse_change(now, arrival, request, status);
        }
        let Some(asked) = Request::of(request) else { return };
        let leg = self.session_of(now, key);
        leg.note_asked(arrival, request);
        leg.session.handle(now, Input::Requested { cseq, request: asked });
        self.act_on_change(now, key);
    }

    /// The shell made an offer or an answer for a leg.
    pub(super) fn take_change_sdp(&mut self, now: Timestamp, key: Key, sdp: Option<Bytes>) {
        self.tell_session(now, key, Input::Sdp(sdp));
    }

    /// What a leg's end may send or receive is not what it was told: it gets a new offer.
    pub(super) fn renew(&mut self, now: Timestamp, key: Key) {
        if !self.is_changeable(key) {
            return;
        }
        if !self.is_confirmed(key) {
            self.changes.waiting.insert(key);
            return;
        }
        self.session_of(now, key).session.handle(now, Input::Change);
        self.act_on_change(now, key);
    }

    /// The first answer of a leg was acknowledged.
    pub(super) fn note_confirmed(&mut self, now: Timestamp, key: Key) {
        self.watch_session(now, key);
        if self.changes.waiting.remove(&key) {
            self.renew(now, key);
        }
    }

    /// Takes in an ACK; `false` if it is not that of a re-INVITE.
    pub(super) fn take_change_ack(&mut self, now: Timestamp, key: Key, ack: &Message) -> bool {
        let cseq = ack.cseq().number;
        let is_own = self.changes.legs.get(&key).is_some_and(|leg| leg.asked.contains_key(&cseq));
        if is_own {
            let sdp = Some(ack.body()).filter(|body| !body.is_empty());
            self.tell_session(now, key, Input::Acknowledged { cseq, sdp });
        }
        is_own
    }

    /// Takes in a trunk's response; `false` if it is not to a change of the edge's own.
    pub(super) fn take_change_response(&mut self, now: Timestamp, id: ClientId, response: &Message) -> bool {
        let Some(key) = self.changes.by_client.get(&id).copied() else { return false };
        if !self.prove_change(now, key, response) {
            self.take_change_answer(now, key, response);
        }
        true
    }

    /// Takes in a device's response; `false` if it is not to a change of the edge's own.
    pub(super) fn take_device_change_response(&mut self, now: Timestamp, key: Key, response: &Message) -> bool {
        let is_own = self.changes.legs.get(&key).is_some_and(|leg| leg.has_asked(response));
        if is_own {
            self.take_change_answer(now, key, response);
        }
        is_own
    }

    /// A request to a trunk is over; `false` if it was no change.
    pub(super) fn end_change_request(&mut self, now: Timestamp, id: ClientId, ended: Ended) -> bool {
        let Some(key) = self.changes.by_client.remove(&id) else { return false };
        let verb = self.changes.legs.get_mut(&key).and_then(|leg| leg.sent.take_if(|sent| sent.client == Some(id)));
        let is_lost = matches!(ended, Ended::Timeout | Ended::FlowFailed | Ended::Full);
        if let Some(verb) = verb.filter(|_| is_lost).and_then(|sent| Verb::of(sent.request.method())) {
            self.tell_session(now, key, Input::Unanswered { verb });
        }
        true
    }

    /// Sends a device again what it has not answered.
    pub(super) fn resume_changes(&mut self, device: DeviceId) {
        let rung = self.inner.calls_of(device).into_iter().map(|call| (call, Side::Device));
        let begun = self.outbound.of_device(device).into_iter().map(|call| (call, self.outbound.side_of_origin(call)));
        for key in rung.chain(begun).collect::<Vec<_>>() {
            let is_own = self.device_at(key) == Some(device);
            let sent = self.changes.legs.get(&key).and_then(|leg| leg.sent.as_ref()).filter(|_| is_own);
            let bytes = sent.filter(|sent| !sent.is_answered).map(|sent| sent.request.as_bytes().clone());
            self.transmit_to(device, bytes);
        }
    }

    /// Does what is due for a leg.
    pub(super) fn wake_change(&mut self, now: Timestamp, key: Key) {
        self.give_up_silence(now, key);
        if let Some(leg) = self.changes.legs.get_mut(&key) {
            leg.session.handle_timeout(now);
        }
        self.act_on_change(now, key);
    }

    /// The call is over: nothing of it is changed any more.
    pub(super) fn end_changes(&mut self, now: Timestamp, call: CallId) {
        for side in [Side::Outside, Side::Device] {
            self.end_changes_of(now, (call, side));
        }
    }

    /// Nothing of a leg is changed any more.
    pub(super) fn end_changes_of(&mut self, now: Timestamp, key: Key) {
        self.tell_session(now, key, Input::Over);
        self.agenda.set(Alarm::Change(key.0, key.1), None);
        self.changes.legs.remove(&key);
        self.changes.waiting.remove(&key);
    }

    /// The device at the end of a leg; none if that is a trunk.
    pub(super) fn device_at(&self, (call, side): Key) -> Option<DeviceId> {
        match side {
            Side::Outside => self.outbound.calling_colleague(call),
            Side::Device => self.device_of(call),
        }
    }

    /// The device that talks; of two colleagues that of the one who was called.
    pub(super) fn device_of(&self, call: CallId) -> Option<DeviceId> {
        self.calls.get(&call).and_then(Call::talker).or_else(|| self.outbound.device_of(call))
    }

    fn take_change_answer(&mut self, now: Timestamp, key: Key, response: &Message) {
        let (Some(verb), Some(said)) = (Verb::of(response.method()), Response::of(response)) else { return };
        let Some(leg) = self.changes.legs.get_mut(&key) else { return };
        if leg.is_acknowledged(response) {
            return self.repeat_change_ack(now, key);
        }
        let is_final = said.status >= 200;
        if leg.sent.as_ref().is_some_and(|sent| sent.is_given_up) {
            return self.take_late_answer(now, key, response);
        }
        let is_new = leg.sent.as_mut().is_some_and(|sent| !sent.is_answered);
        if !is_new || !is_final {
            return;
        }
        if let Some(Sent { is_answered, .. }) = &mut leg.sent {
            *is_answered = true;
        }
        if said.status < 300
            && let Some(dialog) = self.dialog_with(key)
        {
            dialog.refresh_target(response);
        }
        if said.status >= 300 && verb == Verb::Invite {
            self.acknowledge_refusal(key, response);
        }
        self.tell_session(now, key, Input::Answered { verb, response: said });
    }

    fn tell_session(&mut self, now: Timestamp, key: Key, input: Input) {
        let Some(leg) = self.changes.legs.get_mut(&key) else { return };
        leg.session.handle(now, input);
        self.act_on_change(now, key);
    }

    fn reason_to_refuse_change(&mut self, key: Key, request: &Message) -> Option<u16> {
        if !self.is_changeable(key) {
            // Before the answer it comes too early, after the end there is no dialog.
            let is_early = self.calls.get(&key.0).is_some_and(Call::is_early);
            return Some(if is_early { 491 } else { 481 });
        }
        let (status, reason) = if !self.is_confirmed(key) {
            (491, "unconfirmed")
        } else if request.unsupported(SUPPORTED).next().is_some() {
            (420, "extension")
        } else if !request.body().is_empty() && !request.has_content_type("application/sdp") {
            (415, "media_type")
        } else {
            return None;
        };
        self.count(reason);
        Some(status)
    }

    pub(super) fn refuse_change(&mut self, now: Timestamp, arrival: Arrival, request: &Message, status: u16) {
        match arrival {
            Arrival::Transaction(id) => self.respond(now, id, request, status),
            Arrival::Connection(connection) => self.answer_device(connection, request, status),
        }
    }

    /// Whether the call of a leg is one that talks.
    pub(super) fn is_changeable(&self, (call, _): Key) -> bool {
        let is_inbound = self
            .device_of(call)
            .is_some_and(|device| self.calls.get(&call).is_some_and(|live| live.is_talking_on(device)));
        let target = self.transfers.target(call);
        is_inbound || self.outbound.is_talking(call) || target.is_some_and(|leg| self.outbound.is_talking(leg))
    }

    /// Whether the first answer of a leg was acknowledged.
    pub(super) fn is_confirmed(&self, (call, side): Key) -> bool {
        if self.target_at((call, side)).is_some() {
            // The edge has acknowledged it.
            return true;
        }
        match self.outer.get(&call) {
            Some(leg) => side == Side::Device || !leg.is_unacknowledged(),
            None => side != self.outbound.side_of_origin(call) || self.outbound.is_confirmed(call),
        }
    }

    /// The leg to somebody who took the place of the device.
    pub(super) fn target_at(&self, (call, side): Key) -> Option<CallId> {
        self.transfers.target(call).filter(|_| side == Side::Device)
    }

    /// The dialog of a leg.
    pub(super) fn dialog_with(&mut self, (call, side): Key) -> Option<&mut Dialog> {
        if let Some(leg) = self.target_at((call, side)) {
            return self.outbound.dialog_with(leg, Side::Outside);
        }
        let is_rung = side == Side::Device && self.outbound.is_part(call);
        if self.outbound.goes_out(call) && !is_rung {
            return self.outbound.dialog_with(call, side);
        }
        match side {
            Side::Outside if self.outbound.is_inside(call) => self.outbound.dialog_with(call, side),
            Side::Outside => self.outer.get_mut(&call).map(OuterLeg::dialog),
            Side::Device => {
                let device = self.device_of(call)?;
                self.inner.leg(device, call)?.dialog()
            }
        }
    }

    /// The leg's session, made now if nothing was ever changed on it.
    fn session_of(&mut self, now: Timestamp, key: Key) -> &mut Leg {
        let is_target = self.target_at(key).is_some();
        // Of a call that rings its own user first both ends were called.
        let was_called = is_target || self.outbound.is_part(key.0);
        let is_caller = was_called || (key.1 == Side::Outside) == self.outbound.goes_out(key.0);
        let role = if is_caller { Role::Caller } else { Role::Callee };
        let mut settings = Settings::default();
        if is_target || self.device_at(key).is_none() {
            settings.timer = self.settings.session_timer();
        }
        let terms = self.terms_of(key).cloned().unwrap_or_else(|| Terms::new(settings.timer));
        let seed = self.random.seed();
        let new = || Leg::new(Session::established(role, settings, terms, seed, now));
        self.changes.legs.entry(key).or_insert_with(new)
    }

    /// What was agreed on with the end of a leg by its first INVITE; `None` if it was not asked.
    fn terms_of(&self, key: Key) -> Option<&Terms> {
        let (call, side) = key;
        match (self.target_at(key), self.outer.get(&call)) {
            (Some(leg), _) => self.outbound.terms(leg, Side::Outside),
            (None, Some(outer)) => Some(outer.terms()).filter(|_| side == Side::Outside),
            (None, None) => self.outbound.terms(call, side),
        }
    }

    /// Has the session of a leg refreshed and watched, if it is to run out otherwise.
    pub(super) fn watch_session(&mut self, now: Timestamp, key: Key) {
        if self.is_changeable(key) && self.terms_of(key).is_some_and(Terms::is_limited) {
            self.session_of(now, key);
            self.act_on_change(now, key);
        }
    }

    pub(super) fn transmit_to_device_of(&mut self, key: Key, bytes: Option<Bytes>) {
        if let Some(device) = self.device_at(key) {
            self.transmit_to(device, bytes);
        }
    }
}
