//! The store of all live transactions: the five verbs, the clocks, and what a step of a machine does.
//!
//! Every index is a B-tree: it grows a node at a time, so that no insertion stalls, and walks in one order. The bench
//! `transactions` holds it to 5 ms and 1 kB at 100,000 live transactions.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use callfield_domain::{Random, Seed, Timestamp};

use super::client::Client;
use super::client_invite::ClientInvite;
use super::key::Keys;
use super::server::Server;
use super::server_invite::ServerInvite;
use super::step::{ClientEvent, Clock, Send, ServerEvent, Step};
use super::{ClientId, Ended, Flow, Input, Output, ServerId, Settings, Transport, Why, requests};
use crate::message::Message;

/// All live transactions of one edge or one phone.
pub struct Transactions {
    pub(super) settings: Settings,
    /// What Via says of streams, where it is not what the settings say.
    pub(super) sent_by: BTreeMap<Transport, String>,
    pub(super) random: Random,
    pub(super) keys: Keys,
    /// Boxed, because a node of the tree is half empty.
    pub(super) entries: BTreeMap<u64, Box<Entry>>,
    pub(super) by_key: BTreeMap<u128, u64>,
    pub(super) clients: BTreeMap<ClientId, u64>,
    by_flow: BTreeSet<(Flow, u64)>,
    deadlines: BTreeSet<(Timestamp, u64, Why)>,
    pub(super) outputs: VecDeque<Output>,
    next: u64,
}

/// One live transaction.
pub(super) struct Entry {
    pub(super) machine: Machine,
    /// Where the transaction's messages go.
    pub(super) flow: Flow,
    /// What a retransmission sends.
    pub(super) stored: Bytes,
    /// The INVITE, as long as an ACK, a CANCEL or a 100 may have to be made of it; then empty. Only its bytes: the table
    /// of a message that was read is larger than the message.
    pub(super) request: Bytes,
    pub(super) user: User,
    pub(super) cancel_reason: Option<String>,
    key: u128,
    repeat: Option<(Timestamp, Why)>,
    end: Option<(Timestamp, Why)>,
}

#[derive(Clone, Copy)]
pub(super) enum Machine {
    ClientInvite(ClientInvite),
    Client(Client),
    ServerInvite(ServerInvite),
    Server(Server),
}

/// Who hears of a transaction.
#[derive(Clone, Copy)]
pub(super) enum User {
    Client(ClientId),
    Server,
    /// A CANCEL, which is this layer's own business.
    Nobody,
}

impl Transactions {
    /// An empty store.
    pub fn new(settings: Settings, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let keys = Keys::new(&mut random);
        Self {
            settings,
            sent_by: BTreeMap::new(),
            random,
            keys,
            entries: BTreeMap::new(),
            by_key: BTreeMap::new(),
            clients: BTreeMap::new(),
            by_flow: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            next: 0,
        }
    }

    /// The same store, whose requests over `transport` name `sent_by` (`host:port`) in their Via.
    #[must_use]
    pub fn reached_at(mut self, transport: Transport, sent_by: &str) -> Self {
        self.sent_by.insert(transport, sent_by.to_owned());
        self
    }

