//! A PBX that calls the edge, and is called by it, over datagrams: RFC 3261 as its transactions and dialogs do it, and nothing else.

mod callees;
mod holding;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use callfield_domain::{Random, Seed, Timestamp};
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder, parse};
use callfield_sip::transaction::{ClientId, Flow, Input, Output, ServerId, Settings, Transactions};
use callfield_sip::uri::Uri;

use callees::Callees;
use holding::Holding;

/// Where the PBX is.
pub const PBX: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9)), 5060);
/// Where the edge is.
pub const EDGE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);

/// What the PBX does or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Send this datagram to the edge.
    Transmit(Bytes),
    /// The called side answered.
    Answered(usize),
    /// The call is over, with the status if it was refused.
    Ended(usize, Option<u16>),
    /// The edge calls somebody here.
    Called(usize),
}

struct Caller {
    invite: Message,
    dialog: Option<Dialog>,
    has_given_up: bool,
    is_over: bool,
}

/// A PBX with some callers and callees.
pub struct Pbx {
    transactions: Transactions,
    random: Random,
    callers: BTreeMap<usize, Caller>,
    callees: Callees,
    holding: Holding,
    news: VecDeque<News>,
}

impl Pbx {
    /// A PBX with nobody on the phone.
    pub fn new(seed: Seed, _now: Timestamp) -> Self {
        let mut random = Random::new(seed);
        let settings = Settings { sent_by: PBX.to_string(), limit: 1_000 };
        let transactions = Transactions::new(settings, random.seed());
        Self {
            transactions,
            random,
            callers: BTreeMap::new(),
            callees: Callees::default(),
            holding: Holding::default(),
            news: VecDeque::new(),
        }
    }

    /// A caller dials a company number; a late-offer one leaves the SDP offer to the called side.
    pub fn dial(&mut self, now: Timestamp, caller: usize, to: &str, is_late_offer: bool) {
        let Some(invite) = self.invite(caller, to, is_late_offer) else { return };
        let request = Input::Request { id: invite_id(caller), flow: Flow::Udp(EDGE), request: invite.clone() };
        self.callers.insert(caller, Caller { invite, dialog: None, has_given_up: false, is_over: false });
        self.tell(now, request);
    }

    /// A caller gives up waiting; too late if the call was answered.
    pub fn give_up(&mut self, now: Timestamp, caller: usize) {
        let Some(found) = self.callers.get_mut(&caller).filter(|found| found.dialog.is_none() && !found.is_over) else {
            return;
        };
        found.has_given_up = true;
        self.tell(now, Input::Cancel { id: invite_id(caller), reason: None });
    }

    /// A caller hangs up.
    pub fn hang_up(&mut self, now: Timestamp, caller: usize) {
        let Some(found) = self.callers.get_mut(&caller).filter(|found| !found.is_over) else { return };
        let Some(dialog) = &mut found.dialog else { return };
        found.is_over = true;
        let request = dialog.request(Method::Bye).build();
        self.news.push_back(News::Ended(caller, None));
        self.tell(now, Input::Request { id: bye_id(caller), flow: Flow::Udp(EDGE), request });
    }

    /// A callee answers with a status: 180, 200 or a refusal.
    pub fn answer(&mut self, now: Timestamp, callee: usize, status: u16) {
        let answer = self.callees.answer(now, callee, status);
        self.respond(now, answer);
    }

    /// A callee hangs up.
    pub fn callee_hangs_up(&mut self, now: Timestamp, callee: usize) {
        if let Some(bye) = self.callees.hang_up(callee) {
            self.send_callee_bye(now, callee, bye);
            self.drain(now);
        }
    }

    /// A caller who talks holds the call, or resumes it.
    pub fn caller_holds(&mut self, now: Timestamp, caller: usize) {
        let found = self.callers.get_mut(&caller).filter(|found| !found.is_over);
        if let Some(dialog) = found.and_then(|found| found.dialog.as_mut()) {
            let held = self.holding.hold(dialog);
            self.send_hold(now, held);
        }
    }

