//! Stories of one call, told in events.

use callfield_domain::{CallFacts, CallId, DeviceId, Milestone, Outcome, Random, Seed, TenantId, Timestamp, UserId};

use super::{Action, Call, Event, Farewell};
use crate::switchboard::{Decision, DeclinePolicy, RingPlan, Settings, Target, WokenCallState};

/// A call, its two devices and what it asked for so far.
struct Story {
    call: Call,
    now: Timestamp,
    phone: DeviceId,
    tablet: DeviceId,
    actions: Vec<Action>,
}

impl Story {
    /// A call that is routed to a phone and a tablet, both with a push token.
    fn routed(bound: impl Fn(DeviceId, DeviceId) -> Vec<DeviceId>, decline: DeclinePolicy) -> Self {
        let mut random = Random::new(Seed::from_number(1));
        let now = Timestamp::from_millis(1_000);
        let (phone, tablet) = (DeviceId::new(now, &mut random), DeviceId::new(now, &mut random));
        let settings = Settings::new("callfield.test", "192.0.2.1:5060");
        let call = Call::new(CallId::new(now, &mut random), "0312345678", "0350001000", &settings, now);
        let mut story = Self { call, now, phone, tablet, actions: Vec::new() };
        let target = |device| Target { device, has_push: true };
        let plan = RingPlan {
            tenant: TenantId::new(now, &mut random),
            user: UserId::new(now, &mut random),
            targets: vec![target(phone), target(tablet)],
            why: "record_owner".to_owned(),
            caller: "+81312345678".to_owned(),
            caller_name: Some("Tanaka Ichiro".to_owned()),
            called: "+81350001000".to_owned(),
            decline,
        };
        story.tell(Event::Routed { decision: Decision::Ring(plan), bound: bound(phone, tablet) });
        story
    }

    fn asleep() -> Self {
        Self::routed(|_, _| Vec::new(), DeclinePolicy::StopAll)
    }

    fn awake(decline: DeclinePolicy) -> Self {
        Self::routed(|phone, tablet| vec![phone, tablet], decline)
    }

    fn tell(&mut self, event: Event) {
        self.call.handle(self.now, event);
        self.actions.extend(std::iter::from_fn(|| self.call.poll_output()));
    }

    fn run_until(&mut self, ms: i64) {
        let until = Timestamp::from_millis(1_000 + ms);
        while let Some((at, _)) = self.call.poll_timeout().filter(|(at, _)| *at <= until) {
            assert!(at >= self.now, "no deadline lies in the past");
            self.now = at;
            self.call.handle_timeout(at);
            self.actions.extend(std::iter::from_fn(|| self.call.poll_output()));
        }
        self.now = until;
    }

    fn register(&mut self, device: DeviceId) {
        self.tell(Event::Registered(device));
    }

    /// The attempts at which a device was pushed.
    fn wakes(&self, device: DeviceId) -> Vec<u32> {
        let wakes = self.actions.iter().filter_map(|action| {
            let Action::Wake(wake) = action else { return None };
            (wake.device == device).then_some(wake.attempt)
        });
        wakes.collect()
    }

    fn count(&self, wanted: &Action) -> usize {
        self.actions.iter().filter(|action| *action == wanted).count()
    }

    fn rows(&self) -> Vec<&CallFacts> {
        let rows = self.actions.iter().filter_map(|action| {
            let Action::Persist(facts) = action else { return None };
            Some(facts)
        });
        rows.collect()
    }

    fn outcome(&self) -> Option<Outcome> {
        assert!(self.rows().len() <= 1, "a call has one row");
        self.rows().first().and_then(|facts| facts.outcome)
    }
}

