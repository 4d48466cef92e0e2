//! Calls that ring their own user first: two phones of one user, and the far end behind a trunk.

use callfield_domain::Milestone::{
    Answered, Cancelled, DeviceRinging, Durable, HungUp, InviteForwarded, PushQueued, Registered, Requested, Routed,
};
use callfield_domain::{Direction, Outcome};

use super::outbound::{ended, id, plan};
use super::*;
use crate::agent::EndReason;

impl Story {
    fn wish(&self) -> CallBack {
        let own = self.phones[0].identity;
        let ring = RingPlan {
            tenant: own.tenant,
            user: own.user,
            targets: self.phones.iter().map(|phone| Target { device: phone.identity.device, has_push: true }).collect(),
            why: "callback".to_owned(),
            caller: "+81312345678".to_owned(),
            caller_name: Some("Tanaka Ichiro".to_owned()),
            called: "+81350001000".to_owned(),
            decline: DeclinePolicy::StopAll,
        };
        CallBack { call: id(), ring, only: None, dial: plan() }
    }

    fn call_back(&mut self) {
        let wish = self.wish();
        self.tell(Input::CallBack(Box::new(wish)));
    }

    /// The first phone has answered, and the far end is called.
    fn dials_back() -> Self {
        let mut story = Self::awake();
        story.call_back();
        story.tell_phone(0, AgentInput::Answer { call: id() });
        story
    }

    fn talks_back() -> Self {
        let mut story = Self::dials_back();
        story.far_end(180, "b", "");
        story.far_end(200, "b", "v=far");
        story
    }

    fn begun(&self) -> Option<CallbackRefusal> {
        let begun = self.shell.iter().rev().find_map(|output| {
            let Output::CallbackBegun { refused, .. } = output else { return None };
            Some(*refused)
        });
        begun.unwrap()
    }

    fn end_it(&mut self, user: Option<UserId>) -> bool {
        let tenant = self.phones[0].identity.tenant;
        self.tell(Input::EndCallback { call: id(), tenant, user });
        self.shell.iter().any(|output| *output == Output::CallbackEnded { call: id(), is_found: true })
    }

    fn steps(&self) -> Vec<(Milestone, bool)> {
        let steps = self.shell.iter().filter_map(|output| {
            let Output::Timeline { event, .. } = output else { return None };
            Some((event.milestone, event.device.is_some()))
        });
        steps.collect()
    }

    fn is_told(&self, phone: usize, reason: EndReason) -> bool {
        self.news(phone).contains(&&ended(reason))
    }
}

