//! What comes from the device that calls: its INVITE, ACK, CANCEL and BYE.

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Timestamp};

use super::call::{Call, Event};
use super::{Origin, Outbound};
use crate::extension::call_of;
use crate::message::{Message, Method};
use crate::session::{Terms, TimerSettings};
use crate::switchboard::outer::SUPPORTED;
use crate::switchboard::{ConnectionId, DeviceIdentity, Flow, OutboundQuestion, Output, Side, Switchboard};

impl Switchboard {
    /// Takes in an INVITE outside of any dialog.
    pub(in crate::switchboard) fn take_device_invite(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        identity: DeviceIdentity,
        invite: &Message,
    ) {
        let name = (identity.device, invite.call_id().to_owned());
        if let Some(call) = self.outbound.by_origin.get(&name).copied() {
            return self.repeat_origin(connection, call, invite);
        }
        let binding = self.bindings.binding(identity.device);
        let is_registered = binding.is_some_and(|binding| binding.flow == Flow::Stream(connection));
        if let Some(status) = self.reason_to_refuse_caller(is_registered, invite) {
            return self.answer_device(connection, invite, status);
        }
        let call = call_of(invite).unwrap_or_else(|| CallId::new(now, &mut self.random));
        if self.is_known(call) {
            self.count("merged");
            return self.answer_device(connection, invite, 482);
        }
        let Some(origin) = Origin::new(invite, self.random.token(16), None) else {
            return self.answer_device(connection, invite, 400);
        };
        self.begin_outbound(now, call, identity, origin, invite);
    }

    /// Begins a call, and asks where it goes.
    pub(super) fn begin_outbound(
        &mut self,
        now: Timestamp,
        call: CallId,
        identity: DeviceIdentity,
        origin: Origin,
        invite: &Message,
    ) {
        let uri = invite.request_uri();
        let to = uri.as_ref().and_then(|uri| uri.user_decoded()).unwrap_or_default().into_owned();
        self.outbound.by_origin.insert((identity.device, invite.call_id().to_owned()), call);
        self.outbound.live += 1;
        let machine = Call::new(call, identity, &to, &self.settings, now);
        self.outbound.calls.insert(call, Outbound::new(machine, Some(origin)));
        self.answer_origin(now, call, 100, None);
        self.act_on_outbound(now, call);
        let question = OutboundQuestion { call, device: identity, to, transfers: None };
        self.outputs.push_back(Output::OutboundRouteWanted(question));
    }

    /// The ACK of whatever the device got as the answer to its INVITE.
    pub(in crate::switchboard) fn take_device_ack(&mut self, now: Timestamp, device: DeviceId, ack: &Message) {
        let Some(key) = self.leg_named(device, ack) else { return };
        let (call, side) = key;
        if self.device_at(key) == Some(device) && self.take_change_ack(now, key, ack) {
            return;
        }
        let is_origin = side == self.outbound.side_of_origin(call);
        if let Some(origin) = self.outbound.origin(call).filter(|_| is_origin) {
            origin.confirm();
        }
        self.note_confirmed(now, key);
        self.settle_outbound(now, call);
    }

    /// A device takes its INVITE back.
    pub(in crate::switchboard) fn take_device_cancel(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        device: DeviceId,
        cancel: &Message,
    ) {
        let own = self
            .origin_named(device, cancel)
            .filter(|call| self.outbound.origin(*call).is_some_and(|origin| origin.is_same_transaction(cancel)));
        let Some(call) = own else { return self.answer_device(connection, cancel, 481) };
        self.answer_device(connection, cancel, 200);
        self.tell_outbound(now, call, Event::Cancelled);
    }

