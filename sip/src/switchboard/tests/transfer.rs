//! Stories of transfers: who may ask, what is heard of it, who talks with whom in the end, and all that crosses.

use callfield_domain::Outcome;

use super::changes::{answer, dialled, from_far, talking};
use super::*;
use crate::agent::{EndReason, TransferStep};

const TO: &str = "Refer-To: <sip:+81398765432@phones.test>\n";

impl Story {
    /// A request of phone 0 in the dialog of its leg.
    fn phone_says(&self, method: &str, cseq: u32, headers: &str) -> Input {
        self.says(0, method, cseq, headers, "")
    }

    /// A request of a phone in the dialog of its leg.
    pub(super) fn says(&self, phone: usize, method: &str, cseq: u32, headers: &str, body: &str) -> Input {
        let got = &self.phones[phone].got;
        let rung = got.iter().find(|message| message.method() == &Method::Ack && message.to().tag().is_some());
        let answered = got.iter().find(|message| message.status() == Some(200) && message.method() == &Method::Invite);
        let (from, to, call_id) = match (rung, answered) {
            (Some(ack), _) => (ack.to(), ack.from(), ack.call_id()),
            (None, Some(response)) => (response.from(), response.to(), response.call_id()),
            (None, None) => panic!("the phone has no call"),
        };
        let text = format!(
            "{method} sip:edge@phones.test;transport=ws SIP/2.0\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK{method}{cseq}\n\
             Max-Forwards: 70\nFrom: {from}\nTo: {to}\nCall-ID: {call_id}\nCSeq: {cseq} {method}\n{headers}\
             Content-Length: {}\n\n{body}",
            body.len()
        );
        let flow = Flow::Stream(self.phones[phone].connection.unwrap());
        Input::Received { flow, bytes: text.replace('\n', "\r\n").into() }
    }

    fn refer(&mut self, cseq: u32, headers: &str) -> Option<u16> {
        let request = self.phone_says("REFER", cseq, headers);
        self.tell(request);
        self.phones[0].got.iter().rfind(|message| message.method() == &Method::Refer).and_then(Message::status)
    }

    /// What phone 0 heard of its transfer: the fragment, and whether it was the last.
    fn notified(&self) -> Vec<(String, bool)> {
        let notifies = self.phones[0].got.iter().filter(|message| message.method() == &Method::Notify);
        notifies
            .map(|message| {
                let is_last = message.header("Subscription-State").unwrap().starts_with("terminated");
                (String::from_utf8(message.body().to_vec()).unwrap().trim_end().to_owned(), is_last)
            })
            .collect()
    }

    /// The last INVITE to somebody new.
    fn target(&self) -> Message {
        let invites = self.trunk.iter().filter(|message| message.is_request() && message.method() == &Method::Invite);
        invites.filter(|invite| invite.to().tag().is_none()).last().unwrap().clone()
    }

    pub(super) fn sent(&self, method: &Method) -> usize {
        self.trunk.iter().filter(|message| message.is_request() && message.method() == method).count()
    }

