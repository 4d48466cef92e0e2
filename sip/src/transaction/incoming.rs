//! What comes from the network: which transaction it belongs to, and what starts a new one.

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::server::Server;
use super::server_invite::ServerInvite;
use super::step::{ClientEvent, ServerEvent};
use super::store::{Entry, Machine, Transactions, User};
use super::{Flow, Output, ServerId};
use crate::message::{Message, Method, Verdict, Via};

impl Transactions {
    pub(super) fn received(&mut self, now: Timestamp, flow: Flow, verdict: Verdict) {
        match verdict {
            Verdict::Ok(message) if message.is_request() => self.request_received(now, flow, message),
            Verdict::Ok(message) => self.response_received(now, flow, &message),
            Verdict::Answerable(message, refusal) => {
                let Some(via) = message.top_via() else { return };
                let message = with_source(message, &via, flow);
                self.answer_without_transaction(flow, &message, refusal.status, refusal.reason);
            }
            Verdict::Drop(_) => {}
        }
    }

    fn request_received(&mut self, now: Timestamp, flow: Flow, request: Message) {
        let Some(via) = request.top_via() else { return };
        let request = with_source(request, &via, flow);
        if request.method() == &Method::Ack {
            return self.ack_received(now, flow, &via, request);
        }
        if request.method() == &Method::Cancel {
            return self.cancel_received(now, flow, &via, &request);
        }
        let key = self.keys.server(&request, &via, request.method());
        if let Some(&id) = self.by_key.get(&key) {
            return self.server_event(now, id, ServerEvent::Again, None);
        }
        if self.is_full() {
            return self.answer_without_transaction(flow, &request, 503, "Too Many Transactions");
        }
        let is_invite = request.method() == &Method::Invite;
        let machine = match is_invite {
            true => Machine::ServerInvite(ServerInvite::new(flow.is_reliable())),
            false => Machine::Server(Server::new(flow.is_reliable())),
        };
        let id = self.insert(key, machine, answer_flow(flow, &via), User::Server);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.request = if is_invite { request.as_bytes().clone() } else { Bytes::new() };
        }
        self.server_event(now, id, ServerEvent::Start, Some(&request));
    }

    /// An ACK to a refusal ends here; one to a 2xx, which has a branch of its own, goes to the user.
    fn ack_received(&mut self, now: Timestamp, flow: Flow, via: &Via, request: Message) {
        let key = self.keys.server(&request, via, &Method::Invite);
        match self.by_key.get(&key) {
            Some(&id) => self.server_event(now, id, ServerEvent::Ack, Some(&request)),
            None => self.outputs.push_back(Output::Ack { flow, request }),
        }
    }

    /// CANCEL is answered 200 when its INVITE is known, else 481 (RFC 3261 §9.2).
    fn cancel_received(&mut self, now: Timestamp, flow: Flow, via: &Via, cancel: &Message) {
        let key = self.keys.server(cancel, via, &Method::Cancel);
        if let Some(&id) = self.by_key.get(&key) {
            return self.server_event(now, id, ServerEvent::Again, None);
        }
        let invite_key = self.keys.server(cancel, via, &Method::Invite);
        let invite = self.by_key.get(&invite_key).copied();
        let (status, reason) = if invite.is_some() { (200, "OK") } else { (481, "Call Does Not Exist") };
        if self.is_full() {
            self.answer_without_transaction(flow, cancel, status, reason);
        } else {
            let tag = invite.and_then(|id| self.entries.get(&id)?.to_tag());
            let tag = tag.unwrap_or_else(|| self.random.token(10));
            let machine = Machine::Server(Server::new(flow.is_reliable()));
            let id = self.insert(key, machine, answer_flow(flow, via), User::Nobody);
            let answer = cancel.response(status, reason).to_tag(&tag).build();
            self.server_event(now, id, ServerEvent::Start, None);
            self.respond(now, ServerId(id), &answer);
        }
        if let Some(id) = invite.filter(|id| self.entries.get(id).is_some_and(|entry| entry.is_ringing())) {
            self.outputs.push_back(Output::Cancelled { id: ServerId(id), cancel: cancel.clone() });
        }
    }

    /// An answer with a second Via was meant for somebody else (RFC 3261 §8.1.3.3).
    fn response_received(&mut self, now: Timestamp, flow: Flow, response: &Message) {
        let mut vias = response.vias();
        let (Some(via), None) = (vias.next(), vias.next()) else { return };
        let Some(branch) = via.branch() else { return };
        let key = self.keys.client(branch, response.method());
        let Some(&id) = self.by_key.get(&key) else {
            let is_success = response.status().is_some_and(|status| (200..300).contains(&status));
            if is_success && response.method() == &Method::Invite {
                self.outputs.push_back(Output::Stray { flow, response: response.clone() });
            }
            return;
        };
        let event = match response.status() {
            Some(100..200) => ClientEvent::Provisional,
            Some(200..300) => ClientEvent::Success,
            _ => ClientEvent::Failure,
        };
        self.client_event(now, id, event, Some(response));
    }

    fn answer_without_transaction(&mut self, flow: Flow, request: &Message, status: u16, reason: &str) {
        let Some(via) = request.top_via().filter(|_| request.method() != &Method::Ack) else { return };
        let mut answer = request.response(status, reason).to_tag(&self.random.token(10));
        match status {
            405 => answer = answer.header("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE"),
            503 => answer = answer.header("Retry-After", 5),
            _ => {}
        }
        let bytes = answer.build().as_bytes().clone();
        self.outputs.push_back(Output::Transmit { flow: answer_flow(flow, &via), bytes });
    }
}

impl Entry {
    /// The tag that the user's last answer put into To.
    fn to_tag(&self) -> Option<String> {
        (!self.stored.is_empty()).then(|| Message::reread(self.stored.clone()).to().tag().map(str::to_owned)).flatten()
    }

    /// Whether it is an INVITE that came and has no final answer.
    fn is_ringing(&self) -> bool {
        match self.machine {
            Machine::ServerInvite(machine) => machine.is_pending(),
            Machine::ClientInvite(_) | Machine::Client(_) | Machine::Server(_) => false,
        }
    }
}

/// Notes in the top Via where a datagram came from, unless Via says so itself (RFC 3261 §18.2.1, RFC 3581).
fn with_source(request: Message, via: &Via, flow: Flow) -> Message {
    match flow {
        Flow::Udp(source) if via.has_rport() || via.host().trim_matches(['[', ']']) != source.ip().to_string() => {
            request.edit().set_top_via(&via.with_source(source)).build()
        }
        Flow::Udp(_) | Flow::Connection { .. } => request,
    }
}

/// Where answers go: back over the connection, or to the source address and, without `rport`, the port in Via.
fn answer_flow(flow: Flow, via: &Via) -> Flow {
    match flow {
        Flow::Udp(mut source) if !via.has_rport() => {
            source.set_port(via.port().unwrap_or(5060));
            Flow::Udp(source)
        }
        Flow::Udp(_) | Flow::Connection { .. } => flow,
    }
}