#[test]
fn a_sleeping_phone_is_pushed_at_once_and_invited_when_it_registers() {
    let mut story = Story::asleep();
    assert_eq!(story.wakes(story.phone), [0]);
    assert_eq!(story.count(&Action::Progress(180)), 1);
    assert_eq!(story.count(&Action::Invite(story.phone)), 0);
    story.register(story.phone);
    assert_eq!(story.count(&Action::Invite(story.phone)), 1);
    assert_eq!(story.count(&Action::Invite(story.tablet)), 0);
}

#[test]
fn a_lost_push_is_repeated_after_four_and_after_eight_more_seconds() {
    let mut story = Story::asleep();
    story.run_until(3_999);
    assert_eq!(story.wakes(story.phone), [0]);
    story.run_until(4_000);
    assert_eq!(story.wakes(story.phone), [0, 1]);
    story.run_until(11_999);
    assert_eq!(story.wakes(story.phone), [0, 1]);
    story.run_until(44_999);
    assert_eq!(story.wakes(story.phone), [0, 1, 2]);
}

#[test]
fn a_phone_that_asked_for_the_state_is_not_pushed_again() {
    let mut story = Story::asleep();
    story.tell(Event::StateAsked(story.phone));
    story.run_until(20_000);
    assert_eq!(story.wakes(story.phone), [0]);
    assert_eq!(story.wakes(story.tablet), [0, 1, 2]);
}

#[test]
fn a_branch_is_released_once_however_often_the_device_registers() {
    let mut story = Story::asleep();
    for _ in 0..3 {
        story.register(story.phone);
    }
    story.tell(Event::Progressed { device: story.phone, rings: true });
    story.register(story.phone);
    assert_eq!(story.count(&Action::Invite(story.phone)), 1);
}

#[test]
fn a_device_unknown_when_the_call_came_rings_too() {
    let mut story = Story::asleep();
    let laptop = DeviceId::new(story.now, &mut Random::new(Seed::from_number(9)));
    story.register(laptop);
    assert_eq!(story.count(&Action::Invite(laptop)), 1);
}

#[test]
fn a_silent_connection_is_pushed_after_two_seconds_and_not_invited_again() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Progressed { device: story.tablet, rings: false });
    story.run_until(1_999);
    assert_eq!(story.wakes(story.phone), [0_u32; 0]);
    story.run_until(2_000);
    assert_eq!(story.wakes(story.phone), [0]);
    assert_eq!(story.wakes(story.tablet), [0_u32; 0]);
    story.tell(Event::Registered(story.phone));
    assert_eq!(story.count(&Action::Invite(story.phone)), 1);
}

#[test]
fn a_connection_lost_before_any_response_is_pushed_at_once() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::ConnectionLost(story.phone));
    assert_eq!(story.wakes(story.phone), [0]);
}

#[test]
fn the_first_answer_wins_and_the_other_device_is_told_that_it_was_elsewhere() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Answered(story.phone));
    assert_eq!(story.count(&Action::Join(story.phone)), 1);
    assert_eq!(story.count(&Action::Cancel { device: story.tablet, elsewhere: true }), 1);
    story.tell(Event::Joined);
    assert_eq!(story.call.woken_state(story.tablet), WokenCallState::AnsweredElsewhere);
    assert_eq!(story.call.woken_state(story.phone), WokenCallState::Ringing);
    story.tell(Event::CallerHungUp);
    assert_eq!(story.call.woken_state(story.phone), WokenCallState::Over);
}

#[test]
fn a_late_answer_is_hung_up_and_never_joined() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Answered(story.phone));
    story.tell(Event::Joined);
    story.tell(Event::Answered(story.tablet));
    assert_eq!(story.count(&Action::Join(story.tablet)), 0);
    assert_eq!(story.count(&Action::HangUpDevice { device: story.tablet, elsewhere: true }), 1);
}

#[test]
fn a_decline_stops_all_where_the_policy_says_so() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Refused { device: story.phone, status: 603 });
    assert_eq!(story.outcome(), Some(Outcome::Rejected));
    assert_eq!(story.count(&Action::Cancel { device: story.tablet, elsewhere: false }), 1);
}

