//! What comes from the far end of an outbound call: answers to the INVITE, and its BYE.

use callfield_domain::{CallId, Timestamp};

use super::Asked;
use super::call::Event;
use super::far::Success;
use crate::message::Message;
use crate::switchboard::Switchboard;
use crate::transaction::{ClientId, Ended, Input as Layer, ServerId};

impl Switchboard {
    /// Takes in a response; `false` if it belongs to no outbound call.
    pub(in crate::switchboard) fn take_far_response(
        &mut self,
        now: Timestamp,
        id: ClientId,
        response: &Message,
    ) -> bool {
        let Some((call, asked)) = self.outbound.by_client.get(&id).copied() else { return false };
        let is_former = self.outbound.calls.get(&call).is_some_and(|outbound| outbound.is_former(response.call_id()));
        match (asked, response.status().unwrap_or_default()) {
            (Asked::Invite, 200..300) if is_former => self.end_former(now, call, response),
            _ if is_former => {}
            (Asked::Invite | Asked::Bye, 401 | 407) if self.prove_to_far(now, call, asked, response) => {}
            (Asked::Invite, 422) if self.raise_to_far(now, call, response) => {}
            (Asked::Invite, 180) => self.tell_outbound(now, call, Event::Rings),
            (Asked::Invite, 100..200) => self.tell_outbound(now, call, Event::Heard),
            (Asked::Invite, 200..300) => self.take_far_success(now, call, response),
            (Asked::Invite, status @ 300..) => self.tell_outbound(now, call, Event::Refused(status)),
            (Asked::Invite | Asked::Bye | Asked::StrayBye | Asked::OriginBye, _) => {}
        }
        true
    }

    /// Sends a request again with what a 401 or 407 asks for; `false` if there is nothing to prove with, or nobody waits
    /// for the call any more.
    fn prove_to_far(&mut self, now: Timestamp, call: CallId, asked: Asked, refusal: &Message) -> bool {
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return false };
        let is_calling = outbound.call.is_calling();
        let Some(far) = &mut outbound.far else { return false };
        let request = match asked {
            Asked::Invite if is_calling => far.prove_invite(refusal, &mut self.random),
            Asked::Bye => far.prove_bye(refusal, &mut self.random),
            Asked::Invite | Asked::StrayBye | Asked::OriginBye => None,
        };
        let flow = far.reach();
        let Some(request) = request else { return false };
        self.request_far(now, call, asked, flow, request);
        true
    }

    /// Sends the INVITE again with the longer session that a 422 asks for; `false` if that makes no sense, or nobody waits for
    /// the call any more.
    fn raise_to_far(&mut self, now: Timestamp, call: CallId, refusal: &Message) -> bool {
        let Some(outbound) = self.outbound.calls.get_mut(&call).filter(|outbound| outbound.call.is_calling()) else {
            return false;
        };
        let Some(far) = &mut outbound.far else { return false };
        let (request, flow) = (far.raise_invite(refusal), far.reach());
        let Some(request) = request else { return false };
        self.request_far(now, call, Asked::Invite, flow, request);
        true
    }

    /// A request to the far end is over; `false` if it belongs to no outbound call.
    pub(in crate::switchboard) fn end_far_request(&mut self, now: Timestamp, id: ClientId, ended: Ended) -> bool {
        let Some((call, asked)) = self.outbound.by_client.remove(&id) else { return false };
        let mut is_current = false;
        if let Some(outbound) = self.outbound.calls.get_mut(&call) {
            is_current = outbound.far.as_ref().is_some_and(|far| far.client == Some(id));
            for far in outbound.far.iter_mut().chain(&mut outbound.former) {
                far.note_ended(now, id, ended == Ended::Timeout && asked == Asked::Invite);
            }
        }
        if asked == Asked::OriginBye
            && let Some(origin) = self.outbound.origin(call)
        {
            origin.note_bye_done(now);
        }
        let status = match ended {
            Ended::Done | Ended::NoAck => None,
            Ended::Timeout => Some(408),
            Ended::FlowFailed | Ended::Full => Some(503),
        };
        if let Some(status) = status.filter(|_| is_current) {
            self.tell_outbound(now, call, Event::Refused(status));
        }
        self.settle_outbound(now, call);
        true
    }

    /// A far end answers an INVITE that was given up because all its other answers were lost.
    pub(in crate::switchboard) fn take_stray_answer(&mut self, now: Timestamp, response: &Message) {
        let Some(call) = self.outbound.by_far.get(response.call_id()).copied() else { return };
        if self.outbound.calls.get(&call).is_some_and(|outbound| outbound.is_former(response.call_id())) {
            self.end_former(now, call, response);
        } else {
            self.take_far_success(now, call, response);
        }
    }

    /// The far end hangs up; `false` if the BYE belongs to no outbound call. It is answered when the row is durable.
    pub(in crate::switchboard) fn take_far_bye(&mut self, now: Timestamp, id: ServerId, bye: &Message) -> bool {
        let Some(call) = self.far_dialog(bye) else { return false };
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return false };
        let Some(far) = &mut outbound.far else { return false };
        far.note_hang_up();
        if outbound.call.is_gone() {
            self.respond(now, id, bye, 200);
        } else {
            far.unanswered.push((id, bye.detached()));
            self.tell_outbound(now, call, Event::FarHungUp);
        }
        true
    }

    /// The outbound call whose dialog a request of the far end belongs to.
    pub(in crate::switchboard) fn far_dialog(&mut self, request: &Message) -> Option<CallId> {
        let call = *self.outbound.by_far.get(request.call_id())?;
        let dialog = self.outbound.calls.get_mut(&call)?.far.as_mut()?.dialog()?;
        dialog.take_in(request).ok().map(|()| call)
    }

    fn take_far_success(&mut self, now: Timestamp, call: CallId, response: &Message) {
        let Some(far) = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.far.as_mut()) else { return };
        let success = far.take_success(now, response);
        let flow = far.reach();
        match success {
            Success::Answered => {
                self.acknowledge_far(now, call);
                self.tell_outbound(now, call, Event::Answered);
            }
            Success::Again => self.acknowledge_far(now, call),
            Success::Stray { ack, bye } => {
                self.transactions.handle(now, Layer::Send { flow, message: ack });
                self.request_far(now, call, Asked::StrayBye, flow, bye);
            }
            Success::Unusable => self.tell_outbound(now, call, Event::Refused(500)),
        }
    }

    /// A trunk that was left for the next one answers after all: it is told that nobody is there.
    fn end_former(&mut self, now: Timestamp, call: CallId, response: &Message) {
        let outbound = self.outbound.calls.get_mut(&call);
        let Some(far) = outbound.and_then(|outbound| outbound.far_named(response.call_id())) else { return };
        let (ack, bye) = match far.take_success(now, response) {
            Success::Answered | Success::Again => (far.ack(), far.bye()),
            Success::Stray { ack, bye } => (Some(ack), Some(bye)),
            Success::Unusable => (None, None),
        };
        let flow = far.reach();
        if let Some(message) = ack {
            self.transactions.handle(now, Layer::Send { flow, message });
        }
        if let Some(bye) = bye {
            self.request_far(now, call, Asked::StrayBye, flow, bye);
        }
    }

    /// Acknowledges the 2xx; at once, since the offer was the edge's own.
    fn acknowledge_far(&mut self, now: Timestamp, call: CallId) {
        let Some(far) = self.outbound.calls.get(&call).and_then(|outbound| outbound.far.as_ref()) else { return };
        let flow = far.reach();
        if let Some(message) = far.ack() {
            self.transactions.handle(now, Layer::Send { flow, message });
        }
    }
}
