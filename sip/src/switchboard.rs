//! The edge's side: bindings, parked calls, wake, fork, two legs as one call.
//!
//! A [`Switchboard`] is a B2BUA without sockets. A call has one *outer leg* (the trunk that sent the INVITE) and an
//! *inner leg* for each device it rings. A shell feeds [`Input`]s, drains [`Output`]s and sleeps until the next deadline.
//!
//! What belongs to the shell is asked for: the route ([`Output::RouteWanted`]), the SDP bodies
//! ([`Output::BranchOfferWanted`], [`Output::AnswerWanted`], [`Output::ChangeWanted`]…) and durability ([`Output::Persist`]). Each question carries
//! the call's id and is answered by the input named in its documentation, at once or later.
//!
//! Inside, messages become events of a [`call::Call`], which alone decides, and its actions become messages:
//! `trunk` and `device` read what comes, `perform` does what a call wants, `changes` lets the two ends of a call that talks
//! change their sessions, `transfer` passes one of them on to somebody else, `registrar` keeps the bindings.

mod accounts;
mod agenda;
mod bindings;
mod call;
mod caller;
mod carrier;
mod changes;
mod desk;
mod device;
mod flow;
mod info;
mod inner;
mod input;
mod login;
mod memory;
mod outbound;
mod outer;
mod output;
mod perform;
mod push_offer;
mod refresh;
mod registrar;
mod registrations;
mod repetition;
mod settings;
mod softphone;
#[cfg(test)]
mod tests;
mod transfer;
mod trunk;
mod trunk_account;
mod trunk_registration;

pub use crate::extension::WokenCallState;
pub use crate::transaction::Transport;
pub use changes::Side;
pub use flow::{ConnectionId, DeviceIdentity, DeviceKind, Flow, Peer};
pub use input::{
    Account, CallBack, Decision, DeclinePolicy, DialPlan, Hop, Input, OutboundDecision, RingPlan, Target, WakeReport,
    WakeResult,
};
pub use output::{CallbackRefusal, Missed, OutboundQuestion, Output, RouteQuestion, Wake};
pub use push_offer::{Installation, PushOffer, PushProvider};
pub use settings::{OutboundCaps, RING_CAP, Settings};
pub use softphone::{PushVerdict, softphone_call_id};
pub use trunk_account::TrunkAccount;
pub use trunk_registration::{RegisteringTrunk, RegistrationState};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use callfield_domain::{
    CallId, DeviceId, Milestone, Random, Seed, TenantId, TimelineEvent, Timestamp, TrunkId, UserId,
};

use crate::message::StreamDecoder;
use crate::transaction::{ClientId, ServerId, Settings as TransactionSettings, Transactions};
use agenda::Agenda;
use bindings::Bindings;
use call::{Call, Event};
use changes::Changes;
use inner::{Edge, InnerLegs};
use login::Logins;
use memory::Memory;
use outbound::Outbounds;
use outer::OuterLeg;
use refresh::Refreshes;
use registrations::{RegistrationId, Registrations};
use softphone::Offers;
use transfer::Transfers;

/// Why a [`Switchboard`] wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A transaction retransmits or gives up (RFC 3261 §17).
    Transaction,
    /// A call rang long enough.
    RingLimit(CallId),
    /// A device that was pushed has not come.
    PushRetry(CallId, DeviceId),
    /// A device on a live connection has not said that it rings.
    Silence(CallId, DeviceId),
    /// The device that answered has been without a connection for too long.
    DeviceLost(CallId),
    /// A 200 was not acknowledged yet (RFC 3261 §13.3.1.4).
    AnswerRetransmit(CallId),
    /// A row is not durable yet.
    PersistLimit(CallId),
    /// A trunk has not answered an INVITE at all, and there is another one.
    TrunkSilence(CallId),
    /// A device, or the far end it called, has not confirmed the end of a call.
    Closing(CallId, DeviceId),
    /// A change of a leg, its session's timer, or what is said again until it is acknowledged.
    Change(CallId),
    /// A registration runs out.
    BindingExpiry,
    /// A softphone has to be reminded to register again.
    PushRefresh(DeviceId),
    /// A registration at a trunk must be refreshed, or is tried again.
    TrunkRegister(TrunkId),
    /// An ended call need not be remembered longer.
    Forget,
}

/// A machine inside that has a deadline of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Call(CallId),
    Outer(CallId),
    Outbound(CallId),
    Inner(DeviceId, CallId),
    Change(CallId, Side),
    Registration(RegistrationId),
    Refresh(DeviceId),
}

/// Who may have a part in calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Party {
    User(TenantId, UserId),
    Device(DeviceId),
}

/// An open stream.
struct Connection {
    peer: Peer,
    transport: Transport,
    decoder: StreamDecoder,
}