#[test]
fn the_others_ring_on_after_a_decline_until_all_have_declined() {
    let mut story = Story::awake(DeclinePolicy::RingOn);
    story.tell(Event::Refused { device: story.phone, status: 603 });
    assert_eq!(story.outcome(), None);
    story.tell(Event::Refused { device: story.tablet, status: 603 });
    assert_eq!(story.outcome(), Some(Outcome::Rejected));
}

#[test]
fn a_busy_phone_does_not_stop_the_others() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Refused { device: story.phone, status: 486 });
    assert_eq!(story.outcome(), None);
    story.tell(Event::Refused { device: story.tablet, status: 486 });
    assert_eq!(story.outcome(), Some(Outcome::Busy));
}

#[test]
fn a_call_that_rang_in_vain_was_not_answered_and_one_that_never_rang_was_missed() {
    let mut story = Story::asleep();
    story.run_until(45_000);
    assert_eq!(story.outcome(), Some(Outcome::MissedDeviceUnreachable));
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Progressed { device: story.phone, rings: true });
    story.run_until(45_000);
    assert_eq!(story.outcome(), Some(Outcome::NoAnswer));
    assert_eq!(story.count(&Action::Cancel { device: story.phone, elsewhere: false }), 1);
}

#[test]
fn nobody_is_woken_or_invited_after_the_end() {
    let mut story = Story::asleep();
    story.tell(Event::CallerCancelled);
    story.run_until(10_000);
    story.register(story.phone);
    assert_eq!(story.wakes(story.phone), [0]);
    assert_eq!(story.count(&Action::Invite(story.phone)), 0);
    assert_eq!(story.call.woken_state(story.phone), WokenCallState::Cancelled);
}

#[test]
fn the_far_end_hears_of_the_end_only_when_the_row_is_durable() {
    let mut story = Story::asleep();
    story.tell(Event::CallerCancelled);
    let farewell = Action::Finish(Farewell::Refuse(487));
    assert_eq!((story.outcome(), story.count(&farewell)), (Some(Outcome::Canceled), 0));
    story.tell(Event::Persisted);
    assert_eq!(story.count(&farewell), 1);
    assert!(story.call.is_gone());
}

#[test]
fn a_row_that_never_gets_durable_does_not_keep_the_call_for_ever() {
    let mut story = Story::asleep();
    story.tell(Event::CallerCancelled);
    story.run_until(20_000);
    assert!(story.call.is_gone());
}

#[test]
fn a_caller_who_gives_up_before_the_route_is_known_still_gets_a_row() {
    let mut random = Random::new(Seed::from_number(1));
    let settings = Settings::new("callfield.test", "192.0.2.1:5060");
    let now = Timestamp::ZERO;
    let mut call = Call::new(CallId::new(now, &mut random), "", "1", &settings, now);
    call.handle(now, Event::CallerCancelled);
    let tenant = Some(TenantId::new(now, &mut random));
    let decision = Decision::Reject { status: 404, outcome: Outcome::NoRoute, tenant };
    call.handle(now, Event::Routed { decision, bound: Vec::new() });
    let actions: Vec<Action> = std::iter::from_fn(|| call.poll_output()).collect();
    assert!(actions.iter().any(|a| matches!(a, Action::Persist(row) if row.outcome == Some(Outcome::Canceled))));
    assert!(!actions.iter().any(|action| matches!(action, Action::Wake(_) | Action::Invite(_))));
}

#[test]
fn both_ends_hanging_up_at_once_is_one_end() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Answered(story.phone));
    story.tell(Event::Joined);
    story.tell(Event::CallerHungUp);
    story.tell(Event::DeviceHungUp(story.phone));
    assert_eq!(story.outcome(), Some(Outcome::Completed));
    assert_eq!(story.count(&Action::EndMedia), 1);
}