    /// The device that called hangs up; `false` if the BYE belongs to no outbound call. It is answered when the row is
    /// durable.
    pub(in crate::switchboard) fn take_origin_bye(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        device: DeviceId,
        bye: &Message,
    ) -> bool {
        let Some(call) = self.origin_dialog(device, bye) else { return false };
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return false };
        let is_gone = outbound.call.is_gone();
        let Some(origin) = outbound.origin() else { return false };
        // Who hangs up has surely heard the answer.
        origin.confirm();
        if is_gone {
            self.answer_device(connection, bye, 200);
            self.settle_outbound(now, call);
        } else {
            origin.bye_received = Some(bye.detached());
            self.tell_outbound(now, call, Event::DeviceHungUp);
        }
        true
    }

    /// Takes in a response of the device that called: only its answer to a BYE tells something.
    pub(in crate::switchboard) fn take_origin_response(
        &mut self,
        now: Timestamp,
        device: DeviceId,
        response: &Message,
    ) {
        let is_end = response.method() == &Method::Bye && response.status().is_some_and(|status| status >= 200);
        let Some(call) = self.origin_named(device, response).filter(|_| is_end) else { return };
        if let Some(origin) = self.outbound.origin(call) {
            origin.note_bye_done(now);
        }
        self.settle_outbound(now, call);
    }

    /// The outbound call whose dialog a request of its device belongs to.
    pub(in crate::switchboard) fn origin_dialog(&mut self, device: DeviceId, request: &Message) -> Option<CallId> {
        let call = self.origin_named(device, request)?;
        self.outbound.origin(call)?.dialog().take_in(request).ok().map(|()| call)
    }

    /// Sends the device an answer to its INVITE.
    pub(super) fn answer_origin(&mut self, now: Timestamp, call: CallId, status: u16, sdp: Option<Bytes>) {
        let Some(origin) = self.outbound.origin(call) else { return };
        let answer = origin.respond(now, &self.edge, status, sdp);
        self.carry_to_origin(now, call, answer);
    }

    pub(super) fn reason_to_refuse_caller(&mut self, is_registered: bool, invite: &Message) -> Option<u16> {
        let (status, reason) = if !is_registered {
            // The end of the call could not be told to a device that is not registered.
            (403, "unregistered")
        } else if invite.unsupported(SUPPORTED).next().is_some() {
            (420, "extension")
        } else if invite.body().is_empty() {
            (488, "late_offer")
        } else if !invite.has_content_type("application/sdp") {
            (415, "media_type")
        } else if Terms::new(TimerSettings::default()).judge(invite).is_err() {
            (422, "interval")
        } else if self.live_calls() >= self.settings.max_calls {
            (503, "flooded")
        } else {
            return None;
        };
        self.count(reason);
        Some(status)
    }

    pub(super) fn is_known(&self, call: CallId) -> bool {
        self.calls.contains_key(&call) || self.outbound.contains(call) || self.memory.holds(call)
    }

    /// The INVITE again, on another connection: the last answer may have been lost with the old one.
    fn repeat_origin(&mut self, connection: ConnectionId, call: CallId, invite: &Message) {
        let Some(outbound) = self.outbound.calls.get(&call) else { return };
        let Some(origin) = &outbound.origin else { return };
        if !origin.is_same_transaction(invite) {
            return self.answer_device(connection, invite, 482);
        }
        let (device, answer) = (outbound.call.device().device, origin.last_answer());
        self.transmit_to(device, answer);
    }

    /// The leg whose Call-ID a message of its device has.
    pub(in crate::switchboard) fn leg_named(&self, device: DeviceId, message: &Message) -> Option<(CallId, Side)> {
        let rung = self.inner.owner(message.call_id(), device).map(|call| (call, Side::Device));
        rung.or_else(|| {
            let call = self.origin_named(device, message)?;
            Some((call, self.outbound.side_of_origin(call)))
        })
    }

    /// The outbound call whose Call-ID a message of its device has.
    pub(in crate::switchboard) fn origin_named(&self, device: DeviceId, message: &Message) -> Option<CallId> {
        self.outbound.by_origin.get(&(device, message.call_id().to_owned())).copied()
    }
}
