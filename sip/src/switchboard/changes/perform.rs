//! What the session of a leg wants done, done in SIP and asked of the shell.

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::proof;
use super::{Alarm, Arrival, Key, Leg, Output, Sent, Side, Switchboard, Why};
use crate::message::{Message, Method, RequestBuilder};
use crate::session::{End, Output as Wanted, Request, Response};
use crate::switchboard::call::Event;
use crate::switchboard::outer::{ALLOW, DEVICE_ALLOW, OuterLeg, reason};
use crate::transaction::{Flow, Input as Layer};

impl Switchboard {
    /// Does what a leg's session wants until it wants nothing more.
    pub(super) fn act_on_change(&mut self, now: Timestamp, key: Key) {
        while let Some(wanted) = self.changes.legs.get_mut(&key).and_then(|leg| leg.session.poll_output()) {
            self.perform_change(now, key, wanted);
        }
        let leg = self.changes.legs.get(&key);
        let due = leg.and_then(|leg| leg.session.poll_timeout()).map(|(at, _)| at);
        let due = due.into_iter().chain(leg.and_then(Leg::silent_at)).min();
        self.agenda.set(Alarm::Change(key.0, key.1), due.map(|at| (at, Why::Change(key.0))));
    }

    fn perform_change(&mut self, now: Timestamp, key: Key, wanted: Wanted) {
        let (call, side) = key;
        match wanted {
            Wanted::Request(request) => self.send_change(now, key, request),
            Wanted::Respond { cseq, response } => self.answer_change(now, key, cseq, response),
            Wanted::Acknowledge { sdp } => self.acknowledge_change(now, key, sdp),
            Wanted::OfferWanted => self.outputs.push_back(Output::ChangeWanted { call, side, offer: None }),
            Wanted::AnswerWanted { offer } => {
                self.outputs.push_back(Output::ChangeWanted { call, side, offer: Some(offer) });
            }
            Wanted::Agreed { answer } => {
                self.outputs.push_back(Output::ChangeAnswered { call, side, answer: Some(answer) });
            }
            Wanted::Kept { .. } => self.outputs.push_back(Output::ChangeAnswered { call, side, answer: None }),
            // The device was away: it says its request again, and the call waits for it as long as for any device.
            Wanted::Ended(End::Unacknowledged) if self.device_at(key).is_some() => drop(self.changes.legs.remove(&key)),
            Wanted::Ended(_) => self.lose_leg(now, key),
            // Of a first INVITE, which a leg that talks has behind it.
            Wanted::Invited { .. } | Wanted::Progressed { .. } | Wanted::Established | Wanted::Refused { .. } => {}
        }
    }

    fn send_change(&mut self, now: Timestamp, key: Key, wanted: Request) {
        let method = wanted.verb.method();
        let Some(start) = self.dialog_with(key).map(|dialog| dialog.request(method)) else { return };
        let start =
            self.with_via(key, start).header("Contact", self.contact_of(key)).header("Allow", self.allow_to(key));
        let start = wanted.timer.on_request(start);
        let start = wanted.sdp.into_iter().fold(start, |start, sdp| start.body("application/sdp", sdp));
        let request = start.build();
        let Some(flow) = self.flow_to(key) else {
            let bytes = request.as_bytes().clone();
            let silent_at = Some(now + super::silence::LIMIT);
            self.note_sent(key, Sent { silent_at, ..Sent::new(request, None) });
            return self.transmit_to_device_of(key, Some(bytes));
        };
        let id = self.new_client();
        self.changes.by_client.insert(id, key);
        self.note_sent(key, Sent::new(request.clone(), Some(id)));
        self.transactions.handle(now, Layer::Request { id, flow, request });
    }

    fn answer_change(&mut self, now: Timestamp, key: Key, cseq: u32, said: Response) {
        let (contact, allow) = (self.contact_of(key), self.allow_to(key));
        let Some(asked) = self.changes.legs.get_mut(&key).and_then(|leg| leg.asked.get_mut(&cseq)) else { return };
        let start = asked.request.response(said.status, reason(said.status));
        let start = if said.status < 300 {
            start.copy("Record-Route").header("Contact", contact).header("Allow", allow)
        } else {
            said.retry_after_s.iter().fold(start, |start, seconds| start.header("Retry-After", seconds))
        };
        let start = said.timer.on_response(start);
        let start = said.sdp.into_iter().fold(start, |start, sdp| start.body("application/sdp", sdp));
        // The 200 that is said again is the same one, byte for byte.
        let again = asked.answer.take().filter(|answer| answer.status() == Some(said.status));
        let response = again.unwrap_or_else(|| start.build());
        asked.answer = Some(response.clone());
        match asked.arrival {
            Arrival::Transaction(id) => self.transactions.handle(now, Layer::Respond { id, response }),
            Arrival::Connection(_) => self.transmit_to_device_of(key, Some(response.as_bytes().clone())),
        }
    }

