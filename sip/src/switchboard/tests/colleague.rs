//! Calls between colleagues: the first phone calls, the second is another user's and rings like for any call.

use callfield_domain::{Direction, Outcome};

use super::outbound::{ended, id};
use super::*;
use crate::agent::{EndReason, TransferStep};

fn identity_of(owner: DeviceIdentity) -> Identity {
    Identity { domain: "phones.test".to_owned(), user: owner.user, device: owner.device }
}

impl Story {
    /// The second phone is a colleague's; the first calls them as soon as it dials.
    pub(super) fn house() -> Self {
        let mut story = Self::new();
        let mut random = Random::new(Seed::from_number(6));
        let identity = DeviceIdentity { user: UserId::new(at(0), &mut random), ..story.phones[1].identity };
        story.phones[1].identity = identity;
        story.phones[1].agent = Agent::new(&identity_of(identity), random.seed(), at(0)).unwrap();
        story.outbound = OutboundDecision::Colleague(Decision::Ring(RingPlan {
            tenant: identity.tenant,
            user: identity.user,
            targets: vec![Target { device: identity.device, has_push: true }],
            why: "extension".to_owned(),
            caller: "201".to_owned(),
            caller_name: Some("Sato".to_owned()),
            called: "202".to_owned(),
            decline: DeclinePolicy::StopAll,
        }));
        story
    }

    /// The colleague's phone is registered, and rings.
    fn rings_colleague() -> Self {
        let mut story = Self::house();
        story.tell_phone(1, AgentInput::Register { call: None });
        story.dial_out(0);
        story
    }

    fn colleagues_talk() -> Self {
        let mut story = Self::rings_colleague();
        story.tell_phone(1, AgentInput::Answer { call: id() });
        story
    }

    fn told(&self, phone: usize, news: &AgentOutput) -> usize {
        self.phones[phone].news.iter().filter(|told| *told == news).count()
    }

    /// The phone's app is killed and started again.
    fn kill(&mut self, phone: usize) {
        let identity = identity_of(self.phones[phone].identity);
        self.phones[phone].agent = Agent::new(&identity, Seed::from_number(99), self.now).unwrap();
        self.tell_phone(phone, AgentInput::Register { call: None });
    }
}

#[test]
fn a_sleeping_colleague_is_woken_and_shown_who_calls_and_nothing_leaves_the_house() {
    let mut story = Story::house();
    story.dial_out(0);
    let wakes: Vec<&Wake> = story
        .shell
        .iter()
        .filter_map(|output| if let Output::Wake(wake) = output { Some(wake) } else { None })
        .collect();
    let colleague = story.phones[1].identity;
    assert_eq!((wakes.len(), wakes[0].device, wakes[0].from.as_str()), (1, colleague.device, "201"));
    assert_eq!(wakes[0].name.as_deref(), Some("Sato"));
    assert_eq!(story.told(0, &AgentOutput::RemoteRinging { call: id() }), 1, "it was pushed");
    for identity in [story.phones[0].identity, colleague] {
        assert_eq!(story.edge.woken_call_state(at(0), identity, id()), WokenCallState::Ringing);
    }
    let stranger = DeviceIdentity { user: story.phones[0].identity.user, ..colleague };
    assert_eq!(
        story.edge.woken_call_state(
            at(0),
            DeviceIdentity { device: DeviceId::new(at(9), &mut Random::new(Seed::from_number(8))), ..stranger },
            id()
        ),
        WokenCallState::Unknown
    );

    story.tell_phone(1, AgentInput::Register { call: Some(id()) });
    let invite = story.phones[1].got.iter().find(|message| message.method() == &Method::Invite).unwrap();
    assert_eq!(invite.from().uri_text(), "sip:201@phones.test;user=phone");
    assert_eq!(invite.from().display().as_deref(), Some("Sato"));
    assert_eq!(invite.header("X-Callfield-Call"), Some(id().to_string().as_str()));
    story.tell_phone(1, AgentInput::Answer { call: id() });
    let wanted = |output: &&Output| {
        matches!(output, Output::BranchOfferWanted { caller_sdp: Some(sdp), caller_kind: Some(DeviceKind::Phone), .. }
            if sdp.as_ref() == b"v=phone")
    };
    assert_eq!(story.shell.iter().filter(wanted).count(), 1);
    assert_eq!(story.told(0, &AgentOutput::RemoteAnswered { call: id(), sdp: "v=answer".into() }), 1);
    for phone in 0..2 {
        assert_eq!(story.told(phone, &AgentOutput::Established { call: id() }), 1);
    }
    assert!(story.trunk.is_empty());
}

