//! Stories of one outbound call, told in events.

use callfield_domain::{DeviceId, Outcome, Random, Seed, TenantId, TrunkId, UserId};

use super::*;
use crate::switchboard::Hop;

struct Story {
    call: Call,
    now: Timestamp,
    actions: Vec<Action>,
}

fn hop(number: u8) -> Hop {
    let mut random = Random::new(Seed::from_number(number.into()));
    let trunk = TrunkId::new(Timestamp::ZERO, &mut random);
    Hop { trunk, address: ([192, 0, 2, number], 5060).into(), max_calls: None, account: None }
}

impl Story {
    fn asked() -> Self {
        let now = Timestamp::from_millis(1_000);
        let mut random = Random::new(Seed::from_number(1));
        let device = DeviceIdentity {
            tenant: TenantId::new(now, &mut random),
            user: UserId::new(now, &mut random),
            device: DeviceId::new(now, &mut random),
        };
        let settings = Settings::new("phones.test", "192.0.2.1:5060");
        let call = Call::new(CallId::new(now, &mut random), device, "0312345678", &settings, now);
        let mut story = Self { call, now, actions: Vec::new() };
        story.drain();
        story
    }

    fn calling() -> Self {
        Self::calling_over(1)
    }

    /// The first of so many trunks is called.
    fn calling_over(trunks: u8) -> Self {
        let mut story = Self::asked();
        story.tell(Event::Routed(OutboundDecision::Dial(DialPlan {
            hops: (1..=trunks).map(hop).collect(),
            caller: "+81350001000".to_owned(),
            called: "+81312345678".to_owned(),
            why: "trunk".to_owned(),
        })));
        story.tell(Event::Offered { is_there: true });
        story
    }

    fn talking() -> Self {
        let mut story = Self::calling();
        story.tell(Event::Rings);
        story.tell(Event::Answered);
        story.tell(Event::Joined { is_there: true });
        story
    }

    fn tell(&mut self, event: Event) {
        self.call.handle(self.now, event);
        self.drain();
    }

    fn drain(&mut self) {
        self.actions.extend(std::iter::from_fn(|| self.call.poll_output()));
    }

    /// Lets time pass, with every deadline on the way.
    fn run_for(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some((at, _)) = self.call.poll_timeout().filter(|(at, _)| *at <= until) {
            self.now = at;
            self.call.handle_timeout(at);
            self.drain();
        }
        self.now = until;
    }

    fn count(&self, wanted: &Action) -> usize {
        self.actions.iter().filter(|action| *action == wanted).count()
    }

    /// The row; there is exactly one.
    fn row(&self) -> &CallFacts {
        let rows: Vec<&CallFacts> = self
            .actions
            .iter()
            .filter_map(|action| if let Action::Persist(facts) = action { Some(facts) } else { None })
            .collect();
        assert_eq!(rows.len(), 1, "{:?}", self.actions);
        rows[0]
    }

    fn outcome(&self) -> Option<Outcome> {
        self.row().outcome
    }
}

#[test]
fn a_call_that_the_far_end_answers_is_completed_when_one_end_hangs_up() {
    for event in [Event::DeviceHungUp, Event::FarHungUp] {
        let mut story = Story::talking();
        let order: Vec<&Action> =
            story.actions.iter().filter(|action| !matches!(action, Action::Timeline(_) | Action::Changed(_))).collect();
        assert_eq!(order, [&Action::AskOffer, &Action::Invite, &Action::Ring, &Action::AskAnswer, &Action::Accept]);
        story.now = story.now + Duration::from_secs(60);
        story.tell(event);
        let row = story.row();
        assert_eq!((row.direction, row.outcome), (Direction::Outbound, Some(Outcome::Completed)));
        assert_eq!((row.from.as_str(), row.to.as_str()), ("+81350001000", "+81312345678"));
        assert_eq!(row.talk_ms(), Some(60_000));
        assert_eq!((story.count(&Action::HangUpFar), story.count(&Action::HangUpDevice)), (1, 1));
    }
}