#[test]
fn ends_without_a_common_codec_are_refused_with_488() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Answered(story.phone));
    story.tell(Event::JoinFailed);
    story.tell(Event::Persisted);
    assert_eq!(story.outcome(), Some(Outcome::Failed));
    assert_eq!(story.count(&Action::HangUpDevice { device: story.phone, elsewhere: false }), 1);
    assert_eq!(story.count(&Action::Finish(Farewell::Refuse(488))), 1);
}

#[test]
fn a_phone_that_vanishes_during_the_call_ends_it_after_a_minute() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Answered(story.phone));
    story.tell(Event::Joined);
    story.tell(Event::ConnectionLost(story.phone));
    story.run_until(30_000);
    story.tell(Event::Registered(story.phone));
    story.run_until(100_000);
    assert_eq!(story.outcome(), None);
    story.tell(Event::ConnectionLost(story.phone));
    story.run_until(160_000);
    assert_eq!(story.outcome(), Some(Outcome::Completed));
}

#[test]
fn a_push_and_then_a_dead_contact_do_not_cost_a_phone_the_call() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.run_until(2_000);
    assert_eq!((story.wakes(story.phone), story.wakes(story.tablet)), (vec![0], vec![0]));
    for device in [story.phone, story.tablet] {
        story.tell(Event::Unreached { device, status: 503 });
    }
    assert_eq!(story.outcome(), None, "both were pushed and may come");
    story.register(story.phone);
    assert_eq!(story.count(&Action::Invite(story.phone)), 2, "the first INVITE went nowhere");
    story.tell(Event::Answered(story.phone));
    assert_eq!(story.count(&Action::Join(story.phone)), 1);
}

#[test]
fn a_contact_that_turns_out_dead_is_pushed_at_once() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Unreached { device: story.phone, status: 503 });
    assert_eq!(story.wakes(story.phone), [0]);
    story.tell(Event::Refreshed(story.phone));
    assert_eq!(story.count(&Action::Invite(story.phone)), 2);
    story.tell(Event::Refreshed(story.phone));
    assert_eq!(story.count(&Action::Invite(story.phone)), 2, "a refresh releases nothing");
}

#[test]
fn a_decline_of_any_600_speaks_for_the_person_and_one_of_400_for_the_device() {
    for (status, stops_all) in [
        (600, true),
        (603, true),
        (607, true),
        (608, true),
        (486, false),
        (480, false),
        (403, false),
        (404, false),
        (604, false),
        (606, false),
        (500, false),
    ] {
        let mut story = Story::awake(DeclinePolicy::StopAll);
        story.tell(Event::Refused { device: story.phone, status });
        assert_eq!(story.outcome(), stops_all.then_some(Outcome::Rejected), "{status}");
        let mut story = Story::awake(DeclinePolicy::RingOn);
        story.tell(Event::Refused { device: story.phone, status });
        assert_eq!(story.outcome(), None, "{status}");
        story.tell(Event::Answered(story.tablet));
        assert_eq!(story.count(&Action::Join(story.tablet)), 1, "{status}");
    }
}

#[test]
fn what_the_last_device_says_is_the_outcome_when_no_other_can_answer() {
    for (statuses, outcome, told) in [
        ([486, 486], Outcome::Busy, 486),
        ([404, 486], Outcome::Busy, 486),
        ([488, 404], Outcome::Failed, 488),
        ([480, 480], Outcome::MissedDeviceUnreachable, 480),
        ([410, 404], Outcome::MissedDeviceUnreachable, 480),
        ([404, 500], Outcome::Failed, 480),
    ] {
        let mut story = Story::awake(DeclinePolicy::StopAll);
        story.tell(Event::Refused { device: story.phone, status: statuses[0] });
        story.tell(Event::Refused { device: story.tablet, status: statuses[1] });
        story.tell(Event::Persisted);
        assert_eq!(story.outcome(), Some(outcome), "{statuses:?}");
        assert_eq!(story.count(&Action::Finish(Farewell::Refuse(told))), 1, "{statuses:?}");
    }
}