    /// Something happened; [`Transactions::poll_output`] tells what follows.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Received { flow, verdict } => self.received(now, flow, verdict),
            Input::Request { id, flow, request } => self.request(now, id, flow, &request),
            Input::Send { flow, message } => self.send(flow, &message),
            Input::Cancel { id, reason } => self.cancel(now, id, reason),
            Input::Respond { id, response } => self.respond(now, id, &response),
            Input::FlowFailed { flow } => self.flow_failed(flow),
        }
    }

    /// Does all that is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(&(at, id, why)) = self.deadlines.first() {
            if at > now {
                return;
            }
            self.deadlines.pop_first();
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            for clock in [&mut entry.repeat, &mut entry.end] {
                if *clock == Some((at, why)) {
                    *clock = None;
                }
            }
            let step = match &mut entry.machine {
                Machine::ClientInvite(machine) => machine.handle(ClientEvent::Due(why)),
                Machine::Client(machine) => machine.handle(ClientEvent::Due(why)),
                Machine::ServerInvite(machine) => machine.handle(ServerEvent::Due(why)),
                Machine::Server(machine) => machine.handle(ServerEvent::Due(why)),
            };
            self.apply(now, id, step, None);
        }
    }

    /// When [`Transactions::handle_timeout`] must be called next, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        self.deadlines.first().map(|(at, _, why)| (*at, *why))
    }

    /// The next thing to do; to be called until `None` after each other verb.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many transactions are live.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no transaction is live.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.settings.limit
    }

    /// Stores a new transaction.
    pub(super) fn insert(&mut self, key: u128, machine: Machine, flow: Flow, user: User) -> u64 {
        let id = self.next;
        self.next += 1;
        let entry = Entry {
            machine,
            flow,
            stored: Bytes::new(),
            request: Bytes::new(),
            user,
            cancel_reason: None,
            key,
            repeat: None,
            end: None,
        };
        self.entries.insert(id, Box::new(entry));
        self.by_key.insert(key, id);
        self.by_flow.insert((flow, id));
        if let User::Client(client) = user {
            self.clients.insert(client, id);
        }
        id
    }

    /// Lets a client's machine hear an event; `message` is the answer that made it.
    pub(super) fn client_event(&mut self, now: Timestamp, id: u64, event: ClientEvent, message: Option<&Message>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let step = match &mut entry.machine {
            Machine::ClientInvite(machine) => machine.handle(event),
            Machine::Client(machine) => machine.handle(event),
            Machine::ServerInvite(_) | Machine::Server(_) => return,
        };
        self.apply(now, id, step, message);
    }

    /// Lets a server's machine hear an event; `message` is the request that made it.
    pub(super) fn server_event(&mut self, now: Timestamp, id: u64, event: ServerEvent, message: Option<&Message>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let step = match &mut entry.machine {
            Machine::ServerInvite(machine) => machine.handle(event),
            Machine::Server(machine) => machine.handle(event),
            Machine::ClientInvite(_) | Machine::Client(_) => return,
        };
        self.apply(now, id, step, message);
    }

    fn apply(&mut self, now: Timestamp, id: u64, step: Step, message: Option<&Message>) {
        self.transmit(now, id, step.send, message);
        if let Some(message) = message.filter(|_| step.deliver) {
            self.deliver(id, message);
        }
        self.set_clock(now, id, step.repeat, |entry| &mut entry.repeat);
        self.set_clock(now, id, step.end, |entry| &mut entry.end);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.forget_what_is_over();
        }
        if let Some(ended) = step.ended {
            self.end(id, ended);
        }
    }

    fn transmit(&mut self, now: Timestamp, id: u64, send: Send, message: Option<&Message>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        match send {
            Send::Nothing => return,
            Send::Cancel => return self.send_cancel(now, id),
            Send::Ack => {
                let ack = message.and_then(|refusal| requests::ack(&entry.request(), refusal));
                entry.stored = ack.unwrap_or_default();
            }
            Send::Trying => {
                entry.stored = requests::trying(&entry.request());
                entry.request = Bytes::new();
            }
            Send::Stored => {}
        }
        if !entry.stored.is_empty() {
            let (flow, bytes) = (entry.flow, entry.stored.clone());
            self.outputs.push_back(Output::Transmit { flow, bytes });
        }
    }

    fn deliver(&mut self, id: u64, message: &Message) {
        let Some(entry) = self.entries.get(&id) else { return };
        let (flow, message) = (entry.flow, message.clone());
        let output = match entry.user {
            User::Client(id) => Output::Response { id, flow, response: message },
            User::Server if message.method() == &crate::message::Method::Ack => Output::Ack { flow, request: message },
            User::Server => Output::Request { id: ServerId(id), flow, request: message },
            User::Nobody => return,
        };
        self.outputs.push_back(output);
    }

    fn set_clock(
        &mut self,
        now: Timestamp,
        id: u64,
        clock: Clock,
        which: impl Fn(&mut Entry) -> &mut Option<(Timestamp, Why)>,
    ) {
        let new = match clock {
            Clock::Keep => return,
            Clock::Stop => None,
            Clock::In(delay, why) => Some((now + delay, why)),
        };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let Some((at, why)) = std::mem::replace(which(entry), new) {
            self.deadlines.remove(&(at, id, why));
        }
        if let Some((at, why)) = new {
            self.deadlines.insert((at, id, why));
        }
    }

    /// Removes a transaction and tells its user.
    fn end(&mut self, id: u64, ended: Ended) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.by_key.remove(&entry.key);
        self.by_flow.remove(&(entry.flow, id));
        for (at, why) in [entry.repeat, entry.end].into_iter().flatten() {
            self.deadlines.remove(&(at, id, why));
        }
        match entry.user {
            User::Client(id) => {
                self.clients.remove(&id);
                self.outputs.push_back(Output::ClientEnded { id, ended });
            }
            User::Server => self.outputs.push_back(Output::ServerEnded { id: ServerId(id), ended }),
            User::Nobody => {}
        }
    }

    fn flow_failed(&mut self, flow: Flow) {
        let ids: Vec<u64> = self.by_flow.range((flow, 0)..=(flow, u64::MAX)).map(|(_, id)| *id).collect();
        for id in ids {
            self.end(id, Ended::FlowFailed);
        }
    }
}

impl Entry {
    /// The INVITE that is kept as bytes.
    pub(super) fn request(&self) -> Message {
        Message::reread(self.request.clone())
    }

    /// A transaction that only absorbs keeps neither its request nor bytes that nobody will ask for.
    fn forget_what_is_over(&mut self) {
        match self.machine {
            Machine::ClientInvite(machine) if !machine.is_pending() => {
                self.request = Bytes::new();
                if machine.is_accepted() {
                    self.stored = Bytes::new();
                }
            }
            Machine::Client(machine) if !machine.is_pending() => self.stored = Bytes::new(),
            Machine::ClientInvite(_) | Machine::Client(_) | Machine::ServerInvite(_) | Machine::Server(_) => {}
        }
    }
}