#[test]
fn p8_p9_the_own_phone_is_woken_and_only_when_it_answers_the_customer_is_called() {
    let mut story = Story::new();
    story.call_back();
    assert_eq!(story.begun(), None);
    let wakes: Vec<&Wake> = story
        .shell
        .iter()
        .filter_map(|output| if let Output::Wake(wake) = output { Some(wake) } else { None })
        .collect();
    assert_eq!((wakes.len(), wakes[0].from.as_str(), wakes[0].why.as_str()), (2, "+81312345678", "callback"));
    story.tell_phone(0, AgentInput::Register { call: Some(id()) });
    let invite = story.phones[0].got.iter().find(|message| message.method() == &Method::Invite).unwrap();
    assert_eq!(invite.from().display().as_deref(), Some("Tanaka Ichiro"));
    assert_eq!(invite.body().as_ref(), b"v=offer", "media can flow as soon as the far end answers");
    story.tell_phone(1, AgentInput::Register { call: Some(id()) });
    assert!(story.trunk.is_empty());

    story.now = at(5_000);
    story.tell_phone(0, AgentInput::Answer { call: id() });
    assert!(story.is_told(1, EndReason::AnsweredElsewhere));
    let out = story.last(&Method::Invite);
    assert_eq!(out.request_uri_text(), "sip:+81312345678@192.0.2.9:5060;user=phone");
    assert_eq!(
        (out.from().uri_text(), out.body().as_ref()),
        ("sip:+81350001000@phones.test;user=phone", &b"v=trunk"[..])
    );
    let device = story.phones[0].identity.device;
    let wanted = Output::FarOfferWanted { call: id(), device, device_sdp: "v=phone".into() };
    assert!(story.shell.contains(&wanted));

    story.far_end(180, "b", "");
    story.now = at(9_000);
    story.far_end(200, "b", "v=far");
    assert!(story.shell.contains(&Output::FarAnswered { call: id(), far_sdp: "v=far".into() }));
    assert_eq!((story.sent(&Method::Ack), story.edge.live_calls()), (1, 1));
    story.now = at(12_000);
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.sent(&Method::Bye), 1);
    let facts = story.facts();
    assert_eq!((facts.direction, facts.outcome), (Direction::Outbound, Some(Outcome::Completed)));
    assert_eq!((facts.from.as_str(), facts.to.as_str()), ("+81350001000", "+81312345678"));
    assert_eq!((facts.user, facts.device), (Some(story.phones[0].identity.user), Some(device)));
    assert_eq!((facts.started_at, facts.answered_at, facts.talk_ms()), (at(0), Some(at(9_000)), Some(3_000)));
    let expected = [
        (Requested, false),
        (Routed, false),
        (PushQueued, true),
        (PushQueued, true),
        (Registered, true),
        (InviteForwarded, true),
        (DeviceRinging, true),
        (Registered, true),
        (InviteForwarded, true),
        (DeviceRinging, true),
        (Answered, true),
        (Routed, false),
        (Cancelled, true),
        (InviteForwarded, false),
        (DeviceRinging, false),
        (Answered, false),
        (HungUp, true),
        (Durable, false),
    ];
    let steps: Vec<_> = story.steps().into_iter().filter(|(step, _)| *step != Milestone::StateAsked).collect();
    assert_eq!(steps, expected);
    let ends = story.shell.iter().filter(|output| matches!(output, Output::MediaEnded { .. })).count();
    assert_eq!((ends, story.edge.live_calls()), (1, 0));
}

#[test]
fn a_customer_who_hangs_up_hears_of_it_when_the_row_is_durable() {
    let mut story = Story::talks_back();
    story.late_rows = true;
    story.far_bye();
    assert!(story.is_told(0, EndReason::RemoteHungUp));
    assert!(story.statuses(&Method::Bye).is_empty());
    story.tell(Input::Persisted { call: id() });
    assert_eq!(story.statuses(&Method::Bye), [200]);
    assert_eq!((story.facts().outcome, story.edge.live_calls()), (Some(Outcome::Completed), 0));
}

#[test]
fn what_the_customer_refuses_with_decides_the_outcome_and_ends_the_own_leg() {
    for (status, outcome) in
        [(486, Outcome::Busy), (603, Outcome::Rejected), (404, Outcome::NoRoute), (503, Outcome::Failed)]
    {
        let mut story = Story::dials_back();
        story.far_end(status, "b", "");
        assert!(story.is_told(0, EndReason::RemoteHungUp), "{status}");
        let facts = story.facts();
        assert_eq!((facts.outcome, facts.answered_at), (Some(outcome), None), "{status}");
        assert_eq!(story.edge.live_calls(), 0);
    }
    let mut story = Story::dials_back();
    story.far_end(180, "b", "");
    story.run_until(121_000);
    assert_eq!((story.facts().outcome, story.sent(&Method::Cancel) > 0), (Some(Outcome::NoAnswer), true));
}

