//! Messages of the edge to the devices that a call rings: over a phone's connection, or in transactions to a desk phone;
//! and what comes back from desk phones.

use callfield_domain::{CallId, DeviceId, Timestamp};

use super::call::Event;
use super::inner::Carrier;
use super::outer::OuterLeg;
use super::{DeviceKind, Output, Side, Switchboard};
use crate::message::{Message, Method};
use crate::transaction::{ClientId, Ended, Flow as Hop, Input as Layer, ServerId, Transport};

impl Switchboard {
    /// What carries messages to a device, and what it is.
    pub(super) fn carrier_to(&self, device: DeviceId) -> (Carrier, DeviceKind) {
        match self.bindings.binding(device) {
            Some(binding) if binding.desk.is_some() => {
                let flow = self.hop_to(binding.flow);
                let is_secure = matches!(flow, Hop::Connection { transport: Transport::Tls, .. });
                let kind = if is_secure { DeviceKind::SecureDesk } else { DeviceKind::Desk };
                (Carrier::Transactions { flow, invite: None, bye: None }, kind)
            }
            Some(_) | None => (Carrier::Connection, DeviceKind::Phone),
        }
    }

    /// Begins the leg of a device; the shell makes its offer.
    pub(super) fn begin_leg(&mut self, device: DeviceId, call: CallId, carrier: Carrier, kind: DeviceKind) {
        self.inner.begin(device, call, carrier, kind);
        let (caller_sdp, caller_kind) = match self.outbound.offer_of_colleague(call) {
            Some((sdp, kind)) => (Some(sdp), Some(kind)),
            None => (self.outer.get(&call).and_then(OuterLeg::sdp), None),
        };
        self.outputs.push_back(Output::BranchOfferWanted { call, device, kind, caller_sdp, caller_kind });
    }

    /// Offers plain media to a desk phone that has just refused encrypted media, once; `false` if there is nothing to try.
    pub(super) fn offer_in_the_clear(&mut self, device: DeviceId, call: CallId) -> bool {
        let (carrier, kind) = self.carrier_to(device);
        let Some(leg) = self.inner.leg(device, call).filter(|leg| leg.offers_keys() && !leg.is_taken_back()) else {
            return false;
        };
        let Carrier::Transactions { invite, .. } = leg.carrier else { return false };
        if kind == DeviceKind::Phone || !self.calls.contains_key(&call) {
            return false;
        }
        // The end of the refused INVITE's transaction is not the end of the next one's.
        if let Some(id) = invite {
            self.inner.by_client.remove(&id);
        }
        self.drop_inner(device, call);
        self.begin_leg(device, call, carrier, DeviceKind::Desk);
        true
    }

    /// Sends a message of a leg by what carries it.
    pub(super) fn carry(&mut self, now: Timestamp, device: DeviceId, call: CallId, message: Option<Message>) {
        let (Some(message), Some(leg)) = (message, self.inner.leg(device, call)) else { return };
        match leg.carrier {
            Carrier::Connection => self.transmit_to(device, Some(message.as_bytes().clone())),
            Carrier::Transactions { bye: Some(id), .. } if !message.is_request() => {
                self.transactions.handle(now, Layer::Respond { id, response: message });
            }
            Carrier::Transactions { .. } if message.method() == &Method::Cancel => {
                for id in leg.invitations() {
                    let reason = message.header("Reason").map(str::to_owned);
                    self.transactions.handle(now, Layer::Cancel { id, reason });
                }
            }
            Carrier::Transactions { flow, .. } => {
                let flow = self.reach_of_desk(device, flow);
                self.transact(now, (device, call), flow, message);
            }
        }
    }

    fn transact(&mut self, now: Timestamp, (device, call): (DeviceId, CallId), flow: Hop, message: Message) {
        if message.method() == &Method::Ack {
            return self.transactions.handle(now, Layer::Send { flow, message });
        }
        let id = self.new_client();
        self.inner.by_client.insert(id, (device, call));
        if message.method() == &Method::Invite
            && let Some(leg) = self.inner.leg(device, call)
        {
            leg.carrier = Carrier::Transactions { flow, invite: Some(id), bye: None };
        }
        self.transactions.handle(now, Layer::Request { id, flow, request: message });
    }

    /// Takes in a response; `false` if it is not that of a desk phone that was rung.
    pub(super) fn take_desk_response(&mut self, now: Timestamp, id: ClientId, response: &Message) -> bool {
        let Some((device, call)) = self.inner.by_client.get(&id).copied() else { return false };
        if response.method() == &Method::Invite {
            self.take_answer(now, device, call, response);
        }
        true
    }

