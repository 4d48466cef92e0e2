//! The phone's side: registration and calls.
//!
//! An [`Agent`] is one phone without sockets. It wants one connection to the edge (SIP over WebSocket, RFC 7118) while
//! the app is in the foreground or a call lives, registers on it, and takes the calls that the edge sends. A shell feeds
//! [`Input`]s, drains [`Output`]s and sleeps until the next deadline on a clock that also runs while the phone sleeps.
//!
//! A connection is reliable but not eternal: what the edge has not answered is sent again on the next one.

mod change;
mod dial;
mod inbound;
mod input;
mod line;
mod outbound;
mod output;
mod receive;
mod registration;
#[cfg(test)]
mod tests;
mod transfer;
mod waiting;

pub use crate::extension::WokenCallState;
pub use input::Input;
pub use output::{EndReason, Output, TransferStep};

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Random, Seed, Timestamp, UserId};

use change::Change;
use dial::Dial;
use inbound::leg::Leg;
use inbound::{Action, Call, Event};
use line::{Due, Line, Wish};
use registration::{Address, Registration};
use transfer::Transfer;

/// How many ended calls are remembered for pushes and INVITEs that come late.
const MEMORY: usize = 64;
/// What a keep-alive is (RFC 5626 §4.4.1).
const PING: &[u8] = b"\r\n\r\n";

/// Who a phone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The SIP domain, as enrolment told it.
    pub domain: String,
    /// Whose phone it is.
    pub user: UserId,
    /// The installation: the SIP instance.
    pub device: DeviceId,
}

/// The SIP domain of a phone is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the SIP domain is not a host name")]
pub struct BadDomain;

/// Why an [`Agent`] wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A connection attempt took too long (5 s).
    ConnectLimit,
    /// Time to try again after a failure.
    Retry,
    /// The registration must be refreshed.
    Refresh,
    /// The connection was silent: prove that it lives.
    KeepAlive,
    /// The edge left a keep-alive or a request unanswered.
    Unanswered,
    /// A call that the user began waits for the registration.
    ReachLimit(CallId),
    /// No INVITE came for a call the phone was woken for.
    InviteWatchdog(CallId),
    /// A call rang long enough.
    RingLimit(CallId),
    /// A 200 was not acknowledged yet (RFC 3261 §13.3.1.4).
    AnswerRetransmit(CallId),
    /// A change of a call is tried again, or what is said until it is acknowledged is said again.
    Change(CallId),
    /// The edge has not confirmed the end of a call.
    Closing(CallId),
}

/// A call with its SIP, once its INVITE came.
#[derive(Debug)]
struct Entry {
    call: Call,
    leg: Option<Leg>,
    sdp: Option<Bytes>,
}