#[test]
fn a_user_who_hangs_up_while_the_customer_rings_has_the_invite_taken_back() {
    let mut story = Story::dials_back();
    story.far_end(180, "b", "");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.sent(&Method::Cancel), 1);
    assert_eq!(story.facts().outcome, Some(Outcome::Canceled));
    story.far_end(200, "b", "v=far");
    assert_eq!((story.sent(&Method::Ack), story.sent(&Method::Bye)), (1, 1), "the answer crossed the CANCEL");
    story.run_until(200_000);
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_wish_that_is_taken_back_ends_the_call_wherever_it_is_and_only_by_its_user() {
    for (far, outcome) in [(None, Outcome::Canceled), (Some(180), Outcome::Canceled), (Some(200), Outcome::Completed)] {
        let mut story = Story::awake();
        story.call_back();
        if let Some(status) = far {
            story.tell_phone(0, AgentInput::Answer { call: id() });
            story.far_end(status, "b", "v=far");
        }
        let stranger = UserId::new(at(0), &mut Random::new(Seed::from_number(3)));
        assert!(!story.end_it(Some(stranger)), "it is somebody else's");
        assert_eq!(story.edge.live_calls(), 1);
        assert!(story.end_it(Some(story.phones[0].identity.user)));
        assert_eq!((story.facts().outcome, story.edge.live_calls()), (Some(outcome), 0), "{far:?}");
        assert_eq!(story.sent(&Method::Cancel) + story.sent(&Method::Bye), usize::from(far.is_some()));
    }
    let mut story = Story::awake();
    story.dial();
    assert!(!story.end_it(None), "a call that came in is not one of these");
}

#[test]
fn a_user_who_does_not_take_up_the_own_call_has_given_it_up_and_nobody_was_called() {
    let mut story = Story::awake();
    story.call_back();
    story.tell_phone(0, AgentInput::Decline { call: id() });
    assert_eq!((story.facts().outcome, story.trunk.len()), (Some(Outcome::Canceled), 0));

    let mut story = Story::awake();
    story.call_back();
    story.run_until(45_000);
    assert_eq!((story.facts().outcome, story.trunk.len()), (Some(Outcome::Canceled), 0));

    let mut story = Story::new();
    story.call_back();
    story.run_until(45_000);
    assert_eq!((story.facts().outcome, story.trunk.len()), (Some(Outcome::MissedDeviceUnreachable), 0));
    assert_eq!(story.edge.live_calls(), 0);
    story.run_until(200_000);
    assert_eq!(story.edge.poll_timeout().map(|(_, why)| why), Some(Why::Forget));
}

#[test]
fn who_cannot_be_rung_or_has_called_enough_or_takes_an_id_again_is_refused_without_a_row() {
    let mut story = Story::new();
    let mut wish = story.wish();
    wish.ring.targets.clear();
    story.tell(Input::CallBack(Box::new(wish)));
    assert_eq!(story.begun(), Some(CallbackRefusal::NoDevice));
    assert!(!story.shell.iter().any(|output| matches!(output, Output::Persist(_) | Output::Timeline { .. })));

    story.call_back();
    assert_eq!(story.begun(), None);
    story.call_back();
    assert_eq!(story.begun(), Some(CallbackRefusal::Reused));
    let mut random = Random::new(Seed::from_number(4));
    for _ in 0..3 {
        let call = CallId::new(at(0), &mut random);
        let wish = CallBack { call, ..story.wish() };
        story.tell(Input::CallBack(Box::new(wish)));
        assert_eq!(story.begun(), None);
    }
    let wish = CallBack { call: CallId::new(at(0), &mut random), ..story.wish() };
    story.tell(Input::CallBack(Box::new(wish.clone())));
    assert_eq!(story.begun(), Some(CallbackRefusal::Capped("cap_user_calls")));
    assert!(story.end_it(None));
    story.tell(Input::CallBack(Box::new(wish)));
    assert_eq!(story.begun(), None, "a call that is over is not counted");
}

#[test]
fn only_the_chosen_device_rings_also_when_another_one_comes_later() {
    let mut story = Story::new();
    let only = Some(story.phones[1].identity.device);
    let wish = CallBack { only, ..story.wish() };
    story.tell(Input::CallBack(Box::new(wish)));
    story.tell_phone(0, AgentInput::Register { call: None });
    let wakes = story.shell.iter().filter(|output| matches!(output, Output::Wake(_))).count();
    assert_eq!((wakes, story.news(0).len()), (1, 0));
    story.tell_phone(1, AgentInput::Register { call: None });
    story.tell_phone(1, AgentInput::Answer { call: id() });
    assert_eq!(story.sent(&Method::Invite), 1);
}

