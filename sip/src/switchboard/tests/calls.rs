//! Calls from the INVITE to the last answer.

use callfield_domain::Outcome;

use super::*;
use crate::agent::EndReason;

#[test]
fn a_call_rings_both_phones_and_the_first_answer_gets_it() {
    let mut story = Story::awake();
    story.dial();
    assert_eq!(story.statuses(&Method::Invite), [100, 180]);
    story.answer(1);
    assert_eq!(story.statuses(&Method::Invite), [100, 180, 200]);
    let call = story.call();
    assert!(story.phones[1].news.contains(&AgentOutput::Established { call }));
    let elsewhere = AgentOutput::Ended { call, reason: EndReason::AnsweredElsewhere };
    assert!(story.phones[0].news.contains(&elsewhere));
    let cancel = story.phones[0].got.iter().find(|message| message.method() == &Method::Cancel && message.is_request());
    assert_eq!(cancel.unwrap().header("Reason"), Some("SIP;cause=200;text=\"Call completed elsewhere\""));
}

#[test]
fn a_device_gets_an_invite_with_the_caller_the_call_and_its_own_offer() {
    let mut story = Story::awake();
    story.dial();
    let invite = story.phones[0].got.iter().find(|message| message.method() == &Method::Invite).unwrap();
    assert!(invite.request_uri_text().starts_with(&format!("sip:{}@", story.phones[0].identity.device)));
    assert_eq!(invite.from().without_params().as_str(), "\"Tanaka Ichiro\" <sip:+81312345678@phones.test;user=phone>");
    assert_eq!(invite.to().uri_text(), format!("sip:{}@phones.test", story.phones[0].identity.user));
    assert_eq!(invite.header("X-Callfield-Call"), Some(story.call().to_string().as_str()));
    assert_eq!((invite.expires(), invite.content_type()), (Some(45), Some("application/sdp")));
    assert_eq!(invite.body().as_ref(), b"v=offer");
}

#[test]
fn the_answer_to_the_callers_bye_waits_for_the_row() {
    let mut story = Story::awake();
    story.late_rows = true;
    story.dial();
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    story.send(&story.in_dialog("BYE", 2, ""));
    assert_eq!(story.rows(), [Outcome::Completed]);
    assert_eq!(story.statuses(&Method::Bye), [0_u16; 0]);
    let call = story.call();
    assert!(story.phones[0].news.contains(&AgentOutput::Ended { call, reason: EndReason::RemoteHungUp }));
    story.tell(Input::Persisted { call });
    assert_eq!(story.statuses(&Method::Bye), [200]);
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_phone_that_hangs_up_ends_the_call_for_the_caller() {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    let call = story.call();
    story.tell_phone(0, AgentInput::HangUp { call });
    let bye = story.trunk.iter().find(|message| message.method() == &Method::Bye).unwrap();
    assert_eq!(bye.request_uri_text(), "sip:0312345678@192.0.2.9:5060");
    assert_eq!((story.rows(), story.edge.live_calls()), (vec![Outcome::Completed], 0));
}

#[test]
fn a_200_is_repeated_until_its_ack() {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.run_until(3_600);
    assert_eq!(story.statuses(&Method::Invite), [100, 180, 200, 200, 200, 200]);
    story.send(&story.in_dialog("ACK", 1, ""));
    story.run_until(20_000);
    assert_eq!(story.statuses(&Method::Invite).len(), 6);
}

#[test]
fn a_call_whose_answer_is_never_acknowledged_is_ended_with_bye_after_32_seconds() {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.run_until(31_999);
    assert!(story.rows().is_empty());
    story.run_until(32_000);
    assert_eq!(story.rows(), [Outcome::Failed]);
    assert!(story.trunk.iter().any(|message| message.method() == &Method::Bye && message.is_request()));
}

#[test]
fn a_caller_without_an_offer_gets_one_and_answers_it_in_the_ack() {
    let mut story = Story::awake();
    story.send(&invite(""));
    let offer_wanted =
        story.shell.iter().any(|output| matches!(output, Output::BranchOfferWanted { caller_sdp: None, .. }));
    assert!(offer_wanted);
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, "v=late\n"));
    let accepted = Output::CallerAccepted { call: story.call(), sdp: "v=late\r\n".into() };
    assert!(story.shell.contains(&accepted));
}

#[test]
fn a_caller_who_gives_up_gets_200_and_487_and_the_phones_stop_ringing() {
    let mut story = Story::awake();
    story.dial();
    story.send(&invite("").replace("INVITE", "CANCEL").replace("Content-Type: application/sdp\n", ""));
    assert_eq!(story.statuses(&Method::Cancel), [200]);
    assert_eq!(story.statuses(&Method::Invite), [100, 180, 487]);
    assert_eq!(story.rows(), [Outcome::Canceled]);
    let ended = AgentOutput::Ended { call: story.call(), reason: EndReason::Cancelled };
    assert!(story.phones.iter().all(|phone| phone.news.contains(&ended)));
    let state = story.edge.woken_call_state(story.now, story.phones[0].identity, story.call());
    assert_eq!(state, WokenCallState::Cancelled);
}

