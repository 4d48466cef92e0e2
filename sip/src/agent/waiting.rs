//! Several calls at once: one is talked on, others wait or are held.
//!
//! The user turns to one call by answering, dialling or resuming it; every other call that talks is then held. So an
//! answer puts the first call on hold, and resuming the one that is held swaps the two. Ending a call resumes no other.

use callfield_domain::{CallId, Timestamp};

use super::inbound::Event;
use super::{Agent, EndReason};
use crate::message::Message;

/// How many calls a phone has at most: one is talked on, one is held, one waits. One more is answered 486.
const CALLS_MAX: usize = 3;

impl Agent {
    /// The user turns to a call: every other that talks is held.
    pub(super) fn turn_to(&mut self, now: Timestamp, call: CallId) {
        if !self.is_live(call) {
            return;
        }
        self.turned_to = Some(call);
        for other in self.others(call) {
            self.hold(now, other, true);
        }
    }

    /// The user turns from the call that is talked on to the one that is held.
    pub(super) fn swap(&mut self, now: Timestamp) {
        let mut held = self.changes.iter().filter(|(_, change)| change.is_holding()).map(|(call, _)| *call);
        if let Some(call) = held.find(|call| self.turned_to != Some(*call)) {
            self.turn_to(now, call);
            self.hold(now, call, false);
        }
    }

    /// A call begins to talk: if the user has turned to another since, it is held at once.
    pub(super) fn hold_if_left(&mut self, now: Timestamp, call: CallId) {
        if self.turned_to.is_some_and(|other| other != call && self.is_live(other)) {
            self.hold(now, call, true);
        }
    }

    /// Whether a call comes while there is another.
    pub(super) fn is_waiting(&self, call: CallId) -> bool {
        !self.others(call).is_empty()
    }

    /// Refuses the INVITE of a call if the phone has as many as it takes; the call itself if a push has shown it already.
    pub(super) fn is_refused_as_busy(&mut self, now: Timestamp, call: CallId, invite: &Message) -> bool {
        let is_known = self.calls.get(&call).is_some_and(|entry| entry.leg.is_some());
        if is_known || self.others(call).len() < CALLS_MAX {
            return false;
        }
        if self.calls.contains_key(&call) {
            self.tell(now, call, Event::NoRoom);
        } else {
            self.remember(call, EndReason::Busy);
        }
        self.respond(invite, 486);
        true
    }

    /// The calls that are not over for the user, but for this one.
    fn others(&self, call: CallId) -> Vec<CallId> {
        let all = self.calls.keys().chain(self.dials.keys()).copied();
        all.filter(|other| *other != call && self.is_live(*other)).collect()
    }

    fn is_live(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|entry| entry.call.ended().is_none())
            || self.dials.get(&call).is_some_and(|dial| dial.call.ended().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Story, call, in_dialog_of, invite_of};
    use super::super::{Input, Output, WokenCallState};
    use super::*;
    use crate::message::Method;

    const FIRST: u64 = 9;
    const SECOND: u64 = 10;

    impl Story {
        /// Talks on a call that came in.
        fn talks_on(&mut self, number: u64) {
            self.receive(&invite_of(number));
            self.answers(number);
        }

        fn answers(&mut self, number: u64) {
            let call = call(number);
            self.tell(Input::Answer { call });
            self.make_changes();
            self.tell(Input::AnswerSdp { call, sdp: Some("v=1".into()) });
            self.receive(&in_dialog_of(self, number, "ACK", 1));
            assert_eq!(self.count(&Output::Established { call }), 1);
            self.make_changes();
        }

        /// Makes the SDP that is wanted; the edge takes every offer.
        fn make_changes(&mut self) {
            let wanted = |news: &Output| matches!(news, Output::ChangeWanted { .. });
            while let Some(found) = self.news.iter().position(wanted) {
                let Output::ChangeWanted { call, offer, is_holding } = self.news.remove(found) else { return };
                assert_eq!(offer, None);
                self.held.push((call, is_holding));
                self.tell(Input::ChangeMade { call, sdp: Some("v=2".into()) });
                let asked =
                    self.sent.iter().rfind(|sent| sent.is_request() && sent.method() == &Method::Invite).unwrap();
                let start = asked.response(200, "OK").header("Contact", "<sip:edge@phones.test;transport=ws>");
                let answer = start.body("application/sdp", "v=3").build();
                self.tell(Input::Received(answer.as_bytes().clone()));
            }
        }
    }

