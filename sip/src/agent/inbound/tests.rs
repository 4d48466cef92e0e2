//! Stories of one call on the phone, told in events.

use callfield_domain::{Random, Seed};

use super::*;

struct Story {
    call: Call,
    now: Timestamp,
    actions: Vec<Action>,
}

impl Story {
    fn woken() -> Self {
        let now = Timestamp::from_millis(1_000);
        let id = CallId::new(now, &mut Random::new(Seed::from_number(1)));
        let mut story = Self { call: Call::new(id, now), now, actions: Vec::new() };
        story.tell(Event::Woken);
        story
    }

    fn ringing() -> Self {
        let mut story = Self::woken();
        story.tell(Event::Invited { ring_for: Some(Duration::from_secs(40)) });
        story
    }

    fn answered() -> Self {
        let mut story = Self::ringing();
        story.tell(Event::Answer);
        story.tell(Event::Sdp { is_there: true });
        story
    }

    fn tell(&mut self, event: Event) {
        self.call.handle(self.now, event);
        self.actions.extend(std::iter::from_fn(|| self.call.poll_output()));
    }

    fn run_until(&mut self, ms: i64) {
        let until = Timestamp::from_millis(1_000 + ms);
        while let Some((at, _)) = self.call.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = at;
            self.call.handle_timeout(at);
            self.actions.extend(std::iter::from_fn(|| self.call.poll_output()));
        }
        self.now = until;
    }

    fn count(&self, wanted: Action) -> usize {
        self.actions.iter().filter(|action| **action == wanted).count()
    }

    fn end(&self) -> Option<EndReason> {
        let ends = self.actions.iter().filter_map(|action| {
            let Action::End(reason) = action else { return None };
            Some(*reason)
        });
        let ends: Vec<EndReason> = ends.collect();
        assert!(ends.len() <= 1, "the app is told of the end once");
        ends.first().copied()
    }
}

#[test]
fn an_answer_before_the_invite_waits_for_it() {
    let mut story = Story::woken();
    story.tell(Event::Answer);
    assert_eq!(story.count(Action::AskSdp), 0);
    story.tell(Event::Invited { ring_for: None });
    assert_eq!((story.count(Action::Respond(180)), story.count(Action::AskSdp)), (1, 1));
}

#[test]
fn a_decline_before_the_invite_ends_the_screen_at_once_and_is_said_later() {
    let mut story = Story::woken();
    story.tell(Event::Decline);
    assert_eq!(story.end(), Some(EndReason::Declined));
    story.tell(Event::Invited { ring_for: None });
    assert_eq!((story.count(Action::Respond(603)), story.count(Action::Ring)), (1, 0));
    story.tell(Event::RefusalAcknowledged);
    assert!(story.call.is_gone());
}

#[test]
fn a_push_without_an_invite_asks_every_ten_seconds_and_gives_up_after_a_minute() {
    let mut story = Story::woken();
    assert_eq!(story.count(Action::AskState), 1);
    story.run_until(10_000);
    assert_eq!(story.count(Action::AskState), 2);
    story.run_until(60_000);
    assert_eq!(story.end(), Some(EndReason::Unreachable));
    assert!(story.call.is_gone());
}

#[test]
fn a_call_that_was_over_ends_the_screen_at_once() {
    let mut story = Story::woken();
    story.tell(Event::StateKnown(Some(WokenCallState::AnsweredElsewhere)));
    assert_eq!(story.end(), Some(EndReason::AnsweredElsewhere));
}

#[test]
fn a_repeated_invite_rings_once() {
    let mut story = Story::ringing();
    story.tell(Event::Invited { ring_for: None });
    assert_eq!((story.count(Action::Ring), story.count(Action::Repeat)), (1, 1));
}

#[test]
fn the_phone_stops_ringing_when_the_invite_expires_even_if_nobody_says_so() {
    let mut story = Story::ringing();
    story.run_until(39_999);
    assert_eq!(story.end(), None);
    story.run_until(40_000);
    assert_eq!(story.end(), Some(EndReason::Cancelled));
}

#[test]
fn a_cancel_after_the_answer_changes_nothing() {
    let mut story = Story::answered();
    story.tell(Event::Cancelled(EndReason::Cancelled));
    assert_eq!(story.end(), None);
    story.tell(Event::Acknowledged { too_late: None });
    assert_eq!(story.count(Action::Establish), 1);
}

#[test]
fn an_answer_that_lost_the_race_never_talks() {
    let mut story = Story::answered();
    story.tell(Event::Acknowledged { too_late: Some(EndReason::AnsweredElsewhere) });
    story.tell(Event::ByeReceived(EndReason::AnsweredElsewhere));
    assert_eq!((story.end(), story.count(Action::Establish)), (Some(EndReason::AnsweredElsewhere), 0));
    assert!(story.call.is_gone());
}

#[test]
fn a_200_is_repeated_until_its_ack_and_at_last_given_up_with_bye() {
    let mut story = Story::answered();
    story.run_until(31_999);
    // 0.5, 1.5, 3.5, 7.5, then every 4 s.
    assert_eq!(story.count(Action::Repeat), 10);
    story.run_until(32_000);
    assert_eq!((story.end(), story.count(Action::Bye)), (Some(EndReason::Failed), 1));
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut story = Story::answered();
    story.tell(Event::HangUp);
    assert_eq!((story.end(), story.count(Action::Bye)), (Some(EndReason::HungUp), 0));
    story.tell(Event::Acknowledged { too_late: None });
    assert_eq!((story.count(Action::Bye), story.count(Action::Establish)), (1, 0));
    story.tell(Event::ByeAnswered);
    assert!(story.call.is_gone());
}

#[test]
fn a_new_connection_repeats_what_the_edge_may_have_missed() {
    let mut story = Story::answered();
    story.tell(Event::Reconnected);
    assert_eq!(story.count(Action::Repeat), 1);
}

#[test]
fn a_call_that_ended_while_the_phone_was_away_ends_when_it_is_back() {
    let mut story = Story::answered();
    story.tell(Event::Acknowledged { too_late: None });
    story.tell(Event::StateKnown(Some(WokenCallState::Ringing)));
    assert_eq!(story.end(), None);
    story.tell(Event::StateKnown(Some(WokenCallState::Over)));
    assert_eq!(story.end(), Some(EndReason::RemoteHungUp));
    assert!(story.call.is_gone());
}
