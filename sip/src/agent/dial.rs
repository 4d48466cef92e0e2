//! Calls that this phone begins: between their machines, their SIP and the app.

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::outbound::leg::{Leg, reason_of};
use super::outbound::{Action, Call, Event};
use super::{Agent, EndReason, Output};
use crate::dialog::Dialog;
use crate::message::{Message, Method};

/// A call that this phone began, with its SIP.
#[derive(Debug)]
pub(super) struct Dial {
    pub(super) call: Call,
    leg: Leg,
    /// The SDP of the 2xx, until the app has it.
    answer: Bytes,
}

impl Dial {
    /// The dialog with the edge, once the call was answered.
    pub(super) fn dialog(&mut self) -> Option<&mut Dialog> {
        self.leg.dialog()
    }
}

impl Agent {
    /// Begins a call; an id that was used before changes nothing.
    pub(super) fn dial(&mut self, now: Timestamp, call: CallId, to: &str, sdp: Bytes) {
        let is_used = self.calls.contains_key(&call) || self.dials.contains_key(&call);
        if is_used || self.ended.iter().any(|(ended, _)| *ended == call) {
            return;
        }
        let Some(leg) = Leg::new(call, to, sdp, &self.address, &mut self.random) else {
            let reason = EndReason::Rejected;
            self.remember(call, reason);
            return self.outputs.push_back(Output::Ended { call, reason });
        };
        self.dials.insert(call, Dial { call: Call::new(call, now), leg, answer: Bytes::new() });
        self.turn_to(now, call);
        if self.registration.is_registered() {
            self.tell_dial(now, call, Event::Registered);
        } else {
            self.want_line(now);
        }
    }

    /// Tells one call that this phone began what happened, and does what it wants.
    pub(super) fn tell_dial(&mut self, now: Timestamp, call: CallId, event: Event) {
        let Some(dial) = self.dials.get_mut(&call) else { return };
        dial.call.handle(now, event);
        self.act_on_dial(now, call);
    }

    pub(super) fn tell_dials(&mut self, now: Timestamp, event: Event) {
        let calls: Vec<CallId> = self.dials.keys().copied().collect();
        for call in calls {
            self.tell_dial(now, call, event);
        }
    }

    /// Does what is due for the calls that this phone began.
    pub(super) fn wake_dials(&mut self, now: Timestamp) {
        let due = self.dials.iter().filter(|(_, dial)| dial.call.poll_timeout().is_some_and(|(at, _)| at <= now));
        let due: Vec<CallId> = due.map(|(call, _)| *call).collect();
        for call in due {
            if let Some(dial) = self.dials.get_mut(&call) {
                dial.call.handle_timeout(now);
            }
            self.act_on_dial(now, call);
        }
    }

    /// The call that this phone began whose INVITE or CANCEL is answered; `None` if it is none of them.
    pub(super) fn dial_answered_by(&self, response: &Message) -> Option<CallId> {
        self.dials.iter().find(|(_, dial)| dial.leg.is_answered_by(response)).map(|(call, _)| *call)
    }

    /// The call that this phone began whose BYE is answered.
    pub(super) fn dial_ended_by(&self, response: &Message) -> Option<CallId> {
        self.dials.iter().find(|(_, dial)| dial.leg.is_answer_to_bye(response)).map(|(call, _)| *call)
    }

    /// The call that this phone began whose dialog a request belongs to.
    pub(super) fn dial_in_dialog(&mut self, request: &Message) -> Option<CallId> {
        self.dials.iter_mut().find_map(|(call, dial)| dial.leg.dialog()?.take_in(request).is_ok().then_some(*call))
    }

    /// Takes in a response to an INVITE or a CANCEL of this phone.
    pub(super) fn take_dial_answer(&mut self, now: Timestamp, call: CallId, response: &Message) {
        let Some(dial) = self.dials.get_mut(&call) else { return };
        let is_invite = response.method() == &Method::Invite;
        match response.status().unwrap_or_default() {
            180 if is_invite => self.tell_dial(now, call, Event::Rings),
            200..300 if is_invite => {
                if dial.leg.accept(response) {
                    dial.answer = response.body();
                }
                self.tell_dial(now, call, Event::Answered);
            }
            status @ 300.. if is_invite => {
                let ack = dial.leg.ack_refusal(response);
                self.transmit_some(ack);
                self.tell_dial(now, call, Event::Refused(reason_of(status)));
            }
            // The edge never had, or no longer has, what was to be cancelled.
            481 => self.tell_dial(now, call, Event::Refused(EndReason::Failed)),
            _ => {}
        }
    }

    fn act_on_dial(&mut self, now: Timestamp, call: CallId) {
        while let Some(action) = self.dials.get_mut(&call).and_then(|dial| dial.call.poll_output()) {
            self.perform_for_dial(now, call, action);
        }
    }

    fn perform_for_dial(&mut self, now: Timestamp, call: CallId, action: Action) {
        let Some(dial) = self.dials.get_mut(&call) else { return };
        match action {
            Action::Ring => self.outputs.push_back(Output::RemoteRinging { call }),
            Action::End(reason) => self.outputs.push_back(Output::Ended { call, reason }),
            Action::Establish => {
                let sdp = std::mem::take(&mut dial.answer);
                self.outputs.extend([Output::RemoteAnswered { call, sdp }, Output::Established { call }]);
                self.hold_if_left(now, call);
            }
            Action::Invite | Action::Repeat => {
                let unanswered = dial.leg.unanswered();
                self.line.note_asked(now);
                unanswered.into_iter().for_each(|bytes| self.transmit(bytes));
            }
            Action::Ack => {
                let ack = dial.leg.ack(&self.address, &mut self.random);
                self.transmit_some(ack);
            }
            Action::Cancel => {
                let cancel = dial.leg.cancel();
                self.line.note_asked(now);
                self.transmit_some(cancel);
            }
            Action::Bye => {
                let bye = dial.leg.bye(&self.address, &mut self.random);
                self.line.note_asked(now);
                self.transmit_some(bye);
            }
        }
    }
}
