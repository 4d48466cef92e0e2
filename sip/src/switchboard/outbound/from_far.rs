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
        if asked == Asked::Invite {
            match response.status().unwrap_or_default() {
                180 => self.tell_outbound(now, call, Event::Rings),
                200..300 => self.take_far_success(now, call, response),
                status @ 300.. => self.tell_outbound(now, call, Event::Refused(status)),
                _ => {}
            }
        }
        true
    }

    /// A request to the far end is over; `false` if it belongs to no outbound call.
    pub(in crate::switchboard) fn end_far_request(&mut self, now: Timestamp, id: ClientId, ended: Ended) -> bool {
        let Some((call, asked)) = self.outbound.by_client.remove(&id) else { return false };
        if let Some(far) = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.far.as_mut()) {
            far.note_ended(now, id, ended == Ended::Timeout && asked == Asked::Invite);
        }
        if asked == Asked::OriginBye
            && let Some(outbound) = self.outbound.calls.get_mut(&call)
        {
            outbound.origin.note_bye_done(now);
        }
        let status = match ended {
            Ended::Done | Ended::NoAck => None,
            Ended::Timeout => Some(408),
            Ended::FlowFailed | Ended::Full => Some(503),
        };
        if let Some(status) = status.filter(|_| asked == Asked::Invite) {
            self.tell_outbound(now, call, Event::Refused(status));
        }
        self.settle_outbound(now, call);
        true
    }

    /// A far end answers an INVITE that was given up because all its other answers were lost.
    pub(in crate::switchboard) fn take_stray_answer(&mut self, now: Timestamp, response: &Message) {
        if let Some(call) = self.outbound.by_far.get(response.call_id()).copied() {
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
        let success = far.take_success(response);
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

    /// Acknowledges the 2xx; at once, since the offer was the edge's own.
    fn acknowledge_far(&mut self, now: Timestamp, call: CallId) {
        let Some(far) = self.outbound.calls.get(&call).and_then(|outbound| outbound.far.as_ref()) else { return };
        let flow = far.reach();
        if let Some(message) = far.ack() {
            self.transactions.handle(now, Layer::Send { flow, message });
        }
    }
}