#[test]
fn a_phone_that_is_killed_or_away_while_the_customer_rings_gives_the_call_up() {
    let mut story = Story::dials_back();
    let phone = &mut story.phones[0];
    let identity =
        Identity { domain: "phones.test".to_owned(), user: phone.identity.user, device: phone.identity.device };
    phone.agent = Agent::new(&identity, Seed::from_number(99), story.now).unwrap();
    story.far_end(180, "b", "");
    story.tell_phone(0, AgentInput::Register { call: None });
    assert_eq!((story.facts().outcome, story.sent(&Method::Cancel)), (Some(Outcome::Canceled), 1));

    let mut story = Story::dials_back();
    story.far_end(180, "b", "");
    let connection = story.phones[0].connection.unwrap();
    story.tell(Input::ConnectionClosed { connection });
    story.run_until(61_000);
    assert_eq!((story.facts().outcome, story.sent(&Method::Cancel) > 0), (Some(Outcome::Canceled), true));
}

#[test]
fn a_phone_with_a_new_connection_goes_on_and_may_hold_the_customer() {
    let mut story = Story::dials_back();
    story.tell_phone(0, AgentInput::NetworkChanged);
    story.far_end(180, "b", "");
    story.far_end(200, "b", "v=far");
    story.change = Some("v=new".to_owned());
    story.renews = true;
    story.tell_phone(0, AgentInput::Hold { call: id() });
    let renewal = story.last(&Method::Invite).clone();
    assert_eq!((renewal.cseq().number, renewal.body().as_ref()), (2, &b"v=new Outside offer"[..]));
    story.far_answer(&renewal, 200, "b", &[("Contact", "<sip:+81312345678@192.0.2.9:5060>")], "v=far");
    story.tell(Input::Renew { call: id(), side: Side::Device });
    story.run_until(100_000);
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn a_trunk_that_cannot_is_followed_by_the_next_without_the_user_hearing_of_it() {
    let mut story = Story::awake();
    let hops = vec![outbound::hop(TRUNK), outbound::hop("192.0.2.9:5070")];
    let wish = CallBack { dial: DialPlan { hops, ..plan() }, ..story.wish() };
    story.tell(Input::CallBack(Box::new(wish)));
    story.tell_phone(0, AgentInput::Answer { call: id() });
    story.far_end(503, "b", "");
    assert_eq!(story.last(&Method::Invite).request_uri_text(), "sip:+81312345678@192.0.2.9:5070;user=phone");
    story.far_end(200, "c", "v=far");
    assert_eq!(story.edge.live_calls(), 1);
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.facts().outcome, Some(Outcome::Completed));
}

#[test]
fn nobody_is_passed_on_from_a_call_that_rang_its_own_user_first() {
    let mut story = Story::talks_back();
    story.tell_phone(0, AgentInput::Transfer { call: id(), to: "+81398765432".to_owned() });
    let answer = story.phones[0].got.iter().rfind(|message| message.method() == &Method::Refer);
    assert_eq!(answer.and_then(Message::status), Some(501));
    assert_eq!((story.edge.live_calls(), story.rows().len(), story.sent(&Method::Invite)), (1, 0, 1));
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.facts().outcome, Some(Outcome::Completed));
}

#[test]
fn a_far_end_that_was_called_back_and_vanished_is_given_up() {
    let mut story = Story::talks_back();
    story.change = Some("v=new".to_owned());
    story.run_until(890_000);
    assert_eq!(story.sent(&Method::Invite), 1);
    story.run_until(901_000);
    assert!(story.sent(&Method::Invite) > 1, "it is asked whether it is there");
    story.run_until(1_840_000);
    assert_eq!((story.rows().len(), story.edge.live_calls()), (1, 0));
}

#[test]
fn a_call_that_rang_its_own_user_first_leaves_its_trunk_when_it_is_over() {
    let mut story = Story::talks_back();
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    let bye = story.last(&Method::Bye).clone();
    story.far_answer(&bye, 200, "b", &[], "");
    story.run_until(200_000);
    assert_eq!(story.edge.live_calls(), 0);
    assert!(story.edge.outbound.is_empty(), "neither a trunk nor a Call-ID remembers it");
}
