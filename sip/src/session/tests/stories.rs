//! Offers and answers: which message carries which, what crosses, what is said again.

use bytes::Bytes;
use callfield_domain::{Seed, Timestamp};

use crate::session::tests::world::{CALLEE, CALLER, Manners, World};
use crate::session::{
    Acknowledged, End, Input, Output, Request, Response, Role, Session, Settings, TimerWords, Verb, Why,
};

const UPDATES: Settings =
    Settings { timer: crate::session::TimerSettings { interval_s: None, min_s: 90 }, prefers_update: true };

fn invites() -> Settings {
    Settings::default()
}

fn accept(sdp: Option<&'static str>) -> Input {
    Input::Accept { sdp: sdp.map(Bytes::from) }
}

fn progress(sdp: Option<&'static str>) -> Input {
    Input::Progress { status: 183, sdp: sdp.map(Bytes::from), is_reliable: true }
}

#[test]
fn an_offer_in_the_invite_is_answered_in_the_200() {
    let mut world = World::new(1, invites(), invites());
    world.tell(CALLER, Input::Invite { sdp: Some("first".into()) });
    world.run(100);
    world.tell(CALLEE, accept(Some("answer to first")));
    world.run(100);
    assert_eq!(world.log(CALLER), ["got 200 with answer to first", "agreed first", "Established"]);
    assert_eq!(world.log(CALLEE), ["got Invite with first", "Established"]);
}

#[test]
fn a_late_offer_comes_in_the_200_and_is_answered_in_the_ack() {
    let mut world = World::new(1, invites(), invites());
    world.tell(CALLER, Input::Invite { sdp: None });
    world.run(100);
    world.tell(CALLEE, accept(Some("late")));
    world.run(100);
    assert_eq!(world.log(CALLER), ["got 200 with late", "Established"]);
    assert_eq!(world.log(CALLEE), ["got Invite", "Established", "agreed late"]);
}

#[test]
fn a_reliable_183_brings_the_answer_and_the_200_waits_for_its_prack() {
    let mut world = World::new(1, invites(), invites());
    world.tell(CALLER, Input::Invite { sdp: Some("first".into()) });
    world.run(100);
    world.tell(CALLEE, progress(Some("answer to first")));
    world.tell(CALLEE, accept(None));
    world.run(15);
    assert_eq!(world.log(CALLEE), ["got Invite with first"], "no 200 before the PRACK");
    world.run(100);
    assert_eq!(world.log(CALLEE), ["got Prack", "Established"]);
    let progressed = "Progressed { status: 183, preview: None }";
    let heard = ["got 183 with answer to first", progressed, "agreed first", "got 200", "got 200", "Established"];
    assert_eq!(world.log(CALLER), heard);
}

#[test]
fn a_late_offer_in_a_reliable_183_is_answered_in_the_prack() {
    let mut world = World::new(1, invites(), invites());
    world.tell(CALLER, Input::Invite { sdp: None });
    world.run(100);
    world.tell(CALLEE, progress(Some("late")));
    world.run(100);
    world.tell(CALLEE, accept(None));
    world.run(100);
    assert_eq!(world.log(CALLEE), ["got Invite", "got Prack with answer to late", "agreed late", "Established"]);
}

#[test]
fn reliable_answers_go_out_one_after_the_other() {
    let mut world = World::new(1, invites(), invites());
    world.tell(CALLER, Input::Invite { sdp: Some("first".into()) });
    world.run(100);
    for _ in 0..3 {
        world.tell(CALLEE, progress(None));
    }
    world.run(200);
    assert_eq!(world.log(CALLEE), ["got Invite with first", "got Prack", "got Prack", "got Prack"]);
    world.tell(CALLEE, accept(Some("answer to first")));
    world.run(100);
    assert_eq!(world.ends[CALLER].agreed, world.ends[CALLEE].agreed);
}

#[test]
fn a_prack_may_bring_a_new_offer_once_there_was_an_answer() {
    let (mut callee, rseq) = early_callee(Some("answer"));
    let offer = prack(rseq, Some("again"));
    callee.handle(at(1), Input::Requested { cseq: 2, request: offer });
    assert_eq!(callee.poll_output(), Some(Output::AnswerWanted { offer: "again".into() }));
    callee.handle(at(2), accept(None));
    assert_eq!(callee.poll_output(), None, "the 200 to the INVITE waits for the answer");
    callee.handle(at(3), Input::Sdp(Some("fine".into())));
    assert_eq!(said(&mut callee), [(2, 200, Some("fine".into())), (1, 200, None)]);
}

