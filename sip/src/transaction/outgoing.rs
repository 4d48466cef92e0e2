//! What the user of the layer sends: requests, answers, CANCEL.

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::client::Client;
use super::client_invite::ClientInvite;
use super::step::{ClientEvent, ServerEvent};
use super::store::{Machine, Transactions, User};
use super::{ClientId, Ended, Flow, Output, ServerId, requests};
use crate::message::{Message, Method, Via};

impl Transactions {
    pub(super) fn request(&mut self, now: Timestamp, id: ClientId, flow: Flow, request: &Message) {
        if self.is_full() || self.clients.contains_key(&id) {
            return self.outputs.push_back(Output::ClientEnded { id, ended: Ended::Full });
        }
        let branch = self.branch();
        let request = self.with_via(flow, request, &branch);
        self.start(now, User::Client(id), flow, &branch, &request);
    }

    pub(super) fn send(&mut self, flow: Flow, message: &Message) {
        let branch = self.branch();
        let message = if message.is_request() { self.with_via(flow, message, &branch) } else { message.clone() };
        self.outputs.push_back(Output::Transmit { flow, bytes: message.as_bytes().clone() });
    }

    pub(super) fn cancel(&mut self, now: Timestamp, id: ClientId, reason: Option<String>) {
        let Some(&id) = self.clients.get(&id) else { return };
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.cancel_reason = reason;
        }
        self.client_event(now, id, ClientEvent::Cancelled, None);
    }

    pub(super) fn respond(&mut self, now: Timestamp, ServerId(id): ServerId, response: &Message) {
        let event = match response.status() {
            Some(100..200) => ServerEvent::Provisional,
            Some(200..300) => ServerEvent::Success,
            _ => ServerEvent::Failure,
        };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let is_taken = match entry.machine {
            Machine::ServerInvite(machine) => machine.takes(event),
            Machine::Server(machine) => machine.is_pending(),
            Machine::ClientInvite(_) | Machine::Client(_) => false,
        };
        if !is_taken {
            return;
        }
        // A copy without spare room: it is all that is left of a finished transaction.
        entry.stored = Bytes::copy_from_slice(response.as_bytes());
        entry.request = Bytes::new();
        self.server_event(now, id, event, None);
    }

    /// Sends the CANCEL of a client's INVITE in a transaction of its own with the same branch.
    pub(super) fn send_cancel(&mut self, now: Timestamp, id: u64) {
        let Some(entry) = self.entries.get(&id) else { return };
        let Some(cancel) = requests::cancel(&entry.request(), entry.cancel_reason.as_deref()) else { return };
        let Some(branch) = cancel.top_via().and_then(|via| via.branch().map(str::to_owned)) else { return };
        self.start(now, User::Nobody, entry.flow, &branch, &cancel);
    }

    fn start(&mut self, now: Timestamp, user: User, flow: Flow, branch: &str, request: &Message) {
        let is_invite = request.method() == &Method::Invite;
        let machine = match is_invite {
            true => Machine::ClientInvite(ClientInvite::new(flow.is_reliable())),
            false => Machine::Client(Client::new(flow.is_reliable())),
        };
        let key = self.keys.client(branch, request.method());
        let id = self.insert(key, machine, flow, user);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.stored = request.as_bytes().clone();
            entry.request = if is_invite { entry.stored.clone() } else { Bytes::new() };
        }
        self.client_event(now, id, ClientEvent::Start, None);
    }

    fn branch(&mut self) -> String {
        format!("{}{}", Via::MAGIC_COOKIE, self.random.token(20))
    }

    fn with_via(&self, flow: Flow, request: &Message, branch: &str) -> Message {
        let transport = flow.via_transport();
        let own = match flow {
            Flow::Udp(_) => None,
            Flow::Connection { transport, .. } => self.sent_by.get(&transport),
        };
        let sent_by = own.unwrap_or(&self.settings.sent_by);
        let via = format!("SIP/2.0/{transport} {sent_by};branch={branch};rport");
        request.edit().insert_first("Via", via).build()
    }
}