    pub(super) fn acknowledge_change(&mut self, now: Timestamp, key: Key, sdp: Option<Bytes>) {
        let Some(invite) = self.changes.legs.get(&key).and_then(|leg| Some(leg.sent.as_ref()?.request.clone())) else {
            return;
        };
        let Some(start) = self.dialog_with(key).map(|dialog| dialog.ack(&invite)) else { return };
        let start = proof::proofs_of(&invite, self.with_via(key, start));
        let start = sdp.into_iter().fold(start, |start, sdp| start.body("application/sdp", sdp));
        if let Some(leg) = self.changes.legs.get_mut(&key) {
            leg.ack = Some(start.build());
        }
        self.repeat_change_ack(now, key);
    }

    /// Sends the last ACK, maybe again.
    pub(super) fn repeat_change_ack(&mut self, now: Timestamp, key: Key) {
        let Some(message) = self.changes.legs.get(&key).and_then(|leg| leg.ack.clone()) else { return };
        match self.flow_to(key) {
            Some(flow) => self.transactions.handle(now, Layer::Send { flow, message }),
            None => self.transmit_to_device_of(key, Some(message.as_bytes().clone())),
        }
    }

    /// The ACK of a refusal belongs to the transaction of the INVITE (RFC 3261 §17.1.1.3), which sends it itself if there is one.
    pub(super) fn acknowledge_refusal(&mut self, key: Key, response: &Message) {
        if self.flow_to(key).is_some() {
            return;
        }
        let sent = self.changes.legs.get(&key).and_then(|leg| leg.sent.as_ref());
        let ack = sent.and_then(|sent| {
            let invite = &sent.request;
            let start = RequestBuilder::new(Method::Ack, &invite.request_uri()?).via(&invite.top_via()?);
            let start = start.from(&invite.from()).to(&response.to()).call_id(invite.call_id());
            Some(start.cseq(invite.cseq().number).build().as_bytes().clone())
        });
        self.transmit_to_device_of(key, ack);
    }

    /// The end of a leg is gone, or cannot be told apart from one that is.
    fn lose_leg(&mut self, now: Timestamp, key: Key) {
        let (call, side) = key;
        if let Some(leg) = self.target_at(key) {
            return self.lose_outbound_leg(now, leg, Side::Outside);
        }
        let is_rung = side == Side::Device && self.outbound.is_part(call);
        if self.outbound.goes_out(call) && !is_rung {
            return self.lose_outbound_leg(now, call, side);
        }
        match (side, self.device_of(call)) {
            (Side::Outside, _) => self.tell(now, call, Event::CallerLost),
            (Side::Device, Some(device)) => self.tell(now, call, Event::DeviceHungUp(device)),
            (Side::Device, None) => {}
        }
    }

    pub(super) fn note_sent(&mut self, key: Key, sent: Sent) {
        if let Some(leg) = self.changes.legs.get_mut(&key) {
            leg.sent = Some(sent);
        }
    }

    /// Where a request of a leg with transactions goes; `None` for the leg of a phone on a connection of its own.
    pub(in crate::switchboard) fn flow_to(&mut self, (call, side): Key) -> Option<Flow> {
        if let Some(leg) = self.target_at((call, side)) {
            return self.outbound.reach(leg);
        }
        match side {
            Side::Outside if self.outbound.is_inside(call) => self.flow_to_desk((call, side)),
            Side::Outside => self.outer.get(&call).map(OuterLeg::reach).or_else(|| self.outbound.reach(call)),
            Side::Device => self.flow_to_desk((call, side)),
        }
    }

    fn allow_to(&self, key: Key) -> &'static str {
        if self.is_device(key) { DEVICE_ALLOW } else { ALLOW }
    }

    /// Whether the end of a leg is a device.
    fn is_device(&self, key: Key) -> bool {
        self.target_at(key).is_none() && (key.1 == Side::Device || self.device_at(key).is_some())
    }

    /// Where a device reaches the edge: a desk phone by the flow it is spoken to.
    pub(in crate::switchboard) fn contact_for_device(&self, desk: Option<Flow>) -> String {
        match desk {
            Some(flow) => format!("<{}>", self.contact_at(flow)),
            None => format!("<sip:edge@{};transport=ws>", self.settings.domain),
        }
    }

    /// The transaction layer adds the Via, where there is one.
    pub(in crate::switchboard) fn with_via(&mut self, key: Key, start: RequestBuilder) -> RequestBuilder {
        match self.flow_to(key) {
            Some(_) => start,
            None => start.header("Via", self.edge.via(&mut self.random)),
        }
    }

    pub(in crate::switchboard) fn contact_of(&mut self, key: Key) -> String {
        if self.is_device(key) {
            let desk = self.flow_to_desk(key);
            return self.contact_for_device(desk);
        }
        match self.outer.get(&key.0).filter(|_| key.1 == Side::Outside) {
            Some(leg) => format!("<{}>", leg.contact()),
            None => format!("<sip:edge@{}>", self.settings.udp_address),
        }
    }
}