    #[test]
    fn a_call_that_comes_while_another_talks_rings_as_waiting() {
        let mut story = Story::registered();
        story.talks_on(FIRST);
        story.receive(&invite_of(SECOND));
        let waits = |news: &&Output| matches!(news, Output::Incoming { is_waiting: true, .. });
        let rings = |news: &&Output| matches!(news, Output::Incoming { is_waiting: false, .. });
        assert_eq!((story.news.iter().filter(waits).count(), story.news.iter().filter(rings).count()), (1, 1));
    }

    #[test]
    fn an_answer_holds_the_call_that_was_talked_on_and_resuming_that_one_swaps_the_two() {
        let mut story = Story::registered();
        story.talks_on(FIRST);
        story.talks_on(SECOND);
        assert_eq!(story.held, [(call(FIRST), true)]);
        story.tell(Input::Resume { call: call(FIRST) });
        story.make_changes();
        assert_eq!(story.held[1..], [(call(SECOND), true), (call(FIRST), false)]);
        story.tell(Input::Swap);
        story.make_changes();
        assert_eq!(story.held[3..], [(call(FIRST), true), (call(SECOND), false)]);
        story.tell(Input::HangUp { call: call(SECOND) });
        story.make_changes();
        assert_eq!(story.held.len(), 5, "the other stays held until the user resumes it");
    }

    #[test]
    fn a_call_that_waits_can_be_declined_and_the_first_goes_on() {
        let mut story = Story::registered();
        story.talks_on(FIRST);
        story.receive(&invite_of(SECOND));
        story.tell(Input::Decline { call: call(SECOND) });
        assert_eq!(story.statuses(&Method::Invite).last(), Some(&603));
        assert!(story.held.is_empty());
        story.tell(Input::Hold { call: call(FIRST) });
        story.make_changes();
        assert_eq!(story.held, [(call(FIRST), true)]);
    }

    #[test]
    fn who_dials_while_talking_holds_the_first_call() {
        let mut story = Story::registered();
        story.talks_on(FIRST);
        story.tell(Input::Dial { call: call(SECOND), to: "101".to_owned(), sdp: "v=4".into() });
        let dialled = story.last(&Method::Invite).clone();
        // The re-INVITE that holds and the INVITE are both out.
        let is_invite = |sent: &&Message| sent.is_request() && sent.method() == &Method::Invite;
        assert_eq!(story.sent.iter().filter(is_invite).count(), 1);
        assert_eq!(dialled.to().tag(), None);
        story.make_changes();
        assert_eq!(story.held, [(call(FIRST), true)]);
    }

    #[test]
    fn a_call_whose_acknowledgement_comes_after_the_user_turned_to_another_is_held_at_once() {
        let mut story = Story::registered();
        story.receive(&invite_of(FIRST));
        story.tell(Input::Answer { call: call(FIRST) });
        story.tell(Input::AnswerSdp { call: call(FIRST), sdp: Some("v=1".into()) });
        story.talks_on(SECOND);
        assert!(story.held.is_empty());
        story.receive(&in_dialog_of(&story, FIRST, "ACK", 1));
        story.make_changes();
        assert_eq!(story.held, [(call(FIRST), true)]);
    }

    #[test]
    fn one_call_too_many_is_busy_even_if_a_push_has_shown_it() {
        let mut story = Story::registered();
        for number in 1..4 {
            story.receive(&invite_of(number));
        }
        story.receive(&invite_of(4));
        assert_eq!(story.statuses(&Method::Invite), [180, 180, 180, 486]);
        story.tell(Input::Register { call: Some(call(5)) });
        story.tell(Input::StateKnown { call: call(5), state: Some(WokenCallState::Ringing) });
        story.receive(&invite_of(5));
        assert_eq!(story.count(&Output::Ended { call: call(5), reason: EndReason::Busy }), 1);
        // One that is over makes room, and what was refused stays so.
        story.tell(Input::Decline { call: call(1) });
        story.receive(&invite_of(4));
        story.receive(&invite_of(6));
        assert_eq!(story.statuses(&Method::Invite)[3..], [486, 486, 603, 486, 180]);
    }
}