/// The edge: every trunk, every device and every call of one node.
pub struct Switchboard {
    settings: Settings,
    edge: Edge,
    random: Random,
    connections: BTreeMap<ConnectionId, Connection>,
    bindings: Bindings,
    logins: Logins,
    offers: Offers,
    refreshes: Refreshes,
    calls: BTreeMap<CallId, Call>,
    calls_of: BTreeMap<Party, BTreeSet<CallId>>,
    outer: BTreeMap<CallId, OuterLeg>,
    outer_by_name: BTreeMap<(String, String), CallId>,
    outer_by_server: BTreeMap<ServerId, CallId>,
    outer_by_bye: BTreeMap<ClientId, CallId>,
    next_client: u64,
    inner: InnerLegs,
    outbound: Outbounds,
    changes: Changes,
    transfers: Transfers,
    registrations: Registrations,
    memory: Memory,
    agenda: Agenda<Alarm, Why>,
    transactions: Transactions,
    received: u64,
    refusals: BTreeMap<&'static str, u64>,
    outputs: VecDeque<Output>,
}

impl Switchboard {
    /// A switchboard without calls. The seed makes call ids, tags and branches: nobody may guess it.
    pub fn new(settings: Settings, seed: Seed, _now: Timestamp) -> Self {
        let mut random = Random::new(seed);
        let store = TransactionSettings { sent_by: settings.udp_address.clone(), limit: settings.max_calls * 4 };
        Self {
            edge: Edge { domain: settings.domain.clone() },
            memory: Memory::new(settings.memory, settings.memory_size),
            transactions: Transactions::new(store, random.seed())
                .reached_at(Transport::Tcp, &settings.tcp_address)
                .reached_at(Transport::Tls, &settings.tls_address),
            logins: Logins::new(&settings.domain, &settings.digest, random.seed()),
            settings,
            random,
            connections: BTreeMap::new(),
            bindings: Bindings::default(),
            offers: Offers::default(),
            refreshes: Refreshes::default(),
            calls: BTreeMap::new(),
            calls_of: BTreeMap::new(),
            outer: BTreeMap::new(),
            outer_by_name: BTreeMap::new(),
            outer_by_server: BTreeMap::new(),
            outer_by_bye: BTreeMap::new(),
            next_client: 0,
            inner: InnerLegs::default(),
            outbound: Outbounds::default(),
            registrations: Registrations::default(),
            changes: Changes::default(),
            transfers: Transfers::default(),
            agenda: Agenda::new(),
            received: 0,
            refusals: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::ConnectionOpened { connection, peer, transport } => {
                let opened = Connection { peer, transport, decoder: StreamDecoder::default() };
                self.connections.insert(connection, opened);
            }
            Input::ConnectionClosed { connection } => self.close(now, connection),
            Input::Received { flow, bytes } => self.receive(now, flow, bytes),
            Input::Routed { call, decision } => self.route(now, call, decision),
            Input::BranchOffered { call, device, sdp } => self.offer(now, call, device, sdp),
            Input::CallerAnswer { call, sdp } => self.join(now, call, sdp),
            Input::Persisted { call } => {
                self.tell(now, call, Event::Persisted);
                self.note_outbound_durable(now, call);
            }
            Input::TrunksChanged { registering } => self.register_at(now, registering),
            Input::WakeReported(report) => self.note_report(report),
            Input::OutboundRouted { call, decision } => self.route_outbound(now, call, decision),
            Input::Credentials { login, account } => self.check_login(now, login, account),
            Input::PushStored { login, verdict } => self.settle_offer(now, login, verdict),
            Input::DeviceRevoked { device } => self.revoke(now, device),
            Input::TrunkOffered { call, sdp } | Input::FarOffered { call, sdp } => self.offer_to_trunk(now, call, sdp),
            Input::CallBack(wish) => self.call_back(now, *wish),
            Input::EndCallback { call, tenant, user } => self.end_callback(now, call, tenant, user),
            Input::FarJoined { call, is_joined, renews_device } => {
                self.answer_device_of(now, call, is_joined.then(Bytes::new));
                if renews_device {
                    self.renew(now, (call, Side::Device));
                }
            }
            Input::DeviceAnswer { call, sdp } => self.answer_device_of(now, call, sdp),
            Input::ChangeMade { call, side, sdp, renews_other } => {
                self.take_change_sdp(now, (call, side), sdp);
                if renews_other {
                    self.renew(now, (call, side.other()));
                }
            }
            Input::TransferOffered { call, sdp } => self.offer_to_target(now, call, sdp),
            Input::TransferAnswered { call, is_joined } => self.join_target(now, call, is_joined),
            Input::Renew { call, side } => self.renew(now, (call, side)),
        }
        self.drain_transactions(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.transactions.handle_timeout(now);
        self.drain_transactions(now);
        for device in self.bindings.expire(now) {
            self.lose_device(now, device);
        }
        self.memory.forget(now);
        for alarm in self.agenda.due(now) {
            match alarm {
                Alarm::Call(call) => self.wake_call(now, call),
                Alarm::Outer(call) => self.repeat_answer(now, call),
                Alarm::Outbound(call) => self.wake_outbound(now, call),
                Alarm::Inner(device, call) => self.drop_inner(device, call),
                Alarm::Registration(id) => self.wake_registration(now, id),
                Alarm::Refresh(device) => self.remind(now, device),
                Alarm::Change(call, side) => self.wake_change(now, (call, side)),
            }
        }
        self.drain_transactions(now);
    }

    /// The earliest deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        let transactions = self.transactions.poll_timeout().map(|(at, _)| (at, Why::Transaction));
        let bindings = self.bindings.next_expiry().map(|at| (at, Why::BindingExpiry));
        let memory = self.memory.next_deadline().map(|at| (at, Why::Forget));
        self.agenda.next().into_iter().chain(transactions).chain(bindings).chain(memory).min()
    }