#[test]
fn a_prack_for_another_answer_is_refused_and_one_without_the_answer_it_owes_too() {
    let (mut callee, rseq) = early_callee(Some("answer"));
    let other = Request { rack: Some(Acknowledged { rseq, invite: Some(9) }), ..prack(rseq, None) };
    for request in [prack(rseq + 1, None), other, Request { rack: None, ..prack(rseq, None) }] {
        callee.handle(at(1), Input::Requested { cseq: 2, request });
        assert_eq!(said(&mut callee), [(2, 481, None)]);
    }
    let (mut callee, rseq) = callee_that_progresses(None, Some("offer"));
    callee.handle(at(1), Input::Requested { cseq: 2, request: prack(rseq, None) });
    assert_eq!(said(&mut callee), [(2, 400, None)]);
    callee.handle(at(2), Input::Requested { cseq: 3, request: prack(rseq, Some("answer")) });
    assert_eq!(callee.poll_output(), Some(Output::Agreed { answer: "answer".into() }));
}

#[test]
fn a_reliable_answer_is_repeated_ever_more_slowly_and_then_the_invite_is_refused() {
    let (mut callee, _) = early_callee(None);
    let mut repeated = Vec::new();
    while let Some((due, Why::ProgressRetransmit)) = callee.poll_timeout() {
        callee.handle_timeout(due);
        repeated.extend(said(&mut callee).iter().map(|(_, status, _)| (due.as_millis(), *status)));
    }
    let times: Vec<i64> = repeated.iter().filter(|(_, status)| *status == 183).map(|(ms, _)| *ms).collect();
    assert_eq!(times, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(repeated.last(), Some(&(32_000, 500)));
}

#[test]
fn a_reliable_answer_out_of_order_is_not_taken() {
    let mut caller = Session::new(Role::Caller, invites(), Seed::from_number(1), at(0));
    caller.handle(at(0), Input::Invite { sdp: Some("first".into()) });
    let progress = |rseq| {
        let response = Response { rseq: Some(rseq), ..Response::new(183) };
        Input::Answered { verb: Verb::Invite, response }
    };
    let mut acknowledged = Vec::new();
    for rseq in [7, 9, 7, 8, 9, u32::MAX] {
        caller.handle(at(0), progress(rseq));
        while let Some(output) = caller.poll_output() {
            if let Output::Request(Request { rack: Some(rack), .. }) = output {
                acknowledged.push(rack.rseq);
            }
        }
    }
    assert_eq!(acknowledged, [7, 8, 9]);
}

#[test]
fn two_changes_that_cross_are_both_refused_and_both_made_after_the_waits_of_their_roles() {
    for settings in [invites(), UPDATES] {
        let mut world = World::talking(3, settings, settings);
        world.tell(CALLER, Input::Change);
        world.tell(CALLEE, Input::Change);
        let begun = world.now;
        world.run(40);
        assert_eq!(world.refusals.get(&491), Some(&2));
        let wait_ms = |world: &World, end: usize| {
            let (at, why) = world.ends[end].session.poll_timeout().unwrap();
            assert_eq!(why, Why::ChangeRetry);
            u64::try_from(at.since(begun).as_millis()).unwrap()
        };
        assert!((2_100..=4_100).contains(&wait_ms(&world, CALLER)));
        assert!(wait_ms(&world, CALLEE) <= 2_100);
        world.run(10_000);
        assert_eq!(world.ends[CALLER].agreed.as_deref(), Some("offer 2 of 0"), "the caller waits longer");
        assert_eq!(world.ends[CALLEE].agreed, world.ends[CALLER].agreed);
    }
}

#[test]
fn a_change_that_comes_before_the_last_one_is_answered_is_refused_for_a_moment() {
    let mut world = World::talking(1, UPDATES, UPDATES);
    world.manners = Manners { is_stubborn: 0, slowness_ms: 5_000 };
    world.tell(CALLER, Input::Change);
    while !world.log(CALLEE).iter().any(|line| line.starts_with("got Update")) {
        world.run(10);
    }
    for (verb, cseq) in [(Verb::Update, 90), (Verb::Invite, 91)] {
        let sdp = Some("more".into());
        let request = Request { sdp, ..Request::new(verb, None, TimerWords::default()) };
        let callee = &mut world.ends[CALLEE].session;
        callee.handle(world.now, Input::Requested { cseq, request });
        let Some(Output::Respond { response, .. }) = callee.poll_output() else { panic!("no answer to {verb:?}") };
        assert_eq!(response.status, 500);
        assert!(response.retry_after_s.is_some_and(|seconds| seconds <= 10));
    }
}

#[test]
fn a_refused_change_leaves_the_session_as_it_was() {
    for settings in [invites(), UPDATES] {
        let mut world = World::talking(1, settings, settings);
        world.tell(CALLER, Input::Change);
        world.run(5);
        world.manners.is_stubborn = 100;
        world.run(1_000);
        assert!(world.log(CALLER).contains(&"Kept { status: 488 }".to_owned()));
        assert_eq!(world.ends[CALLER].agreed.as_deref(), Some("first"));
        assert!(world.ends.iter().all(|end| end.session.is_quiet() && end.ended.is_none()));
    }
}

#[test]
fn a_change_by_update_that_the_other_end_does_not_take_is_tried_by_invite() {
    let mut caller = Session::new(Role::Caller, UPDATES, Seed::from_number(1), at(0));
    caller.handle(at(0), Input::Invite { sdp: Some("first".into()) });
    let response = Response { sdp: Some("answer".into()), allows_update: Some(true), ..Response::new(200) };
    caller.handle(at(0), Input::Answered { verb: Verb::Invite, response });
    while caller.poll_output().is_some() {}
    caller.handle(at(1), Input::Change);
    caller.handle(at(1), Input::Sdp(Some("next".into())));
    assert_eq!(sent(&mut caller), [Verb::Update]);
    caller.handle(at(2), Input::Answered { verb: Verb::Update, response: Response::new(405) });
    caller.handle(at(2), Input::Sdp(Some("next".into())));
    assert_eq!(sent(&mut caller), [Verb::Invite]);
}

#[test]
fn a_change_that_the_other_end_knows_no_dialog_for_ends_the_session() {
    for status in [481, 408] {
        let mut world = World::talking(1, invites(), invites());
        let caller = &mut world.ends[CALLER].session;
        caller.handle(world.now, Input::Change);
        caller.handle(world.now, Input::Sdp(Some("next".into())));
        caller.handle(world.now, Input::Answered { verb: Verb::Invite, response: Response::new(status) });
        let last = std::iter::from_fn(|| caller.poll_output()).last();
        assert_eq!(last, Some(Output::Ended(End::Gone)), "{status}");
        assert_eq!(caller.poll_timeout(), None);
    }
}

#[test]
fn a_200_is_repeated_until_its_ack_and_the_session_ends_without_one() {
    let mut callee = Session::new(Role::Callee, invites(), Seed::from_number(1), at(0));
    callee.handle(at(0), Input::Requested { cseq: 1, request: invite(Some("first")) });
    callee.handle(at(0), accept(Some("answer")));
    while callee.poll_output().is_some() {}
    let mut other = Vec::new();
    let mut times = Vec::new();
    while let Some((due, Why::AnswerRetransmit)) = callee.poll_timeout() {
        callee.handle_timeout(due);
        times.push(due.as_millis());
        other
            .extend(std::iter::from_fn(|| callee.poll_output()).filter(|said| !matches!(said, Output::Respond { .. })));
    }
    assert_eq!(times[..5], [500, 1_500, 3_500, 7_500, 11_500]);
    assert_eq!((times.last(), other), (Some(&32_000), vec![Output::Ended(End::Unacknowledged)]));
}

#[test]
fn what_waits_for_an_answer_when_the_call_ends_is_refused() {
    let mut world = World::talking(1, invites(), invites());
    world.manners.slowness_ms = 60_000;
    world.tell(CALLER, Input::Change);
    world.tell(CALLER, Input::Sdp(Some("next".into())));
    world.run(100);
    world.tell(CALLEE, Input::Over);
    world.run(100);
    assert_eq!(world.refusals.get(&487), Some(&1));
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn invite(sdp: Option<&'static str>) -> Request {
    Request::new(Verb::Invite, sdp.map(Bytes::from), TimerWords::default())
}

fn prack(rseq: u32, sdp: Option<&'static str>) -> Request {
    let rack = Some(Acknowledged { rseq, invite: Some(1) });
    Request { rack, ..Request::new(Verb::Prack, sdp.map(Bytes::from), TimerWords::default()) }
}

/// A callee that got an offer and has sent a reliable 183; the number of that.
fn early_callee(answer: Option<&'static str>) -> (Session, u32) {
    callee_that_progresses(Some("first"), answer)
}

fn callee_that_progresses(offer: Option<&'static str>, sdp: Option<&'static str>) -> (Session, u32) {
    let mut callee = Session::new(Role::Callee, invites(), Seed::from_number(1), at(0));
    callee.handle(at(0), Input::Requested { cseq: 1, request: invite(offer) });
    callee.handle(at(0), progress(sdp));
    let rseq = std::iter::from_fn(|| callee.poll_output()).find_map(|output| match output {
        Output::Respond { response, .. } => response.rseq,
        _ => None,
    });
    (callee, rseq.unwrap())
}

/// What a session asks.
fn sent(session: &mut Session) -> Vec<Verb> {
    let outputs = std::iter::from_fn(|| session.poll_output());
    let sent =
        outputs.filter_map(|output| if let Output::Request(request) = output { Some(request.verb) } else { None });
    sent.collect()
}

/// What a session answers: to which request, with which status and SDP.
fn said(session: &mut Session) -> Vec<(u32, u16, Option<Bytes>)> {
    let outputs = std::iter::from_fn(|| session.poll_output());
    let said = outputs.filter_map(|output| match output {
        Output::Respond { cseq, response } => Some((cseq, response.status, response.sdp)),
        _ => None,
    });
    said.collect()
}
