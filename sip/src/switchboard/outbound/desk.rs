//! Calls that a desk phone begins: every INVITE is proven by digest, and its leg is carried by transactions.

use callfield_domain::{CallId, DeviceId, Timestamp};

use super::call::Event;
use super::{Asked, Origin, Outbounds};
use crate::digest::Credentials;
use crate::message::{Message, Method};
use crate::switchboard::outer::name_of;
use crate::switchboard::repetition::Repetition;
use crate::switchboard::trunk::flow_of;
use crate::switchboard::{Account, Switchboard};
use crate::transaction::{Flow as Hop, Input as Layer, ServerId};

/// What carries the leg of a desk phone that calls.
#[derive(Debug)]
pub(super) struct DeskSide {
    /// Where the INVITE came from.
    flow: Hop,
    /// The transaction of the INVITE.
    pub(super) server: ServerId,
    /// Where the edge is reached.
    pub(super) contact: String,
    /// The 200, until its ACK.
    pub(super) repetition: Option<Repetition>,
    /// Whether a BYE waits for the ACK.
    pub(super) wants_bye: bool,
    /// The transaction of the phone's BYE.
    bye: Option<ServerId>,
}

impl Outbounds {
    /// Where the INVITE of a desk phone came from.
    pub(in crate::switchboard) fn flow_of_desk(&self, call: CallId) -> Option<Hop> {
        self.calls.get(&call)?.origin.as_ref()?.desk.as_ref().map(|desk| desk.flow)
    }
}

impl Switchboard {
    /// Whether an INVITE has to be proven by digest: it says so itself, or it comes from where its sender is registered.
    pub(in crate::switchboard) fn is_from_desk(&self, flow: Hop, invite: &Message) -> bool {
        let from = invite.from().uri();
        let user = from.as_ref().ok().and_then(|uri| uri.user_decoded()).unwrap_or_default();
        let devices = self.bindings.at(flow_of(flow));
        let mut users = devices.into_iter().filter_map(|device| self.bindings.binding(device)?.desk.as_deref());
        Credentials::find(invite, &self.settings.domain).is_some() || users.any(|desk| desk == user)
    }

    /// Takes in an INVITE whose sender is proven.
    pub(in crate::switchboard) fn take_desk_invite(
        &mut self,
        now: Timestamp,
        id: ServerId,
        flow: Hop,
        account: &Account,
        invite: &Message,
    ) {
        let device = account.identity.device;
        if self.outbound.by_origin.contains_key(&(device, invite.call_id().to_owned())) {
            self.count("merged");
            return self.respond(now, id, invite, 482);
        }
        let is_registered = self.bindings.binding(device).is_some();
        if let Some(status) = self.reason_to_refuse_caller(is_registered, invite) {
            return self.respond(now, id, invite, status);
        }
        let contact = self.contact_for(flow, invite);
        let desk = DeskSide { flow, server: id, contact, repetition: None, wants_bye: false, bye: None };
        let Some(origin) = Origin::new(invite, self.random.token(16), Some(desk)) else {
            return self.respond(now, id, invite, 400);
        };
        let call = CallId::new(now, &mut self.random);
        self.outbound.by_server.insert(id, call);
        self.outbound.desks.insert(name_of(invite), device);
        self.begin_outbound(now, call, account.identity, origin, invite);
    }

    /// Sends a message of a leg by what carries it.
    pub(super) fn carry_to_origin(&mut self, now: Timestamp, call: CallId, message: Option<Message>) {
        let (Some(message), Some(outbound)) = (message, self.outbound.calls.get(&call)) else { return };
        let device = outbound.call.device().device;
        let Some(origin) = &outbound.origin else { return };
        let Some(desk) = &origin.desk else {
            return self.transmit_to(device, Some(message.as_bytes().clone()));
        };
        let (flow, server, bye) = (desk.flow, desk.server, desk.bye);
        if message.is_request() {
            let flow = self.reach_of_desk(device, flow);
            return self.request_far(now, call, Asked::OriginBye, flow, message);
        }
        let id = if message.method() == &Method::Bye { bye } else { Some(server) };
        if let Some(id) = id {
            self.transactions.handle(now, Layer::Respond { id, response: message });
        }
    }