#[test]
fn nobody_hears_of_the_end_before_the_row_is_durable() {
    let mut story = Story::talking();
    story.tell(Event::DeviceHungUp);
    assert_eq!(story.count(&Action::Finish(Farewell::HangUp)), 0);
    story.tell(Event::Persisted);
    assert_eq!(story.count(&Action::Finish(Farewell::HangUp)), 1);
    assert!(story.call.is_gone());
}

#[test]
fn a_row_that_is_not_written_in_time_does_not_hold_the_two_ends_for_ever() {
    let mut story = Story::talking();
    story.tell(Event::DeviceHungUp);
    story.run_for(21);
    assert_eq!(story.count(&Action::Finish(Farewell::HangUp)), 1);
}

#[test]
fn what_the_far_end_says_becomes_the_outcome() {
    let cases = [
        (486, Outcome::Busy),
        (600, Outcome::Busy),
        (603, Outcome::Rejected),
        (480, Outcome::NoAnswer),
        (408, Outcome::NoAnswer),
        (404, Outcome::NoRoute),
        (503, Outcome::Failed),
    ];
    for (status, outcome) in cases {
        let mut story = Story::calling();
        story.tell(Event::Refused(status));
        story.tell(Event::Persisted);
        assert_eq!(story.outcome(), Some(outcome), "{status}");
        assert_eq!(story.count(&Action::Finish(Farewell::Refuse(status))), 1);
        assert_eq!(story.count(&Action::Cancel), 0, "there is nothing to take back");
        assert_eq!(story.count(&Action::EndMedia), 1);
    }
}

#[test]
fn a_trunk_that_cannot_is_followed_by_the_next_and_a_person_who_refuses_is_not() {
    for status in [408, 500, 502, 503, 504] {
        let mut story = Story::calling_over(2);
        story.tell(Event::Refused(status));
        assert_eq!((story.count(&Action::InviteNext), story.call.hop()), (1, Some(&hop(2))), "{status}");
        story.tell(Event::Refused(status));
        assert_eq!((story.count(&Action::InviteNext), story.count(&Action::EndMedia)), (1, 1), "{status}");
        assert_eq!(story.row().state, CallState::Ended);
    }
    for status in [302, 403, 404, 407, 480, 486, 600, 603] {
        let mut story = Story::calling_over(2);
        story.tell(Event::Refused(status));
        assert_eq!((story.count(&Action::InviteNext), story.count(&Action::EndMedia)), (0, 1), "{status}");
    }
}

#[test]
fn a_far_end_that_rings_is_not_called_again_over_another_trunk() {
    let mut story = Story::calling_over(2);
    story.tell(Event::Rings);
    story.run_for(30);
    story.tell(Event::Refused(503));
    assert_eq!((story.count(&Action::InviteNext), story.outcome()), (0, Some(Outcome::Failed)));
}

#[test]
fn a_silent_trunk_is_left_after_four_seconds_if_there_is_another() {
    let mut story = Story::calling_over(2);
    story.run_for(3);
    assert_eq!(story.count(&Action::InviteNext), 0);
    story.run_for(1);
    assert_eq!(story.count(&Action::InviteNext), 1);
    story.run_for(60);
    assert_eq!(story.count(&Action::InviteNext), 1, "the last one may be silent as long as its transaction lasts");

    let mut story = Story::calling_over(2);
    story.tell(Event::Heard);
    story.run_for(60);
    assert_eq!(story.count(&Action::InviteNext), 0, "who says 100 is there");
}

#[test]
fn a_full_trunk_is_passed_over_and_without_another_the_call_fails() {
    let mut story = Story::calling_over(2);
    story.tell(Event::TrunkFull);
    assert_eq!(story.count(&Action::InviteNext), 1);
    story.tell(Event::TrunkFull);
    story.tell(Event::Persisted);
    assert_eq!((story.outcome(), story.count(&Action::Finish(Farewell::Refuse(503)))), (Some(Outcome::Failed), 1));
}

