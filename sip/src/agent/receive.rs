//! What comes over the phone's connection, and to which call it belongs.

use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::inbound::Event;
use super::inbound::leg::{Leg, reason};
use super::registration::Registered;
use super::{Agent, EndReason, Output, outbound};
use crate::extension::{Ending, call_of, ending_of, states_of};
use crate::message::{DropReason, Message, Method, Verdict, parse};

/// The methods a phone understands.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";

impl Agent {
    /// Takes in one frame.
    pub(super) fn receive(&mut self, now: Timestamp, bytes: Bytes) {
        self.line.note_heard(now);
        let is_ping = bytes.as_ref() == super::PING;
        match parse(bytes) {
            Verdict::Ok(message) if message.is_request() => self.take_request(now, &message),
            Verdict::Ok(message) => self.take_response(now, &message),
            Verdict::Answerable(message, refusal) => {
                let response = message.response(refusal.status, refusal.reason).to_tag(&self.random.token(12));
                self.transmit(response.build().as_bytes().clone());
            }
            Verdict::Drop(DropReason::KeepAlive) if is_ping => self.transmit(Bytes::from_static(b"\r\n")),
            Verdict::Drop(_) => {}
        }
    }

    fn take_response(&mut self, now: Timestamp, response: &Message) {
        if response.method() == &Method::Register {
            return self.take_registered(now, response);
        }
        if self.take_transfer_response(response) || self.take_change_response(now, response) {
            return;
        }
        let owner =
            self.calls.iter().find(|(_, entry)| entry.leg.as_ref().is_some_and(|leg| leg.is_answer_to_bye(response)));
        if let Some((call, _)) = owner {
            self.tell(now, *call, Event::ByeAnswered);
        } else if let Some(call) = self.dial_ended_by(response) {
            self.tell_dial(now, call, outbound::Event::ByeAnswered);
        } else if let Some(call) = self.dial_answered_by(response) {
            self.take_dial_answer(now, call, response);
        }
    }

    fn take_registered(&mut self, now: Timestamp, response: &Message) {
        match self.registration.take_in(now, response, &mut self.random) {
            Some(Registered::Refused(status)) => self.fail_line(now, Some(status)),
            Some(Registered::Until { at, is_new }) => {
                self.line.note_success();
                self.outputs.push_back(Output::Registered { until: at });
                if is_new {
                    self.tell_all(now, Event::Reconnected);
                    self.tell_dials(now, outbound::Event::Registered);
                    self.repeat_changes(now);
                    self.repeat_transfers(now);
                }
                for (call, state) in states_of(response) {
                    self.tell(now, call, Event::StateKnown(Some(state)));
                    self.tell_dial(now, call, outbound::Event::StateKnown(state));
                }
            }
            None => {}
        }
    }