#[test]
fn a_phone_that_rang_and_then_failed_did_not_make_the_call_a_missed_one() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Progressed { device: story.phone, rings: true });
    story.tell(Event::Refused { device: story.phone, status: 480 });
    story.tell(Event::Refused { device: story.tablet, status: 480 });
    assert_eq!(story.outcome(), Some(Outcome::NoAnswer));
}

impl Story {
    /// The steps on the timeline with their details.
    fn steps(&self) -> Vec<(Milestone, Option<&str>)> {
        let steps = self.actions.iter().filter_map(|action| {
            let Action::Timeline(event) = action else { return None };
            Some((event.milestone, event.detail.as_deref()))
        });
        steps.collect()
    }
}

#[test]
fn each_push_is_on_the_timeline_when_it_is_ordered() {
    let mut story = Story::asleep();
    story.tell(Event::StateAsked(story.tablet));
    story.run_until(5_000);
    let queued: Vec<_> = story.steps().into_iter().filter(|(step, _)| *step == Milestone::PushQueued).collect();
    assert_eq!(queued.iter().map(|(_, detail)| *detail).collect::<Vec<_>>(), [None, None, Some("1")]);
}

impl Story {
    /// Who was told to have missed the call.
    fn told(&self) -> Vec<DeviceId> {
        let told = self.actions.iter().filter_map(|action| {
            let Action::Missed(missed) = action else { return None };
            assert_eq!((Some(missed.outcome), missed.from.as_str()), (self.outcome(), "+81312345678"));
            assert_eq!(missed.at, Timestamp::from_millis(1_000));
            Some(missed.device)
        });
        told.collect()
    }
}

#[test]
fn a_phone_that_never_rang_is_told_of_the_call_when_the_caller_gives_up_or_nobody_comes() {
    let mut story = Story::asleep();
    story.tell(Event::CallerCancelled);
    assert_eq!((story.outcome(), story.told()), (Some(Outcome::Canceled), vec![story.phone, story.tablet]));
    let mut story = Story::asleep();
    story.run_until(45_000);
    assert_eq!(story.told(), [story.phone, story.tablet]);
}

#[test]
fn a_phone_that_rang_asked_or_refused_is_not_told_that_it_missed_the_call() {
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Progressed { device: story.phone, rings: true });
    story.run_until(45_000);
    assert_eq!((story.outcome(), story.told()), (Some(Outcome::NoAnswer), vec![story.tablet]));
    let mut story = Story::asleep();
    story.tell(Event::StateAsked(story.phone));
    story.tell(Event::CallerCancelled);
    assert_eq!(story.told(), [story.tablet]);
    let mut story = Story::awake(DeclinePolicy::StopAll);
    story.tell(Event::Refused { device: story.phone, status: 486 });
    story.tell(Event::CallerCancelled);
    assert_eq!(story.told(), [story.tablet]);
}

#[test]
fn a_call_that_was_answered_elsewhere_or_declined_was_not_missed() {
    let mut story = Story::asleep();
    story.register(story.phone);
    story.tell(Event::Answered(story.phone));
    story.tell(Event::CallerCancelled);
    assert_eq!((story.outcome(), story.told()), (Some(Outcome::Canceled), vec![]));
    let mut story = Story::asleep();
    story.register(story.phone);
    story.tell(Event::Answered(story.phone));
    story.tell(Event::Joined);
    story.tell(Event::CallerHungUp);
    assert_eq!((story.outcome(), story.told()), (Some(Outcome::Completed), vec![]));
    let mut story = Story::asleep();
    story.register(story.phone);
    story.tell(Event::Refused { device: story.phone, status: 603 });
    assert_eq!((story.outcome(), story.told()), (Some(Outcome::Rejected), vec![]));
}