    /// A request to a desk phone is over; `false` if it was to nobody who was rung.
    pub(super) fn end_desk_request(&mut self, now: Timestamp, id: ClientId, ended: Ended) -> bool {
        let Some((device, call)) = self.inner.by_client.remove(&id) else { return false };
        let Some(leg) = self.inner.leg(device, call) else { return true };
        let is_invite = matches!(leg.carrier, Carrier::Transactions { invite, .. } if invite == Some(id));
        if leg.is_outdated(id) || is_invite && leg.dialog().is_some() {
            return true;
        }
        self.drop_inner(device, call);
        if is_invite {
            let status = if ended == Ended::Timeout { 408 } else { 503 };
            self.tell(now, call, Event::Unreached { device, status });
        }
        true
    }

    /// A desk phone registered while it was rung: an INVITE of which it gave no sign goes out again, to where it is now. The
    /// same one, so that a phone that got both rings once; where it was already, only once more and only if it was woken.
    pub(super) fn ring_desk_again(&mut self, now: Timestamp, device: DeviceId, has_moved: bool) {
        for call in self.inner.calls_of(device) {
            let was_woken = self.calls.get(&call).is_some_and(|live| live.was_pushed(device));
            let Some(leg) = self.inner.leg(device, call) else { continue };
            if !has_moved && (leg.was_repeated() || !was_woken) {
                continue;
            }
            let invite = leg.invite_again();
            self.carry(now, device, call, invite);
        }
    }

    /// A desk phone that was rung hangs up; `false` if the BYE belongs to none. It is answered when the row is durable.
    pub(super) fn take_desk_bye(&mut self, now: Timestamp, id: ServerId, bye: &Message) -> bool {
        let Some((device, call)) = self.desk_dialog(bye) else { return false };
        let lives = self.calls.get(&call).is_some_and(|live| live.winner() == Some(device));
        let Some(leg) = self.inner.leg(device, call) else { return false };
        if !lives {
            self.respond(now, id, bye, 200);
            self.drop_inner(device, call);
            return true;
        }
        if let Carrier::Transactions { bye, .. } = &mut leg.carrier {
            *bye = Some(id);
        }
        leg.bye_received = Some(bye.detached());
        self.tell(now, call, Event::DeviceHungUp(device));
        true
    }

    /// Where a desk phone is spoken to: where it is registered by now, else where its leg began.
    pub(super) fn reach_of_desk(&self, device: DeviceId, flow: Hop) -> Hop {
        self.bindings.binding(device).map_or(flow, |binding| self.hop_to(binding.flow))
    }

    /// Where requests on a leg of a call that talks go, if its end is a desk phone.
    pub(super) fn flow_to_desk(&mut self, key: (CallId, Side)) -> Option<Hop> {
        let device = self.device_at(key)?;
        self.flow_of_desk(key, device)
    }

    /// Where requests to a device in its dialog go, if it is a desk phone.
    pub(super) fn flow_of_desk(&mut self, (call, side): (CallId, Side), device: DeviceId) -> Option<Hop> {
        let flow = match self.inner.leg(device, call) {
            Some(leg) if side == Side::Device => leg.carrier.flow(),
            Some(_) | None => self.outbound.flow_of_desk(call),
        };
        Some(self.reach_of_desk(device, flow?))
    }

    /// The leg of a desk phone that a request in a dialog belongs to, if the phone has still a part in it.
    pub(super) fn desk_leg(&mut self, request: &Message) -> Option<(CallId, Side)> {
        let rung = self.desk_dialog(request).map(|(device, call)| (device, (call, Side::Device)));
        let rung = rung.filter(|(device, key)| self.device_at(*key) == Some(*device)).map(|(_, key)| key);
        rung.or_else(|| {
            let call = self.desk_origin_dialog(request)?;
            let key = (call, self.outbound.side_of_origin(call));
            self.device_at(key).map(|_| key)
        })
    }

    /// Takes in an ACK that is not a trunk's.
    pub(super) fn take_desk_ack(&mut self, now: Timestamp, ack: &Message) {
        match self.inner.desk_owner(ack.call_id()) {
            Some((device, call)) if self.device_of(call) == Some(device) => {
                self.take_change_ack(now, (call, Side::Device), ack);
            }
            Some(_) => {}
            None => self.take_desk_origin_ack(now, ack),
        }
    }

    /// The leg of a desk phone whose dialog a request belongs to.
    pub(super) fn desk_dialog(&mut self, request: &Message) -> Option<(DeviceId, CallId)> {
        let (device, call) = self.inner.desk_owner(request.call_id())?;
        self.inner.leg(device, call)?.dialog()?.take_in(request).ok().map(|()| (device, call))
    }
}