    fn tell_all(&mut self, now: Timestamp, event: Event) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.tell(now, call, event);
        }
    }

    fn take_request(&mut self, now: Timestamp, request: &Message) {
        match request.method() {
            Method::Invite if request.to().tag().is_none() => self.take_invite(now, request),
            Method::Invite | Method::Update => self.take_change(now, request),
            Method::Ack => self.take_ack(now, request),
            Method::Cancel => self.take_cancel(now, request),
            Method::Bye => self.take_bye(now, request),
            Method::Notify => self.take_notify(request),
            Method::Options | Method::Info => self.respond(request, 200),
            Method::Register
            | Method::Prack
            | Method::Refer
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => {
                let response = request.response(405, "Method Not Allowed").to_tag(&self.random.token(12));
                self.transmit(response.header("Allow", ALLOW).build().as_bytes().clone());
            }
        }
    }

    fn take_invite(&mut self, now: Timestamp, invite: &Message) {
        let Some(call) = call_of(invite) else { return self.respond(invite, 480) };
        if let Some((_, reason)) = self.ended.iter().find(|(ended, _)| *ended == call) {
            let status = match *reason {
                EndReason::Declined => 603,
                EndReason::Busy => 486,
                EndReason::AnsweredElsewhere
                | EndReason::Cancelled
                | EndReason::Over
                | EndReason::HungUp
                | EndReason::RemoteHungUp
                | EndReason::NoAnswer
                | EndReason::Rejected
                | EndReason::Emergency
                | EndReason::Unreachable
                | EndReason::Failed => 480,
            };
            return self.respond(invite, status);
        }
        if self.dials.contains_key(&call) {
            return self.respond(invite, 482);
        }
        if self.is_refused_as_busy(now, call, invite) {
            return;
        }
        if self
            .calls
            .get(&call)
            .and_then(|entry| entry.leg.as_ref())
            .is_some_and(|leg| !leg.is_same_transaction(invite))
        {
            return self.respond(invite, 482);
        }
        let leg = Leg::new(invite, &mut self.random);
        self.entry(now, call).leg.get_or_insert(leg);
        let ring_for = invite.expires().map(|seconds| Duration::from_secs(u64::from(seconds)));
        self.tell(now, call, Event::Invited { ring_for });
    }

    fn take_ack(&mut self, now: Timestamp, ack: &Message) {
        if self.take_change_ack(now, ack) {
            return;
        }
        let found = self.calls.iter().find(|(_, entry)| {
            entry.leg.as_ref().is_some_and(|leg| {
                leg.invite().call_id() == ack.call_id() && leg.invite().cseq().number == ack.cseq().number
            })
        });
        let Some((call, entry)) = found else { return };
        let was_refused = entry.leg.as_ref().is_some_and(Leg::is_refused);
        let event = if was_refused {
            Event::RefusalAcknowledged
        } else {
            Event::Acknowledged { too_late: ending_of(ack).map(reason_for) }
        };
        self.tell(now, *call, event);
    }

    fn take_cancel(&mut self, now: Timestamp, cancel: &Message) {
        let found =
            self.calls.iter().find(|(_, entry)| entry.leg.as_ref().is_some_and(|leg| leg.is_same_transaction(cancel)));
        let Some(call) = found.map(|(call, _)| *call) else { return self.respond(cancel, 481) };
        self.respond(cancel, 200);
        self.tell(now, call, Event::Cancelled(ending_of(cancel).map_or(EndReason::Cancelled, reason_for)));
    }

    fn take_bye(&mut self, now: Timestamp, bye: &Message) {
        if let Some(call) = self.dial_in_dialog(bye) {
            self.respond(bye, 200);
            return self.tell_dial(now, call, outbound::Event::ByeReceived);
        }
        let Some(call) = self.call_in_dialog(bye) else { return self.respond(bye, 481) };
        self.respond(bye, 200);
        self.tell(now, call, Event::ByeReceived(ending_of(bye).map_or(EndReason::RemoteHungUp, reason_for)));
    }

    pub(super) fn call_in_dialog(&mut self, request: &Message) -> Option<CallId> {
        self.calls.iter_mut().find_map(|(call, entry)| {
            let dialog = entry.leg.as_mut().and_then(Leg::dialog)?;
            dialog.take_in(request).is_ok().then_some(*call)
        })
    }

    pub(super) fn respond(&mut self, request: &Message, status: u16) {
        let response = request.response(status, reason(status)).to_tag(&self.random.token(12)).build();
        self.transmit(response.as_bytes().clone());
    }
}

const fn reason_for(ending: Ending) -> EndReason {
    match ending {
        Ending::Elsewhere => EndReason::AnsweredElsewhere,
        Ending::Over => EndReason::Cancelled,
    }
}

/// Who calls, as the edge says it: the number, empty when withheld, and the name.
pub(super) fn caller_of(invite: &Message) -> (String, Option<String>) {
    let from = invite.from();
    let uri = from.uri().ok();
    let user = uri.as_ref().and_then(|uri| uri.user_decoded()).unwrap_or_default();
    let number = if user == "anonymous" { String::new() } else { user.into_owned() };
    (number, from.display().map(std::borrow::Cow::into_owned))
}