    /// The next effect; to be drained to `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How `call` stands for `device`, which was woken for it (and, having asked, is on the timeline).
    ///
    /// It may wake outputs, so it is to be drained after.
    pub fn woken_call_state(&mut self, now: Timestamp, device: DeviceIdentity, call: CallId) -> WokenCallState {
        let state = self.state_for(device, call);
        if state == WokenCallState::Unknown {
            return state;
        }
        if self.calls.contains_key(&call) {
            self.tell(now, call, Event::StateAsked(device.device));
        } else {
            let milestone = Milestone::StateAsked;
            let event = TimelineEvent { at: now, milestone, device: Some(device.device), detail: None };
            self.outputs.push_back(Output::Timeline { call, event });
        }
        state
    }

    /// How many messages have come, keep-alives not among them.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// How often something was refused or dropped, by reason (`malformed`, `unknown_source`…), in the order of reasons.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.refusals.iter().map(|(reason, count)| (*reason, *count))
    }

    /// How many calls live now.
    pub fn live_calls(&self) -> usize {
        self.calls.len() + self.outbound.live()
    }

    /// How many devices are registered now.
    pub fn registered_devices(&self) -> usize {
        self.bindings.len()
    }

    fn state_for(&self, device: DeviceIdentity, call: CallId) -> WokenCallState {
        if let Some(state) = self.outbound.state(call, device) {
            return state;
        }
        match self.calls.get(&call) {
            Some(live) if live.concerns(device.tenant, device.user, device.device) => live.woken_state(device.device),
            Some(_) => WokenCallState::Unknown,
            None => self.memory.state(call, device),
        }
    }

    fn receive(&mut self, now: Timestamp, flow: Flow, bytes: Bytes) {
        let Flow::Stream(connection) = flow else { return self.receive_from_trunk(now, flow, bytes) };
        match self.connections.get(&connection).map(|open| open.peer) {
            Some(Peer::Device(identity)) => self.receive_from_device(now, connection, identity, bytes),
            Some(Peer::Trunk(_)) => self.receive_from_trunk(now, flow, bytes),
            None => {}
        }
    }

    fn close(&mut self, now: Timestamp, connection: ConnectionId) {
        let hop = self.hop_of(connection);
        match self.connections.remove(&connection).map(|open| open.peer) {
            Some(Peer::Device(identity)) => {
                let device = identity.device;
                if self.bindings.binding(device).is_some_and(|binding| binding.flow == Flow::Stream(connection)) {
                    self.bindings.unbind(device);
                    self.lose_device(now, device);
                }
            }
            Some(Peer::Trunk(_)) => {
                self.lose_trunk(now, hop);
                for device in self.bindings.at(Flow::Stream(connection)) {
                    self.bindings.unbind(device);
                    self.lose_device(now, device);
                }
            }
            None => {}
        }
    }

    fn note_report(&mut self, report: WakeReport) {
        if !self.calls.contains_key(&report.call) && !self.memory.holds(report.call) {
            return;
        }
        let (milestone, detail) = match report.result {
            WakeResult::Sent => (Milestone::PushSent, None),
            WakeResult::Accepted(id) => (Milestone::PushAccepted, Some(id)),
            WakeResult::Failed(reason) => (Milestone::PushFailed, Some(reason)),
        };
        let event = TimelineEvent { at: report.at, milestone, device: Some(report.device), detail };
        self.outputs.push_back(Output::Timeline { call: report.call, event });
    }

    fn count(&mut self, reason: &'static str) {
        *self.refusals.entry(reason).or_default() += 1;
    }
}