    /// The ACK of a 200 to a desk phone that called.
    pub(in crate::switchboard) fn take_desk_origin_ack(&mut self, now: Timestamp, ack: &Message) {
        let Some(call) = self.desk_origin(ack) else { return };
        let key = (call, self.outbound.side_of_origin(call));
        if self.device_at(key).is_some() && self.take_change_ack(now, key, ack) {
            return;
        }
        let Some(origin) = self.outbound.origin(call) else { return };
        let Some(desk) = &origin.desk else { return };
        let wants_bye = desk.wants_bye;
        if desk.repetition.is_none() || !origin.dialog().holds(ack) {
            return;
        }
        origin.confirm();
        if wants_bye {
            self.hang_up_origin(now, call);
        }
        self.note_confirmed(now, key);
        self.settle_outbound(now, call);
    }

    /// A desk phone takes its INVITE back, or cannot be answered any more.
    pub(in crate::switchboard) fn cancel_desk_invite(&mut self, now: Timestamp, id: ServerId) {
        if let Some(call) = self.outbound.by_server.get(&id).copied() {
            self.tell_outbound(now, call, Event::Cancelled);
        }
    }

    /// A desk phone that called hangs up; `false` if the BYE belongs to none. It is answered when the row is durable.
    pub(in crate::switchboard) fn take_desk_origin_bye(&mut self, now: Timestamp, id: ServerId, bye: &Message) -> bool {
        let Some(call) = self.desk_origin_dialog(bye) else { return false };
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return false };
        let is_gone = outbound.call.is_gone();
        let Some(origin) = outbound.origin() else { return false };
        // Who hangs up has surely heard the answer.
        origin.confirm();
        if is_gone {
            self.respond(now, id, bye, 200);
            self.settle_outbound(now, call);
            return true;
        }
        if let Some(desk) = &mut origin.desk {
            desk.bye = Some(id);
        }
        origin.bye_received = Some(bye.detached());
        self.tell_outbound(now, call, Event::DeviceHungUp);
        true
    }

    /// The call whose dialog a request of a desk phone that called belongs to.
    pub(in crate::switchboard) fn desk_origin_dialog(&mut self, request: &Message) -> Option<CallId> {
        let device = *self.outbound.desks.get(&name_of(request))?;
        self.origin_dialog(device, request)
    }

    /// A desk phone that calls is registered again.
    pub(in crate::switchboard) fn resume_desk(&mut self, now: Timestamp, device: DeviceId) {
        for call in self.outbound.of_device(device) {
            self.tell_outbound(now, call, Event::Registered { is_known: true });
        }
    }

    /// Sends the 200 again, or gives the desk phone up.
    pub(super) fn repeat_to_desk(&mut self, now: Timestamp, call: CallId) {
        let Some(desk) = self.outbound.origin(call).and_then(|origin| origin.desk.as_mut()) else { return };
        if desk.repetition.take_if(|repetition| repetition.is_over(now)).is_some() {
            let wants_bye = desk.wants_bye;
            self.tell_outbound(now, call, Event::DeviceLost);
            if wants_bye {
                self.hang_up_origin(now, call);
            }
            return;
        }
        if let Some((id, response)) = desk.repetition.as_mut().and_then(|repetition| repetition.due(now)) {
            self.transactions.handle(now, Layer::Respond { id, response });
        }
    }

    fn desk_origin(&self, message: &Message) -> Option<CallId> {
        let name = name_of(message);
        let device = *self.outbound.desks.get(&name)?;
        self.outbound.by_origin.get(&(device, name.0)).copied()
    }
}