#[test]
fn either_colleague_hangs_up_and_there_is_one_row_of_the_one_who_was_called() {
    for phone in 0..2 {
        let mut story = Story::colleagues_talk();
        assert_eq!(story.edge.live_calls(), 1);
        story.tell_phone(phone, AgentInput::HangUp { call: id() });
        let facts = story.facts();
        let colleague = story.phones[1].identity;
        assert_eq!((facts.direction, facts.outcome), (Direction::Internal, Some(Outcome::Completed)));
        assert_eq!((facts.user, facts.device), (Some(colleague.user), Some(colleague.device)));
        assert_eq!((facts.from.as_str(), facts.to.as_str()), ("201", "202"));
        assert_eq!(story.told(1 - phone, &ended(EndReason::RemoteHungUp)), 1);
        assert_eq!(story.edge.live_calls(), 0);
        let ends = story.shell.iter().filter(|output| matches!(output, Output::MediaEnded { .. })).count();
        assert_eq!(ends, 1);
        let steps = story.milestones();
        assert_eq!(steps.iter().filter(|step| **step == Milestone::Invited).count(), 1, "{steps:?}");
        assert_eq!(steps.last(), Some(&Milestone::Durable), "{steps:?}");
    }
}

#[test]
fn who_hangs_up_on_a_colleague_hears_of_it_when_the_row_is_durable() {
    for phone in 0..2 {
        let mut story = Story::colleagues_talk();
        story.late_rows = true;
        story.tell_phone(phone, AgentInput::HangUp { call: id() });
        let is_heard = |story: &Story| {
            let last = story.phones[phone].got.last().unwrap();
            last.method() == &Method::Bye && last.status() == Some(200)
        };
        assert!(!is_heard(&story));
        story.tell(Input::Persisted { call: id() });
        assert!(is_heard(&story));
        assert_eq!(story.edge.live_calls(), 0);
    }
}

#[test]
fn what_a_colleague_does_is_told_in_the_callers_words() {
    let mut story = Story::rings_colleague();
    story.tell_phone(1, AgentInput::Decline { call: id() });
    assert_eq!((story.told(0, &ended(EndReason::Rejected)), story.facts().outcome), (1, Some(Outcome::Rejected)));

    let mut story = Story::rings_colleague();
    story.run_until(45_000);
    assert_eq!((story.told(0, &ended(EndReason::NoAnswer)), story.facts().outcome), (1, Some(Outcome::NoAnswer)));

    let mut story = Story::house();
    story.dial_out(0);
    story.run_until(45_000);
    assert_eq!(story.facts().outcome, Some(Outcome::MissedDeviceUnreachable));

    let mut story = Story::rings_colleague();
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!((story.told(1, &ended(EndReason::Cancelled)), story.facts().outcome), (1, Some(Outcome::Canceled)));
    assert_eq!(story.told(0, &ended(EndReason::HungUp)), 1);
    let colleague = story.phones[1].identity;
    assert_eq!(story.edge.woken_call_state(story.now, colleague, id()), WokenCallState::Cancelled);
}

#[test]
fn a_colleague_who_holds_is_noticed_on_the_other_end_whoever_it_is() {
    for phone in 0..2 {
        let mut story = Story::colleagues_talk();
        story.change = Some("v=new".to_owned());
        story.renews = true;
        story.tell_phone(phone, AgentInput::Hold { call: id() });
        let side = if phone == 0 { Side::Outside } else { Side::Device };
        let asked = Output::ChangeWanted { call: id(), side, offer: Some("v=holds".into()) };
        assert!(story.shell.contains(&asked), "{phone}");
        let renewal = story.phones[1 - phone].got.iter().rfind(|message| message.method() == &Method::Invite).unwrap();
        assert_eq!(renewal.body().as_ref(), format!("v=new {:?} offer", side.other()).as_bytes());
        let answered = Output::ChangeAnswered { call: id(), side: side.other(), answer: Some("v=talks".into()) };
        assert!(story.shell.iter().any(|output| matches!(output, Output::ChangeAnswered { side: told, answer: Some(_), .. } if *told == side.other())), "{answered:?}");
        story.run_until(40_000);
        assert_eq!(story.edge.live_calls(), 1, "everything was acknowledged");
    }
}