/// One phone.
pub struct Agent {
    address: Address,
    random: Random,
    line: Line,
    registration: Registration,
    is_foreground: bool,
    calls: BTreeMap<CallId, Entry>,
    dials: BTreeMap<CallId, Dial>,
    changes: BTreeMap<CallId, Change>,
    transfers: BTreeMap<CallId, Transfer>,
    ended: VecDeque<(CallId, EndReason)>,
    /// The call that the user answered, dialled or resumed last.
    turned_to: Option<CallId>,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// A phone that is asleep. The seed makes its tags and branches.
    ///
    /// # Errors
    /// When the domain of the identity cannot stand in a SIP URI.
    pub fn new(identity: &Identity, seed: Seed, _now: Timestamp) -> Result<Self, BadDomain> {
        let mut random = Random::new(seed);
        Ok(Self {
            address: Address::new(identity, &mut random).ok_or(BadDomain)?,
            registration: Registration::new(&mut random),
            random,
            line: Line::new(),
            is_foreground: false,
            calls: BTreeMap::new(),
            dials: BTreeMap::new(),
            changes: BTreeMap::new(),
            transfers: BTreeMap::new(),
            ended: VecDeque::new(),
            turned_to: None,
            outputs: VecDeque::new(),
        })
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Connected => self.connected(now),
            Input::Disconnected if self.line.is_closed() => {}
            Input::Disconnected => self.fail_line(now, None),
            Input::Received(bytes) => self.receive(now, bytes),
            Input::Register { call } => self.register(now, call),
            Input::Sleep => self.is_foreground = false,
            Input::NetworkChanged => self.change_network(now),
            Input::Dial { call, to, sdp } => self.dial(now, call, &to, sdp),
            Input::Answer { call } => {
                self.turn_to(now, call);
                self.tell(now, call, Event::Answer);
            }
            Input::AnswerSdp { call, sdp } => self.take_sdp(now, call, sdp),
            Input::Decline { call } => self.tell(now, call, Event::Decline),
            Input::HangUp { call } => {
                self.tell(now, call, Event::HangUp);
                self.tell_dial(now, call, outbound::Event::HangUp);
            }
            Input::Hold { call } => self.hold(now, call, true),
            Input::Resume { call } => {
                self.turn_to(now, call);
                self.hold(now, call, false);
            }
            Input::Swap => self.swap(now),
            Input::Transfer { call, to } => self.transfer(now, call, &to),
            Input::ChangeMade { call, sdp } => self.take_change_sdp(now, call, sdp),
            Input::StateKnown { call, state } => self.tell(now, call, Event::StateKnown(state)),
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        match self.line.handle_timeout(now) {
            Some(Due::Failed) => self.fail_line(now, None),
            Some(Due::Wish(wish)) => self.grant(wish),
            None => {}
        }
        if self.registration.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.send_register(now);
        }
        let due = self.calls.iter().filter(|(_, entry)| entry.call.poll_timeout().is_some_and(|(at, _)| at <= now));
        let due: Vec<CallId> = due.map(|(call, _)| *call).collect();
        for call in due {
            if let Some(entry) = self.calls.get_mut(&call) {
                entry.call.handle_timeout(now);
            }
            self.act(now, call);
        }
        self.wake_dials(now);
        self.wake_changes(now);
        self.settle(now);
    }

    /// The earliest deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        let calls = self.calls.values().filter_map(|entry| entry.call.poll_timeout());
        let dials = self.dials.values().filter_map(|dial| dial.call.poll_timeout());
        let changes = self.changes.iter().filter_map(|(call, change)| change.poll_timeout(*call));
        calls.chain(dials).chain(changes).chain(self.line.poll_timeout()).chain(self.registration.poll_timeout()).min()
    }

    /// The next effect; to be drained to `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the edge knows this phone now.
    pub fn is_registered(&self) -> bool {
        self.registration.is_registered()
    }

    fn register(&mut self, now: Timestamp, call: Option<CallId>) {
        let Some(call) = call else {
            self.is_foreground = true;
            return self.want_line(now);
        };
        if let Some((_, reason)) = self.ended.iter().find(|(ended, _)| *ended == call) {
            return self.outputs.push_back(Output::Ended { call, reason: *reason });
        }
        let is_new = !self.calls.contains_key(&call);
        self.entry(now, call);
        self.tell(now, call, Event::Woken);
        self.want_line(now);
        if is_new && self.line.is_open() {
            self.send_register(now);
        }
    }

    fn change_network(&mut self, now: Timestamp) {
        self.registration.lose();
        if self.needs_line() {
            let wish = self.line.restart(now);
            self.grant(wish);
        }
    }

    fn connected(&mut self, now: Timestamp) {
        if self.line.note_connected(now) {
            self.send_register(now);
        }
    }

    fn send_register(&mut self, now: Timestamp) {
        let calls: Vec<CallId> = self.calls.keys().chain(self.dials.keys()).copied().collect();
        let request = self.registration.register(&self.address, &calls, &mut self.random);
        self.line.note_asked(now);
        self.transmit(request.as_bytes().clone());
    }

    /// Gives the connection up for now.
    fn fail_line(&mut self, now: Timestamp, status: Option<u16>) {
        let retry_at = self.line.fail(now, &mut self.random);
        self.registration.lose();
        self.outputs.extend([Output::Disconnect, Output::RegistrationFailed { status, retry_at }]);
    }

    fn take_sdp(&mut self, now: Timestamp, call: CallId, sdp: Option<Bytes>) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let is_there = sdp.is_some();
        entry.sdp = sdp;
        self.tell(now, call, Event::Sdp { is_there });
    }

    fn entry(&mut self, now: Timestamp, call: CallId) -> &mut Entry {
        let new = || Entry { call: Call::new(call, now), leg: None, sdp: None };
        self.calls.entry(call).or_insert_with(new)
    }

    /// Tells one call what happened, and does what it wants.
    fn tell(&mut self, now: Timestamp, call: CallId, event: Event) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        entry.call.handle(now, event);
        self.act(now, call);
    }

    fn act(&mut self, now: Timestamp, call: CallId) {
        while let Some(action) = self.calls.get_mut(&call).and_then(|entry| entry.call.poll_output()) {
            self.perform(now, call, action);
        }
    }

    fn perform(&mut self, now: Timestamp, call: CallId, action: Action) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        match action {
            Action::AskState => self.outputs.push_back(Output::AskState { call }),
            Action::Establish => {
                self.outputs.push_back(Output::Established { call });
                self.hold_if_left(now, call);
            }
            Action::End(reason) => self.outputs.push_back(Output::Ended { call, reason }),
            Action::Ring => {
                let Some(leg) = &entry.leg else { return };
                let (from, name) = receive::caller_of(leg.invite());
                let is_waiting = self.is_waiting(call);
                self.outputs.push_back(Output::Incoming { call, from, name, is_waiting });
            }
            Action::AskSdp => {
                let Some(leg) = &entry.leg else { return };
                self.outputs.push_back(Output::AnswerWanted { call, offer: leg.invite().body() });
            }
            Action::Respond(status) => {
                let sdp = entry.sdp.take().filter(|_| status == 200);
                let bytes = entry.leg.as_mut().map(|leg| leg.respond(status, &self.address, sdp));
                self.transmit_some(bytes);
            }
            Action::Repeat => {
                let bytes = entry.leg.as_ref().and_then(Leg::unanswered);
                self.transmit_some(bytes);
            }
            Action::Bye => {
                let bytes = entry.leg.as_mut().and_then(|leg| leg.bye(&self.address, &mut self.random));
                self.line.note_asked(now);
                self.transmit_some(bytes);
            }
        }
    }

    /// Forgets calls that are gone, and closes a connection that nobody needs.
    fn settle(&mut self, now: Timestamp) {
        self.settle_changes(now);
        self.settle_transfers();
        let calls = self.calls.iter().filter(|(_, entry)| entry.call.is_gone()).map(|(call, _)| *call);
        let dials = self.dials.iter().filter(|(_, dial)| dial.call.is_gone()).map(|(call, _)| *call);
        let gone: Vec<CallId> = calls.chain(dials).collect();
        for call in gone {
            let reason = self.calls.remove(&call).and_then(|entry| entry.call.ended());
            let reason = reason.or_else(|| self.dials.remove(&call)?.call.ended());
            self.remember(call, reason.unwrap_or(EndReason::Over));
        }
        if self.needs_line() && self.line.is_closed() {
            self.want_line(now);
        } else if !self.needs_line() && !self.line.is_closed() {
            self.line.close();
            self.registration.lose();
            self.outputs.push_back(Output::Disconnect);
        }
    }

    fn remember(&mut self, call: CallId, reason: EndReason) {
        self.ended.push_back((call, reason));
        if self.ended.len() > MEMORY {
            self.ended.pop_front();
        }
    }

    fn needs_line(&self) -> bool {
        self.is_foreground || !self.calls.is_empty() || !self.dials.is_empty()
    }

    fn want_line(&mut self, now: Timestamp) {
        if let Some(wish) = self.line.want(now) {
            self.grant(wish);
        }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Connect => self.outputs.push_back(Output::Connect),
            Wish::Ping => self.transmit(Bytes::from_static(PING)),
        }
    }

    fn transmit(&mut self, bytes: Bytes) {
        if self.line.is_open() {
            self.outputs.push_back(Output::Transmit(bytes));
        }
    }

    fn transmit_some(&mut self, bytes: Option<Bytes>) {
        if let Some(bytes) = bytes {
            self.transmit(bytes);
        }
    }
}