#[test]
fn a_phone_hears_neither_of_a_redirection_nor_of_a_challenge_that_is_not_its_own() {
    for status in [300, 302, 380, 401, 407] {
        let mut story = Story::calling();
        story.tell(Event::Refused(status));
        story.tell(Event::Persisted);
        assert_eq!(story.outcome(), Some(Outcome::Failed), "{status}");
        assert_eq!(story.count(&Action::Finish(Farewell::Refuse(503))), 1, "{status}");
        assert_eq!(story.count(&Action::Invite), 1, "{status}");
    }
}

#[test]
fn a_refused_route_has_a_row_and_no_media() {
    let mut story = Story::asked();
    story.tell(Event::Routed(OutboundDecision::Reject { status: 380, outcome: Outcome::Blocked }));
    assert_eq!((story.outcome(), story.row().to.as_str()), (Some(Outcome::Blocked), "0312345678"));
    assert_eq!((story.count(&Action::EndMedia), story.count(&Action::Invite)), (0, 0));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_hung_up() {
    let mut story = Story::calling();
    story.tell(Event::Cancelled);
    assert_eq!((story.outcome(), story.count(&Action::Cancel)), (Some(Outcome::Canceled), 1));
    story.tell(Event::Persisted);
    story.tell(Event::Answered);
    assert_eq!((story.count(&Action::HangUpFar), story.count(&Action::AskAnswer)), (1, 0));
    assert_eq!(story.outcome(), Some(Outcome::Canceled));
}

#[test]
fn a_phone_that_gives_up_while_the_shell_decides_calls_nobody() {
    let mut story = Story::asked();
    story.tell(Event::Cancelled);
    story.tell(Event::Routed(OutboundDecision::Dial(DialPlan {
        hops: vec![hop(1)],
        caller: String::new(),
        called: String::new(),
        why: String::new(),
    })));
    assert_eq!((story.outcome(), story.count(&Action::AskOffer)), (Some(Outcome::Canceled), 0));
}

#[test]
fn a_far_end_that_never_answers_is_given_up_after_two_minutes() {
    let mut story = Story::calling();
    story.tell(Event::Rings);
    story.run_for(119);
    assert_eq!(story.count(&Action::Cancel), 0);
    story.run_for(2);
    assert_eq!((story.outcome(), story.count(&Action::Cancel)), (Some(Outcome::NoAnswer), 1));
}

#[test]
fn two_ends_without_a_common_codec_are_both_told() {
    let mut story = Story::calling();
    story.tell(Event::Answered);
    story.tell(Event::Joined { is_there: false });
    story.tell(Event::Persisted);
    assert_eq!((story.outcome(), story.row().answered_at), (Some(Outcome::Failed), None));
    assert_eq!(story.count(&Action::HangUpFar), 1);
    assert_eq!(story.count(&Action::Finish(Farewell::Refuse(488))), 1);
}

#[test]
fn a_phone_that_stays_away_for_a_minute_loses_its_call_and_one_that_comes_back_keeps_it() {
    let mut story = Story::talking();
    story.tell(Event::ConnectionLost);
    story.run_for(30);
    story.tell(Event::Registered { is_known: true });
    story.run_for(600);
    assert_eq!(story.count(&Action::HangUpFar), 0);
    story.tell(Event::ConnectionLost);
    story.run_for(61);
    assert_eq!((story.outcome(), story.count(&Action::HangUpFar)), (Some(Outcome::Completed), 1));
}

#[test]
fn a_killed_app_takes_its_call_back() {
    let mut story = Story::calling();
    story.tell(Event::Registered { is_known: false });
    assert_eq!((story.outcome(), story.count(&Action::Cancel)), (Some(Outcome::Canceled), 1));
}