#[test]
fn a_calling_phone_that_is_killed_or_away_for_a_minute_loses_the_call() {
    let mut story = Story::colleagues_talk();
    story.kill(0);
    assert_eq!((story.facts().outcome, story.told(1, &ended(EndReason::RemoteHungUp))), (Some(Outcome::Completed), 1));

    let mut story = Story::rings_colleague();
    story.kill(0);
    assert_eq!((story.facts().outcome, story.told(1, &ended(EndReason::Cancelled))), (Some(Outcome::Canceled), 1));

    let mut story = Story::colleagues_talk();
    let connection = story.phones[0].connection.unwrap();
    story.tell(Input::ConnectionClosed { connection });
    story.run_until(59_000);
    assert_eq!(story.edge.live_calls(), 1);
    story.run_until(61_000);
    assert_eq!((story.edge.live_calls(), story.facts().outcome), (0, Some(Outcome::Completed)));
    story.run_until(200_000);
    assert_eq!(
        story.edge.poll_timeout().map(|(_, why)| matches!(why, Why::DeviceLost(_))),
        story.edge.poll_timeout().map(|_| false)
    );
}

#[test]
fn a_calling_phone_with_a_new_connection_goes_on_talking() {
    let mut story = Story::colleagues_talk();
    story.tell_phone(0, AgentInput::NetworkChanged);
    story.tell_phone(1, AgentInput::NetworkChanged);
    story.run_until(100_000);
    assert_eq!(story.edge.live_calls(), 1);
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.told(1, &ended(EndReason::RemoteHungUp)), 1);
}

#[test]
fn a_colleague_who_does_not_want_to_be_rung_is_not_and_has_the_missed_call() {
    let mut story = Story::house();
    story.tell_phone(1, AgentInput::Register { call: None });
    let OutboundDecision::Colleague(Decision::Ring(plan)) = story.outbound.clone() else { panic!("no plan") };
    let plan = RingPlan { why: "dnd".to_owned(), ..plan };
    story.outbound = OutboundDecision::Colleague(Decision::Spare { plan, status: 486, outcome: Outcome::Busy });
    story.dial_out(0);
    assert_eq!((story.told(0, &ended(EndReason::Busy)), story.news(1).len()), (1, 0));
    let facts = story.facts();
    assert_eq!((facts.user, facts.outcome), (Some(story.phones[1].identity.user), Some(Outcome::Busy)));
    assert_eq!((facts.direction, story.edge.live_calls()), (Direction::Internal, 0));
}

#[test]
fn no_colleague_passes_the_other_on_and_they_talk_on() {
    for phone in 0..2 {
        let mut story = Story::colleagues_talk();
        story.tell_phone(phone, AgentInput::Transfer { call: id(), to: "+81398765432".to_owned() });
        let answer = story.phones[phone].got.iter().rfind(|message| message.method() == &Method::Refer);
        assert_eq!(answer.and_then(Message::status), Some(501));
        let is_failed =
            |news: &&AgentOutput| matches!(news, AgentOutput::TransferChanged { step: TransferStep::Failed(_), .. });
        assert_eq!(story.phones[phone].news.iter().filter(is_failed).count(), 1);
        assert_eq!((story.edge.live_calls(), story.rows().len(), story.trunk.len()), (1, 0, 0));
        story.tell_phone(phone, AgentInput::HangUp { call: id() });
        assert_eq!(story.facts().outcome, Some(Outcome::Completed));
    }
}

#[test]
fn a_key_sent_as_info_goes_to_the_colleague_at_the_other_end() {
    for phone in 0..2 {
        let mut story = Story::colleagues_talk();
        let key = story.says(phone, "INFO", 7, "Content-Type: application/dtmf\n", "5");
        story.tell(key);
        assert_eq!(story.phones[phone].got.last().unwrap().status(), Some(200));
        let told = story.phones[1 - phone].got.last().unwrap();
        assert_eq!((told.method(), told.body().as_ref()), (&Method::Info, &b"5"[..]));
    }
}