    /// A callee who talks holds the call, or resumes it.
    pub fn callee_holds(&mut self, now: Timestamp, callee: usize) {
        if let Some(dialog) = self.callees.dialog(callee) {
            let held = self.holding.hold(dialog);
            self.send_hold(now, held);
        }
    }

    /// The numbers of the callees who answered and still talk.
    pub fn talking(&self) -> Vec<String> {
        self.callees.talking()
    }

    /// A datagram came from the edge.
    pub fn receive(&mut self, now: Timestamp, bytes: Bytes) {
        self.tell(now, Input::Received { flow: Flow::Udp(EDGE), verdict: parse(bytes) });
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.transactions.handle_timeout(now);
        for answer in self.callees.repeat(now).into_iter().chain(self.holding.repeat(now)) {
            self.respond(now, Some(answer));
        }
        self.drain(now);
    }

    /// The earliest deadline.
    pub fn next_at(&self) -> Option<Timestamp> {
        let transactions = self.transactions.poll_timeout().map(|(at, _)| at);
        transactions.into_iter().chain(self.callees.next_at()).chain(self.holding.next_at()).min()
    }

    /// The next thing the PBX does or tells.
    pub fn poll_output(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    fn tell(&mut self, now: Timestamp, input: Input) {
        self.transactions.handle(now, input);
        self.drain(now);
    }

    fn respond(&mut self, now: Timestamp, answer: Option<(ServerId, Message)>) {
        if let Some((id, response)) = answer {
            self.tell(now, Input::Respond { id, response });
        }
    }

    fn drain(&mut self, now: Timestamp) {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => self.news.push_back(News::Transmit(bytes)),
                Output::Response { id, response, .. } => self.take_response(now, id, &response),
                Output::Request { id, request, .. }
                    if request.method() == &Method::Invite && request.to().tag().is_some() =>
                {
                    let (id, response) = self.take_reinvite(now, id, &request);
                    self.transactions.handle(now, Input::Respond { id, response });
                }
                Output::Request { id, request, .. } if request.method() == &Method::Invite => {
                    let callee = self.callees.ring(id, &request);
                    self.news.push_back(News::Called(callee));
                }
                Output::Request { id, request, .. } => {
                    let status = self.take_request(&request);
                    let response = request.response(status, "Whatever").build();
                    self.transactions.handle(now, Input::Respond { id, response });
                }
                Output::ClientEnded { id, .. } => {
                    self.holding.end(id);
                    self.end_unanswered(id);
                }
                Output::Ack { request, .. } => {
                    if !self.holding.acknowledge(&request)
                        && let Some((callee, bye)) = self.callees.acknowledge(&request)
                    {
                        self.send_callee_bye(now, callee, bye);
                    }
                }
                Output::Cancelled { id, .. } => {
                    if let Some((id, response)) = self.callees.cancel(now, id) {
                        self.transactions.handle(now, Input::Respond { id, response });
                    }
                }
                Output::Stray { .. } | Output::ServerEnded { .. } => {}
            }
        }
    }

    fn send_hold(&mut self, now: Timestamp, held: Option<(ClientId, Message)>) {
        if let Some((id, request)) = held {
            self.tell(now, Input::Request { id, flow: Flow::Udp(EDGE), request });
        }
    }

    fn take_reinvite(&mut self, now: Timestamp, id: ServerId, invite: &Message) -> (ServerId, Message) {
        match self.dialog_of(invite).map(|dialog| dialog.take_in(invite)) {
            Some(Ok(())) => self.holding.answer(now, id, invite, &mut self.random),
            Some(Err(_)) | None => (id, invite.response(481, "Whatever").build()),
        }
    }

    /// The dialog of a call that is not over.
    fn dialog_of(&mut self, message: &Message) -> Option<&mut Dialog> {
        let callers = self.callers.values_mut().filter(|found| !found.is_over);
        let mut callers = callers.filter_map(|found| found.dialog.as_mut());
        let caller = callers.find(|dialog| dialog.call_id() == message.call_id());
        caller.or_else(|| self.callees.dialog_of(message))
    }

    fn take_response(&mut self, now: Timestamp, id: ClientId, response: &Message) {
        if let Some(invite) = self.holding.take_response(id, response.status().unwrap_or(0)) {
            let ack = self.dialog_of(response).map(|dialog| dialog.ack(&invite).build());
            if let Some(message) = ack {
                self.transactions.handle(now, Input::Send { flow: Flow::Udp(EDGE), message });
            }
        }
        let Some((caller, found)) = self.callers.iter_mut().find(|(caller, _)| invite_id(**caller) == id) else {
            return;
        };
        let caller = *caller;
        match response.status().unwrap_or(0) {
            ..200 => {}
            200..300 => {
                let is_first = found.dialog.is_none();
                let dialog = Dialog::of_caller(&found.invite, response);
                let Some(ack) = dialog.as_ref().map(|dialog| acknowledge(dialog, &found.invite)) else { return };
                if is_first {
                    found.dialog = dialog;
                    self.news.push_back(News::Answered(caller));
                }
                let was_given_up = is_first && found.has_given_up;
                self.transactions.handle(now, Input::Send { flow: Flow::Udp(EDGE), message: ack });
                if was_given_up {
                    self.hang_up(now, caller);
                }
            }
            status if !found.is_over => {
                found.is_over = true;
                self.news.push_back(News::Ended(caller, Some(status)));
            }
            _ => {}
        }
    }

    fn send_callee_bye(&mut self, now: Timestamp, callee: usize, request: Message) {
        let request = Input::Request { id: callee_bye_id(callee), flow: Flow::Udp(EDGE), request };
        self.transactions.handle(now, request);
    }

    fn take_request(&mut self, request: &Message) -> u16 {
        if request.method() != &Method::Bye {
            return 405;
        }
        if let Some(status) = self.callees.take_bye(request) {
            return status;
        }
        let found = self.callers.iter_mut().find_map(|(caller, found)| {
            let dialog = found.dialog.as_mut()?;
            dialog.take_in(request).is_ok().then_some((*caller, &mut found.is_over))
        });
        let Some((caller, is_over)) = found else { return 481 };
        if !std::mem::replace(is_over, true) {
            self.news.push_back(News::Ended(caller, None));
        }
        200
    }

    fn end_unanswered(&mut self, id: ClientId) {
        let found = self.callers.iter_mut().find(|(caller, found)| invite_id(**caller) == id && found.dialog.is_none());
        let Some((caller, found)) = found else { return };
        if !std::mem::replace(&mut found.is_over, true) {
            self.news.push_back(News::Ended(*caller, Some(408)));
        }
    }

    fn invite(&mut self, caller: usize, to: &str, is_late_offer: bool) -> Option<Message> {
        let target = Uri::sip(Some(to), "192.0.2.1", Some(5060)).ok()?;
        let from = Uri::sip(Some(&number_of(caller)), "192.0.2.9", None).ok()?;
        let invite = RequestBuilder::new(Method::Invite, &target)
            .from(&NameAddr::new(None, &from).with_tag(&self.random.token(8)))
            .to(&NameAddr::new(None, &target))
            .call_id(&format!("{}@pbx.test", self.random.token(12)))
            .cseq(1)
            .header("Contact", format!("<sip:{}@{PBX}>", number_of(caller)));
        Some(if is_late_offer { invite.build() } else { invite.body("application/sdp", "v=caller\r\n").build() })
    }
}

/// The number that a caller calls from.
pub fn number_of(caller: usize) -> String {
    format!("+8131234{caller:04}")
}

fn acknowledge(dialog: &Dialog, invite: &Message) -> Message {
    let ack = dialog.ack(invite);
    if invite.body().is_empty() { ack.body("application/sdp", "v=late\r\n").build() } else { ack.build() }
}

fn invite_id(caller: usize) -> ClientId {
    ClientId(u64::try_from(caller).unwrap_or(0) * 3)
}

fn bye_id(caller: usize) -> ClientId {
    ClientId(u64::try_from(caller).unwrap_or(0) * 3 + 1)
}

fn callee_bye_id(callee: usize) -> ClientId {
    ClientId(u64::try_from(callee).unwrap_or(0) * 3 + 2)
}
