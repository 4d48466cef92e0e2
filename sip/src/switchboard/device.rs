//! What comes from devices: registrations, answers to INVITEs, hang-ups. The connection proves who speaks.

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Timestamp};

use super::call::Event;
use super::changes::Arrival;
use super::inner::Answer;
use super::outer::{reason, with_hints};
use super::{ConnectionId, DeviceIdentity, Flow, Output, Side, Switchboard};
use crate::message::{DropReason, Message, Method, Verdict, parse};

impl Switchboard {
    /// Takes in one frame of a device.
    pub(super) fn receive_from_device(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        identity: DeviceIdentity,
        bytes: Bytes,
    ) {
        let is_ping = bytes.as_ref() == b"\r\n\r\n";
        self.received += u64::from(!bytes.trim_ascii().is_empty());
        match parse(bytes) {
            Verdict::Ok(message) if message.is_request() => {
                self.take_device_request(now, connection, identity, &message);
            }
            Verdict::Ok(message) => self.take_device_response(now, identity.device, &message),
            Verdict::Answerable(message, refusal) => {
                self.count("malformed");
                let response = message.response(refusal.status, refusal.reason).to_tag(&self.random.token(16)).build();
                self.transmit(connection, &response);
            }
            Verdict::Drop(DropReason::KeepAlive) if is_ping => {
                let (flow, bytes) = (Flow::Stream(connection), Bytes::from_static(b"\r\n"));
                self.outputs.push_back(Output::Transmit { flow, bytes });
            }
            Verdict::Drop(DropReason::KeepAlive) => {}
            Verdict::Drop(_) => self.count("dropped"),
        }
    }

    fn take_device_request(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        identity: DeviceIdentity,
        request: &Message,
    ) {
        match request.method() {
            Method::Register => self.take_register(now, connection, identity, request),
            Method::Bye => self.take_device_bye(now, connection, identity.device, request),
            Method::Ack => self.take_device_ack(now, identity.device, request),
            Method::Options => self.answer_device(connection, request, 200),
            Method::Info => {
                let leg = self.device_leg(identity.device, request);
                self.take_info(now, leg, Arrival::Connection(connection), request);
            }
            Method::Invite if request.to().tag().is_none() => {
                self.take_device_invite(now, connection, identity, request);
            }
            Method::Invite | Method::Update => self.take_device_change(now, connection, identity.device, request),
            Method::Cancel => self.take_device_cancel(now, connection, identity.device, request),
            Method::Refer => self.take_device_refer(now, connection, identity, request),
            Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Other(_) => self.answer_device(connection, request, 405),
        }
    }

    /// A device hangs up; its BYE is answered when the row is durable.
    fn take_device_bye(&mut self, now: Timestamp, connection: ConnectionId, device: DeviceId, bye: &Message) {
        if self.take_origin_bye(now, connection, device, bye) {
            return;
        }
        let Some(call) = self.device_dialog(device, bye) else { return self.answer_device(connection, bye, 481) };
        let lives = self.calls.get(&call).is_some_and(|live| live.winner() == Some(device));
        let Some(leg) = self.inner.leg(device, call) else { return };
        if lives {
            leg.bye_received = Some(bye.detached());
            self.tell(now, call, Event::DeviceHungUp(device));
        } else {
            self.answer_device(connection, bye, 200);
            self.drop_inner(device, call);
        }
    }

    /// A device changes the session of its leg.
    fn take_device_change(&mut self, now: Timestamp, connection: ConnectionId, device: DeviceId, request: &Message) {
        match self.device_leg(device, request) {
            Some(key) => self.take_leg_change(now, key, Arrival::Connection(connection), request),
            None => self.answer_device(connection, request, 481),
        }
    }

