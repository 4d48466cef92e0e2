//! Stories of one call that the phone began, told in events.

use callfield_domain::{Random, Seed};

use super::*;

struct Story {
    call: Call,
    now: Timestamp,
    actions: Vec<Action>,
}

impl Story {
    fn waiting() -> Self {
        let now = Timestamp::from_millis(1_000);
        let id = CallId::new(now, &mut Random::new(Seed::from_number(1)));
        Self { call: Call::new(id, now), now, actions: Vec::new() }
    }

    fn calling() -> Self {
        let mut story = Self::waiting();
        story.tell(Event::Registered);
        story
    }

    fn talking() -> Self {
        let mut story = Self::calling();
        story.tell(Event::Answered);
        story
    }

    fn tell(&mut self, event: Event) {
        self.call.handle(self.now, event);
        self.drain();
    }

    fn drain(&mut self) {
        self.actions.extend(std::iter::from_fn(|| self.call.poll_output()));
    }

    fn run_for(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some((at, _)) = self.call.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = at;
            self.call.handle_timeout(at);
            self.drain();
        }
        self.now = until;
    }
}

#[test]
fn a_call_rings_once_and_is_established_by_the_answer() {
    let mut story = Story::calling();
    for event in [Event::Rings, Event::Rings, Event::Answered] {
        story.tell(event);
    }
    assert_eq!(story.actions, [Action::Invite, Action::Ring, Action::Ack, Action::Establish]);
}

#[test]
fn an_answer_again_is_acknowledged_again_and_told_once() {
    let mut story = Story::talking();
    story.tell(Event::Answered);
    assert_eq!(story.actions, [Action::Invite, Action::Ack, Action::Establish, Action::Ack]);
}

#[test]
fn an_edge_that_is_not_reached_in_twenty_seconds_ends_the_call() {
    let mut story = Story::waiting();
    story.run_for(19);
    assert!(story.actions.is_empty());
    story.run_for(1);
    assert_eq!(story.actions, [Action::End(EndReason::Unreachable)]);
    assert!(story.call.is_gone());
}

#[test]
fn a_call_that_is_hung_up_before_it_went_out_calls_nobody() {
    let mut story = Story::waiting();
    story.tell(Event::HangUp);
    story.tell(Event::Registered);
    assert_eq!(story.actions, [Action::End(EndReason::HungUp)]);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut story = Story::calling();
    story.tell(Event::HangUp);
    story.tell(Event::Answered);
    story.tell(Event::ByeAnswered);
    let said = [Action::Invite, Action::Cancel, Action::End(EndReason::HungUp), Action::Ack, Action::Bye];
    assert_eq!(story.actions, said);
    assert!(story.call.is_gone());
}

#[test]
fn what_the_edge_has_not_answered_goes_out_again_on_the_next_connection() {
    let mut story = Story::calling();
    story.tell(Event::Registered);
    story.tell(Event::HangUp);
    story.tell(Event::Registered);
    assert_eq!(story.actions.iter().filter(|action| **action == Action::Repeat).count(), 2);
    story.tell(Event::Refused(EndReason::NoAnswer));
    assert_eq!(story.actions.last(), Some(&Action::Repeat), "its end was told before");
    assert!(story.call.is_gone());
}

#[test]
fn a_talking_phone_that_comes_back_to_an_edge_without_its_call_is_told() {
    let mut story = Story::talking();
    story.tell(Event::Registered);
    story.tell(Event::StateKnown(WokenCallState::Ringing));
    assert_eq!(story.call.ended(), None);
    story.tell(Event::StateKnown(WokenCallState::Unknown));
    assert_eq!(story.call.ended(), Some(EndReason::RemoteHungUp));
}

#[test]
fn a_call_that_the_edge_never_ends_is_taken_back_and_then_forgotten() {
    let mut story = Story::calling();
    story.run_for(131);
    assert_eq!(story.actions, [Action::Invite, Action::Cancel, Action::End(EndReason::NoAnswer)]);
    story.run_for(32);
    assert!(story.call.is_gone());
}