    pub(super) fn milestones(&self) -> Vec<Milestone> {
        let all = self.shell.iter().filter_map(|output| {
            let Output::Timeline { call, event } = output else { return None };
            Some((*call, event.milestone))
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().all(|(call, _)| *call == all[0].0), "the leg to the target is known to nobody");
        all.into_iter().map(|(_, milestone)| milestone).collect()
    }
}

/// A trunk's call on phone 0 whose target rings.
fn referred() -> (Story, Message) {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    assert_eq!(story.refer(9, TO), Some(202));
    let target = story.target();
    story.send(&answer(&target, "180 Ringing", ""));
    (story, target)
}

/// A trunk's call that was passed on.
fn passed() -> (Story, Message) {
    let (mut story, target) = referred();
    story.send(&answer(&target, "200 OK", "v=far"));
    (story, target)
}

#[test]
fn a_phone_passes_its_caller_on_and_leaves_when_the_target_answers() {
    let (mut story, target) = referred();
    assert_eq!(target.request_uri_text(), "sip:+81312345678@192.0.2.9:5060;user=phone");
    assert_eq!(target.body().as_ref(), b"v=target");
    let rings = [("SIP/2.0 100 Trying".to_owned(), false), ("SIP/2.0 180 Ringing".to_owned(), false)];
    assert_eq!(story.notified(), rings);
    assert_eq!(story.sent(&Method::Bye), 0);
    story.send(&answer(&target, "200 OK", "v=far"));
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 200 OK".to_owned(), true)));
    let call = story.call();
    let joined = Output::TransferAnswerWanted { call, target_sdp: "v=far".into() };
    assert!(story.shell.contains(&joined));
    let heard: Vec<&Method> = story.phones[0].got.iter().rev().take(2).map(Message::method).collect();
    assert_eq!(heard, [&Method::Bye, &Method::Notify]);
    let renewed = story.trunk.last().unwrap().clone();
    assert_eq!((renewed.method(), renewed.body().as_ref()), (&Method::Invite, &b"v=new Outside offer"[..]));
    assert_eq!(renewed.call_id(), "c1");
    story.send(&answer(&renewed, "200 OK", "v=fine"));
    story.run_until(100_000);
    assert_eq!((story.edge.live_calls(), story.rows().len()), (1, 0));
}

#[test]
fn the_call_is_one_row_and_says_what_became_of_it() {
    let (mut story, _) = passed();
    story.send(&story.in_dialog("BYE", 2, ""));
    assert_eq!(story.rows(), [Outcome::Completed]);
    assert_eq!(story.sent(&Method::Bye), 1);
    let facts = story.shell.iter().find_map(|output| match output {
        Output::Persist(facts) => Some(facts),
        _ => None,
    });
    assert_eq!(facts.unwrap().device, Some(story.phones[0].identity.device));
    assert_eq!(facts.unwrap().transferred_to.as_deref(), Some("+81312345678"), "as the plan says it");
    let milestones = story.milestones();
    let at = |milestone| milestones.iter().position(|other| *other == milestone).unwrap();
    assert!(at(Milestone::TransferAsked) < at(Milestone::Transferred));
    assert_eq!(milestones.iter().filter(|milestone| **milestone == Milestone::InviteForwarded).count(), 3);
    assert_eq!(milestones.iter().filter(|milestone| **milestone == Milestone::Durable).count(), 1);
    let bye = story.trunk.iter().rfind(|message| message.is_request()).unwrap().clone();
    story.send(&answer(&bye, "200 OK", ""));
    story.run_until(200_000);
    assert_eq!(story.edge.live_calls(), 0);
    assert!(story.edge.transfers.is_empty() && story.edge.changes.is_empty() && story.edge.outbound.is_empty());
}

#[test]
fn a_target_that_hangs_up_ends_the_call_and_is_answered_when_the_row_is_durable() {
    let (mut story, target) = passed();
    story.late_rows = true;
    story.send(&from_far(&target, "BYE", 2, "").replace(&target.to().to_string(), &format!("{};tag=f", target.to())));
    assert_eq!(story.rows(), [Outcome::Completed]);
    assert!(!story.statuses(&Method::Bye).contains(&200));
    assert!(story.trunk.iter().any(|message| message.method() == &Method::Bye && message.call_id() == "c1"));
    story.tell(Input::Persisted { call: story.call() });
    assert_eq!(story.statuses(&Method::Bye), [200]);
}

#[test]
fn a_target_that_is_busy_changes_nothing_and_the_phone_may_ask_again() {
    let (mut story, target) = referred();
    story.send(&answer(&target, "486 Busy Here", ""));
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 486 Busy Here".to_owned(), true)));
    assert_eq!((story.edge.live_calls(), story.sent(&Method::Bye), story.rows().len()), (1, 0, 0));
    assert!(story.shell.contains(&Output::TransferEnded { call: story.call() }));
    assert_eq!(story.refer(10, TO), Some(202));
    let again = story.target();
    assert_ne!(again.call_id(), target.call_id());
    story.send(&answer(&again, "200 OK", "v=far"));
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 200 OK".to_owned(), true)));
    story.send(&story.in_dialog("BYE", 2, ""));
    assert_eq!(story.rows(), [Outcome::Completed]);
}

#[test]
fn a_target_that_may_not_be_called_is_not_called() {
    let mut story = talking();
    story.outbound = OutboundDecision::Reject { status: 403, outcome: Outcome::Blocked };
    assert_eq!(story.refer(9, TO), Some(202));
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 403 Forbidden".to_owned(), true)));
    assert_eq!((story.sent(&Method::Invite), story.edge.live_calls()), (0, 1));
    let asked = story.shell.iter().any(|output| {
        matches!(output, Output::OutboundRouteWanted(question)
            if question.transfers == Some(story.call()) && question.to == "+81398765432"
            && question.device == story.phones[0].identity)
    });
    assert!(asked, "the shell decides about it as about any call of the device");
}

#[test]
fn what_cannot_be_a_transfer_is_refused() {
    let mut story = talking();
    let refused = [
        ("", 400),
        ("Refer-To: <sip:phones.test>\n", 400),
        ("Refer-To: <sip:1@a>, <sip:2@b>\n", 400),
        ("Refer-To: <mailto:x@y.test>\n", 416),
        ("Refer-To: <sip:1@a;method=BYE>\n", 400),
        ("Refer-To: <sip:+81398765432@a>\nRequire: multiple-refer\n", 420),
    ];
    for (cseq, (headers, status)) in (10..).zip(refused) {
        assert_eq!(story.refer(cseq, headers), Some(status), "{headers}");
    }
    assert_eq!((story.sent(&Method::Invite), story.notified().len()), (0, 0));
    assert_eq!(story.refer(20, TO), Some(202));
    assert_eq!(story.refer(20, TO), Some(202), "the same again, over another connection");
    assert_eq!(story.refer(21, TO), Some(491), "one at a time");
    assert_eq!(story.sent(&Method::Invite), 1);
}

#[test]
fn nobody_refers_without_a_call_and_trunks_never() {
    let mut story = talking();
    story.send(&story.in_dialog("REFER", 2, ""));
    assert_eq!(story.statuses(&Method::Refer), [403]);
    story.send(&story.in_dialog("REFER", 3, "").replace("Call-ID: c1", "Call-ID: c2"));
    assert_eq!(story.statuses(&Method::Refer), [403, 481]);
    let count = |story: &Story, reason| story.edge.refusals().find(|(name, _)| *name == reason).map(|(_, count)| count);
    assert_eq!((count(&story, "refer_from_trunk"), count(&story, "refer_outside")), (Some(1), Some(1)));
    let other = story.phone_says("REFER", 9, TO);
    let Input::Received { bytes, .. } = other else { panic!() };
    let flow = Flow::Stream(story.phones[1].connection.unwrap());
    story.tell(Input::Received { flow, bytes });
    assert_eq!(story.phones[1].got.last().unwrap().status(), Some(481), "it is not its call");
    story.tell_phone(0, AgentInput::HangUp { call: story.call() });
    assert_eq!(story.refer(30, TO), Some(481));
}

#[test]
fn a_caller_that_hangs_up_while_the_target_rings_takes_its_invite_back() {
    let (mut story, target) = referred();
    story.send(&story.in_dialog("BYE", 2, ""));
    assert_eq!((story.sent(&Method::Cancel), story.rows()), (1, vec![Outcome::Completed]));
    story.send(&answer(&target, "487 Request Terminated", ""));
    story.run_until(100_000);
    assert!(story.edge.outbound.is_empty() && story.edge.transfers.is_empty());
}

#[test]
fn an_answer_that_crosses_the_goodbye_of_the_caller_is_acknowledged_and_ended() {
    let (mut story, target) = referred();
    story.send(&story.in_dialog("BYE", 2, ""));
    story.send(&answer(&target, "200 OK", "v=far"));
    let bye = story.trunk.iter().rfind(|message| message.is_request()).unwrap().clone();
    assert_eq!((bye.method(), bye.call_id()), (&Method::Bye, target.call_id()));
    story.send(&answer(&bye, "200 OK", ""));
    story.run_until(100_000);
    assert_eq!(story.rows(), [Outcome::Completed]);
    assert!(story.edge.outbound.is_empty());
}

#[test]
fn a_phone_that_hangs_up_after_its_refer_leaves_the_caller_to_the_target() {
    let (mut story, target) = referred();
    let bye = story.phone_says("BYE", 10, "");
    story.tell(bye);
    assert_eq!(story.phones[0].got.last().unwrap().status(), Some(200), "the call goes on: no row is waited for");
    assert_eq!((story.edge.live_calls(), story.sent(&Method::Bye), story.rows().len()), (1, 0, 0));
    story.send(&answer(&target, "200 OK", "v=far"));
    assert_eq!(story.notified().len(), 2, "who has left hears nothing more");
    assert_eq!(story.trunk.last().unwrap().call_id(), "c1");
    story.send(&story.in_dialog("BYE", 2, ""));
    assert_eq!(story.rows(), [Outcome::Completed]);
}

#[test]
fn a_caller_whom_nobody_is_left_for_is_hung_up() {
    let (mut story, target) = referred();
    let bye = story.phone_says("BYE", 10, "");
    story.tell(bye);
    story.send(&answer(&target, "603 Decline", ""));
    assert_eq!(story.trunk.last().unwrap().method(), &Method::Bye);
    assert_eq!((story.rows(), story.edge.live_calls()), (vec![Outcome::Completed], 0));
}

#[test]
fn a_goodbye_of_the_phone_that_crosses_that_of_the_edge_is_answered() {
    let (mut story, _) = passed();
    let before = story.rows().len();
    let bye = story.phone_says("BYE", 10, "");
    story.tell(bye);
    let answer = story.phones[0].got.last().unwrap();
    assert!(matches!(answer.status(), Some(200 | 481)), "{answer}");
    assert_eq!((story.edge.live_calls(), story.rows().len()), (1, before));
}

#[test]
fn a_phone_that_was_away_hears_of_its_transfer_on_its_next_connection() {
    let mut story = talking();
    story.answers = false;
    assert_eq!(story.refer(9, TO), Some(202));
    let connection = story.phones[0].connection.unwrap();
    story.edge.handle(story.now, Input::ConnectionClosed { connection });
    story.phones[0].got.clear();
    let leg = story.shell.iter().find_map(|output| match output {
        Output::OutboundRouteWanted(question) => Some(question.call),
        _ => None,
    });
    let decision = OutboundDecision::Reject { status: 484, outcome: Outcome::NoRoute };
    story.tell(Input::OutboundRouted { call: leg.unwrap(), decision });
    assert_eq!(story.notified(), []);
    story.tell_phone(0, AgentInput::NetworkChanged);
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 484 Address Incomplete".to_owned(), true)));
}

#[test]
fn nobody_is_passed_on_to_a_colleague_and_the_call_stays() {
    let mut story = talking();
    let (outside, heard) = (std::mem::replace(&mut story.outbound, Story::house().outbound), story.phones[1].got.len());
    assert_eq!(story.refer(9, "Refer-To: <sip:202@phones.test>\n"), Some(202));
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 501 Not Implemented".to_owned(), true)));
    assert_eq!((story.edge.live_calls(), story.rows().len(), story.sent(&Method::Bye)), (1, 0, 0));
    assert_eq!(story.phones[1].got.len(), heard, "no colleague rings");
    assert!(story.milestones().contains(&Milestone::TransferFailed));

    story.outbound = outside;
    assert_eq!(story.refer(10, TO), Some(202), "somebody outside may be called then");
    let target = story.target();
    story.send(&answer(&target, "200 OK", "v=far"));
    assert!(story.milestones().contains(&Milestone::Transferred));
}

#[test]
fn who_took_the_place_of_the_phone_changes_its_session_and_the_phone_does_not() {
    let (mut story, target) = passed();
    let renewed = story.trunk.last().unwrap().clone();
    story.send(&answer(&renewed, "200 OK", "v=fine"));
    let from_target = |method, cseq, body| {
        let text = from_far(&target, method, cseq, body);
        text.replacen(&format!("From: {}\n", target.to()), &format!("From: {};tag=f\n", target.to()), 1)
    };
    story.renews = true;
    story.send(&from_target("INVITE", 5, "v=0\n"));
    assert_eq!(story.trunk.iter().rfind(|message| message.cseq().number == 5).unwrap().status(), Some(200));
    assert_eq!(story.trunk.last().unwrap().call_id(), "c1", "the caller is told");
    story.send(&from_target("ACK", 5, ""));
    let stale = story.phone_says("UPDATE", 11, "");
    story.tell(stale);
    assert_eq!(story.phones[0].got.last().unwrap().status(), Some(481));
}

#[test]
fn a_phone_passes_on_whom_it_called() {
    let (mut story, call) = dialled();
    story.renews = false;
    assert_eq!(story.refer(9, "Refer-To: tel:+81398765432\nReferred-By: <sip:x@y>\n"), Some(202));
    let target = story.target();
    assert_eq!(target.header("Referred-By"), None);
    story.send(&answer(&target, "200 OK", "v=far"));
    assert_eq!(story.notified().last(), Some(&("SIP/2.0 200 OK".to_owned(), true)));
    assert!(story.phones[0].got.iter().any(|message| message.is_request() && message.method() == &Method::Bye));
    assert!(story.shell.contains(&Output::TransferAnswerWanted { call, target_sdp: "v=far".into() }));
    let renewed = story.trunk.last().unwrap().clone();
    assert_eq!((renewed.method(), renewed.cseq().number), (&Method::Invite, 2));
    story.send(&answer(&renewed, "200 OK", "v=fine"));
    let bye = from_far(&renewed, "BYE", 9, "");
    story.send(&bye);
    assert_eq!(story.rows(), [Outcome::Completed]);
    let last = story.trunk.iter().rfind(|message| message.is_request()).unwrap().clone();
    assert_eq!((last.method(), last.call_id()), (&Method::Bye, target.call_id()));
    story.send(&answer(&last, "200 OK", ""));
    story.run_until(200_000);
    assert!(story.edge.outbound.is_empty() && story.edge.transfers.is_empty());
}

#[test]
fn a_user_transfers_a_call_and_hears_what_becomes_of_it() {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    let call = story.call();
    let step = |step| AgentOutput::TransferChanged { call, step };
    let to = "+81398765432".to_owned();
    story.tell_phone(0, AgentInput::Transfer { call, to: to.clone() });
    let asked = story.shell.iter().any(
        |output| matches!(output, Output::OutboundRouteWanted(question) if question.to == to && question.transfers == Some(call)),
    );
    assert!(asked);
    let target = story.target();
    story.send(&answer(&target, "180 Ringing", ""));
    assert_eq!(story.phones[0].news.last(), Some(&step(TransferStep::Ringing)));
    story.tell_phone(0, AgentInput::Transfer { call, to: to.clone() });
    assert_eq!(story.sent(&Method::Invite), 1, "one at a time");
    story.send(&answer(&target, "486 Busy Here", ""));
    assert_eq!(story.phones[0].news.last(), Some(&step(TransferStep::Failed(EndReason::Busy))));

    story.tell_phone(0, AgentInput::Transfer { call, to });
    let target = story.target();
    story.send(&answer(&target, "200 OK", "v=far"));
    let news = &story.phones[0].news;
    let ended = AgentOutput::Ended { call, reason: EndReason::RemoteHungUp };
    assert_eq!(news[news.len() - 2..], [step(TransferStep::Done), ended]);
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn a_user_transfers_a_call_that_the_phone_began_over_a_connection_that_breaks() {
    let (mut story, call) = dialled();
    let connection = story.phones[0].connection.unwrap();
    story.edge.handle(story.now, Input::ConnectionClosed { connection });
    story.phones[0].agent.handle(story.now, AgentInput::Transfer { call, to: "+81398765432".to_owned() });
    while story.phones[0].agent.poll_output().is_some() {}
    story.tell_phone(0, AgentInput::NetworkChanged);
    let target = story.target();
    assert_eq!(target.body().as_ref(), b"v=target", "the REFER was sent again");
    story.send(&answer(&target, "200 OK", "v=far"));
    let done = AgentOutput::TransferChanged { call, step: TransferStep::Done };
    assert!(story.phones[0].news.contains(&done));
}