    fn take_device_response(&mut self, now: Timestamp, device: DeviceId, response: &Message) {
        let leg = self.leg_named(device, response);
        let own = leg.filter(|key| self.device_at(*key) == Some(device));
        if own.is_some_and(|key| self.take_device_change_response(now, key, response)) {
            return;
        }
        if let (Some((call, _)), Method::Notify) = (leg, response.method()) {
            return self.note_notified(call, response);
        }
        let Some(call) = self.inner.owner(response.call_id(), device) else {
            return self.take_origin_response(now, device, response);
        };
        // The answer to a CANCEL says nothing that the one to the INVITE does not say.
        if response.method() == &Method::Invite {
            if self.inner.leg(device, call).is_some_and(|leg| leg.is_answer_to_invite(response)) {
                self.take_answer(now, device, call, response);
            }
        } else if response.method() == &Method::Bye && response.status().is_some_and(|status| status >= 200) {
            self.drop_inner(device, call);
        }
    }

    /// Takes in a response to the INVITE of a leg.
    pub(super) fn take_answer(&mut self, now: Timestamp, device: DeviceId, call: CallId, response: &Message) {
        let Some(leg) = self.inner.leg(device, call) else { return };
        let answer = leg.take_answer(response);
        match answer {
            Some(Answer::Progressed { rings }) => {
                self.tell(now, call, Event::Progressed { device, rings });
            }
            Some(Answer::Answered(sdp)) => self.take_2xx(now, device, call, sdp),
            Some(Answer::Repeated) => {
                let ack = leg.ack(&self.edge, None, &mut self.random);
                self.carry(now, device, call, ack);
            }
            Some(Answer::Refused(status)) => {
                let ack = leg.ack_refusal(response);
                self.carry(now, device, call, ack);
                if status != 488 || !self.offer_in_the_clear(device, call) {
                    self.drop_inner(device, call);
                    self.tell(now, call, Event::Refused { device, status });
                }
            }
            None => {}
        }
    }

    fn take_2xx(&mut self, now: Timestamp, device: DeviceId, call: CallId, sdp: Bytes) {
        if let Some(leg) = self.inner.leg(device, call) {
            leg.sdp = sdp;
        }
        if self.calls.contains_key(&call) {
            self.tell(now, call, Event::Answered(device));
        } else {
            self.hang_up_device(now, device, call, false);
        }
    }

    /// The leg of a dialog that a request of a device belongs to, if the device has still a part in it.
    pub(super) fn device_leg(&mut self, device: DeviceId, request: &Message) -> Option<(CallId, Side)> {
        let rung = self.device_dialog(device, request).map(|call| (call, Side::Device));
        let leg = rung.or_else(|| {
            let call = self.origin_dialog(device, request)?;
            Some((call, self.outbound.side_of_origin(call)))
        });
        leg.filter(|key| self.device_at(*key) == Some(device))
    }

    /// The call of a dialog that a device's request belongs to.
    fn device_dialog(&mut self, device: DeviceId, request: &Message) -> Option<CallId> {
        let call = self.inner.owner(request.call_id(), device)?;
        self.inner.leg(device, call)?.dialog()?.take_in(request).ok().map(|()| call)
    }

    /// Counts an answer whose status says all about its reason.
    pub(super) fn count_answer(&mut self, status: u16) {
        match status {
            405 => self.count("method"),
            481 => self.count("no_dialog"),
            _ => {}
        }
    }

    pub(super) fn answer_device(&mut self, connection: ConnectionId, request: &Message, status: u16) {
        self.count_answer(status);
        let start = request.response(status, reason(status)).to_tag(&self.random.token(16));
        let response = with_hints(start, request, status).build();
        self.transmit(connection, &response);
    }

    pub(super) fn transmit(&mut self, connection: ConnectionId, message: &Message) {
        let (flow, bytes) = (Flow::Stream(connection), message.as_bytes().clone());
        self.outputs.push_back(Output::Transmit { flow, bytes });
    }

    /// Sends something to a device, if it is registered; else it goes out when it is.
    pub(super) fn transmit_to(&mut self, device: DeviceId, bytes: Option<Bytes>) {
        let (Some(bytes), Some(binding)) = (bytes, self.bindings.binding(device)) else { return };
        let flow = binding.flow;
        self.outputs.push_back(Output::Transmit { flow, bytes });
    }
}