#[test]
fn a_sleeping_phone_is_woken_and_then_gets_the_call_once() {
    let mut story = Story::new();
    story.dial();
    assert_eq!(story.statuses(&Method::Invite), [100, 180]);
    let call = story.call();
    let wakes = story.shell.iter().filter(|output| matches!(output, Output::Wake(wake) if wake.call == call)).count();
    assert_eq!(wakes, 2);
    story.tell_phone(0, AgentInput::Register { call: Some(call) });
    story.tell_phone(0, AgentInput::Register { call: Some(call) });
    let invites = story.phones[0].got.iter().filter(|message| message.method() == &Method::Invite).count();
    assert_eq!(invites, 1);
    assert_eq!(story.phones[1].got.len(), 0);
}

#[test]
fn a_reconnected_phone_gets_the_same_invite_again_and_rings_on() {
    let mut story = Story::awake();
    story.dial();
    story.tell_phone(0, AgentInput::NetworkChanged);
    let invites: Vec<&Message> = story.phones[0]
        .got
        .iter()
        .filter(|message| message.method() == &Method::Invite && message.is_request())
        .collect();
    assert_eq!(invites.len(), 2);
    assert_eq!(invites[0], invites[1]);
    let rings = story.phones[0].news.iter().filter(|news| matches!(news, AgentOutput::Incoming { .. })).count();
    assert_eq!(rings, 1);
    story.answer(0);
    assert_eq!(story.statuses(&Method::Invite).last(), Some(&200));
}

#[test]
fn a_forged_contact_does_not_make_the_edge_talk_to_somebody_else() {
    let mut story = Story::awake();
    story.send(&invite("v=0\n").replace(&format!("Contact: <sip:0312345678@{TRUNK}>"), "Contact: <sip:x@203.0.113.7>"));
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    let call = story.call();
    story.tell_phone(0, AgentInput::HangUp { call });
    assert_eq!(story.trunk.last().unwrap().request_uri_text(), "sip:x@203.0.113.7");
    assert!(story.flows.iter().all(|flow| *flow == trunk()));
}

#[test]
fn every_step_of_a_woken_call_is_on_its_timeline() {
    use Milestone::{
        Answered, Cancelled, DeviceRinging, Durable, HungUp, InviteForwarded, Invited, PushAccepted, PushQueued,
        Registered, Routed, StateAsked,
    };
    let mut story = Story::new();
    story.dial();
    let (call, device) = (story.call(), story.phones[0].identity.device);
    let result = WakeResult::Accepted("id".to_owned());
    story.tell(Input::WakeReported(WakeReport { call, device, attempt: 0, at: story.now, result }));
    story.edge.woken_call_state(story.now, story.phones[0].identity, call);
    story.tell_phone(0, AgentInput::Register { call: Some(call) });
    story.tell_phone(1, AgentInput::Register { call: None });
    story.answer(0);
    story.tell_phone(0, AgentInput::HangUp { call });
    let milestones: Vec<Milestone> = story
        .shell
        .iter()
        .filter_map(|output| {
            let Output::Timeline { event, .. } = output else { return None };
            Some(event.milestone)
        })
        .collect();
    let device = [Registered, InviteForwarded, DeviceRinging];
    let pushes = vec![Invited, Routed, PushQueued, PushQueued, PushAccepted, StateAsked];
    let expected = [pushes, device.to_vec(), device.to_vec()];
    assert_eq!(milestones[..12], expected.concat());
    assert_eq!(milestones[12..], [Answered, Cancelled, HungUp, Durable]);
}

#[test]
fn a_phone_whose_app_was_killed_during_the_call_ends_it_when_it_is_back() {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    let identity = story.phones[0].identity;
    let fresh = Identity { domain: "phones.test".to_owned(), user: identity.user, device: identity.device };
    story.phones[0].agent = Agent::new(&fresh, Seed::from_number(99), story.now).unwrap();
    story.tell_phone(0, AgentInput::Register { call: None });
    assert_eq!(story.rows(), [Outcome::Completed]);
    assert!(story.trunk.iter().any(|message| message.method() == &Method::Bye && message.is_request()));
}

#[test]
fn a_user_who_does_not_want_to_be_rung_is_neither_pushed_nor_invited_and_has_the_row() {
    let mut story = Story::awake();
    story.answers = false;
    story.dial();
    let Decision::Ring(plan) = story.ring() else { panic!("no plan") };
    let (call, user) = (story.call(), plan.user);
    let plan = RingPlan { why: "dnd".to_owned(), ..plan };
    let decision = Decision::Spare { plan, status: 486, outcome: Outcome::Busy };
    story.answers = true;
    story.tell(Input::Routed { call, decision });
    assert_eq!(story.statuses(&Method::Invite), [100, 486]);
    assert!(!story.shell.iter().any(|output| matches!(output, Output::Wake(_) | Output::BranchOfferWanted { .. })));
    let row =
        story.shell.iter().find_map(|output| if let Output::Persist(facts) = output { Some(facts) } else { None });
    assert_eq!(row.and_then(|facts| facts.user), Some(user));
    let is_told = story.shell.iter().any(|output| {
        matches!(output, Output::Timeline { event, .. }
            if event.milestone == Milestone::Routed && event.detail.as_deref() == Some("dnd"))
    });
    assert!(is_told);
    assert_eq!(story.edge.live_calls(), 0);
}
