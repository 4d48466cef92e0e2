//! Stories of a phone, told in SIP.
#![expect(clippy::wildcard_enum_match_arm, reason = "a story looks only at what it is about")]

use std::time::Duration;

use super::*;
use crate::message::{Message, Method, Verdict, parse};

pub(super) struct Story {
    now: Timestamp,
    agent: Agent,
    pub(super) sent: Vec<Message>,
    raw: Vec<Bytes>,
    pub(super) news: Vec<Output>,
    /// The calls that were held or resumed, in that order.
    pub(super) held: Vec<(CallId, bool)>,
}

pub(super) fn call(number: u64) -> CallId {
    CallId::new(Timestamp::ZERO, &mut Random::new(Seed::from_number(number)))
}

impl Story {
    fn asleep() -> Self {
        let mut random = Random::new(Seed::from_number(1));
        let now = Timestamp::from_millis(1_000_000);
        let (user, device) = (UserId::new(now, &mut random), DeviceId::new(now, &mut random));
        let identity = Identity { domain: "phones.test".to_owned(), user, device };
        let agent = Agent::new(&identity, Seed::from_number(2), now).unwrap();
        Self { now, agent, sent: Vec::new(), raw: Vec::new(), news: Vec::new(), held: Vec::new() }
    }

    pub(super) fn registered() -> Self {
        let mut story = Self::asleep();
        story.tell(Input::Register { call: None });
        story.tell(Input::Connected);
        story.confirm("");
        story
    }

    fn ringing() -> Self {
        let mut story = Self::registered();
        story.receive(&invite(call(9), "z9hG4bKi"));
        story
    }

    pub(super) fn tell(&mut self, input: Input) {
        self.agent.handle(self.now, input);
        self.drain();
    }

    pub(super) fn receive(&mut self, text: &str) {
        self.tell(Input::Received(text.replace('\n', "\r\n").into()));
    }

    /// Answers the last REGISTER with 200.
    fn confirm(&mut self, headers: &str) {
        let response = self.last(&Method::Register).response(200, "OK").to_tag("e").header("Expires", 3_600).build();
        let text = String::from_utf8(response.as_bytes().to_vec()).unwrap();
        self.tell(Input::Received(text.replace("Expires:", &format!("{headers}Expires:")).into()));
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit(bytes) => {
                    if let Verdict::Ok(message) = parse(bytes.clone()) {
                        self.sent.push(message);
                    }
                    self.raw.push(bytes);
                }
                news => self.news.push(news),
            }
        }
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((due, _)) = self.agent.poll_timeout().filter(|(due, _)| *due <= until) {
            self.now = due;
            self.agent.handle_timeout(due);
            self.drain();
        }
        self.now = until;
    }

    pub(super) fn last(&self, method: &Method) -> &Message {
        self.sent.iter().rfind(|message| message.method() == method).unwrap()
    }

    pub(super) fn statuses(&self, method: &Method) -> Vec<u16> {
        self.sent.iter().filter(|message| message.method() == method).filter_map(Message::status).collect()
    }

    pub(super) fn count(&self, news: &Output) -> usize {
        self.news.iter().filter(|found| *found == news).count()
    }
}

fn invite(call: CallId, branch: &str) -> String {
    format!(
        "INVITE sip:d@x.invalid SIP/2.0\nVia: SIP/2.0/WSS phones.test;branch={branch}\nMax-Forwards: 70\n\
         From: \"Tanaka\" <sip:+81312345678@phones.test;user=phone>;tag=e\nTo: <sip:u@phones.test>\nCall-ID: i1\n\
         CSeq: 1 INVITE\nContact: <sip:edge@phones.test;transport=ws>\nX-Callfield-Call: {call}\nExpires: 45\n\
         Content-Type: application/sdp\nContent-Length: 3\n\nv=0"
    )
}

/// The INVITE of one call among several.
pub(super) fn invite_of(number: u64) -> String {
    invite(call(number), &format!("z9hG4bKi{number}")).replace("Call-ID: i1", &format!("Call-ID: i-{number}"))
}

/// A request of the edge in the dialog of one call among several.
pub(super) fn in_dialog_of(story: &Story, number: u64, method: &str, cseq: u32) -> String {
    let call_id = format!("i-{number}");
    let answer = story.sent.iter().rfind(|sent| sent.status().is_some() && sent.call_id() == call_id).unwrap();
    let tag = answer.to().tag().unwrap().to_owned();
    format!(
        "{method} sip:d@x.invalid SIP/2.0\nVia: SIP/2.0/WSS phones.test;branch=z9hG4bK{method}\nMax-Forwards: 70\n\
         From: <sip:+81312345678@phones.test>;tag=e\nTo: <sip:u@phones.test>;tag={tag}\nCall-ID: {call_id}\n\
         CSeq: {cseq} {method}\nContent-Length: 0\n\n"
    )
}

/// A request of the edge in the dialog of the INVITE.
fn in_dialog(story: &Story, method: &str, cseq: u32, headers: &str) -> String {
    let tag = story.last(&Method::Invite).to().tag().unwrap().to_owned();
    format!(
        "{method} sip:d@x.invalid SIP/2.0\nVia: SIP/2.0/WSS phones.test;branch=z9hG4bK{method}\nMax-Forwards: 70\n\
         From: <sip:+81312345678@phones.test>;tag=e\nTo: <sip:u@phones.test>;tag={tag}\nCall-ID: i1\n\
         CSeq: {cseq} {method}\n{headers}Content-Length: 0\n\n"
    )
}

#[test]
fn a_phone_registers_its_instance_and_names_the_calls_it_knows() {
    let mut story = Story::asleep();
    story.tell(Input::Register { call: Some(call(9)) });
    assert_eq!(story.news, [Output::AskState { call: call(9) }, Output::Connect]);
    story.tell(Input::Connected);
    let register = story.last(&Method::Register);
    assert_eq!(register.request_uri_text(), "sip:phones.test");
    assert_eq!(register.header("X-Callfield-Call"), Some(call(9).to_string().as_str()));
    let contact = register.contacts().next().unwrap();
    assert_eq!(contact.param("reg-id"), Some("1"));
    let instance = contact.params().unquoted("+sip.instance").unwrap().into_owned();
    assert!(contact.uri_text().contains(&instance["<urn:uuid:".len()..instance.len() - 1]));
    assert!(contact.uri_text().ends_with(".invalid;transport=ws"));
}

#[test]
fn a_phone_refreshes_its_registration_before_it_runs_out() {
    let mut story = Story::registered();
    assert!(story.agent.is_registered());
    let is_refresh = |message: &&Message| message.method() == &Method::Register;
    // The edge answers every keep-alive.
    while story.sent.iter().filter(is_refresh).count() == 1 {
        story.run_for(Duration::from_secs(20));
        story.receive("\n");
    }
    let waited = story.now.since(Timestamp::from_millis(1_000_000));
    assert!((2_880..=3_260).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!(story.last(&Method::Register).cseq().number, 2);
}

#[test]
fn a_refused_registration_is_tried_again_after_a_pause_on_a_new_connection() {
    let mut story = Story::asleep();
    story.tell(Input::Register { call: None });
    story.tell(Input::Connected);
    let refusal = story.last(&Method::Register).response(403, "Forbidden").to_tag("e").build();
    story.tell(Input::Received(refusal.as_bytes().clone()));
    let failed = story.news.iter().any(|news| matches!(news, Output::RegistrationFailed { status: Some(403), .. }));
    assert!(failed && story.news.contains(&Output::Disconnect));
    story.run_for(Duration::from_secs(1));
    assert_eq!(story.count(&Output::Connect), 2);
}

#[test]
fn a_silent_edge_is_pinged_and_given_up_when_it_does_not_answer() {
    let mut story = Story::registered();
    story.run_for(Duration::from_secs(25));
    assert_eq!(story.raw.last().map(Bytes::as_ref), Some(PING));
    story.receive("\n");
    story.run_for(Duration::from_secs(29));
    assert!(story.agent.is_registered());
    story.run_for(Duration::from_secs(1));
    assert!(!story.agent.is_registered());
    assert_eq!(story.count(&Output::Disconnect), 1);
}

#[test]
fn a_phone_that_goes_to_sleep_closes_its_connection_once_no_call_needs_it() {
    let mut story = Story::ringing();
    story.tell(Input::Sleep);
    assert_eq!(story.count(&Output::Disconnect), 0);
    let cancel = invite(call(9), "z9hG4bKi").replace("INVITE", "CANCEL").replace("Length: 3\n\nv=0", "Length: 0\n\n");
    story.receive(&cancel);
    story.receive(&in_dialog(&story, "ACK", 1, ""));
    assert_eq!(story.count(&Output::Disconnect), 1);
}

#[test]
fn an_incoming_call_rings_once_and_tells_who_calls() {
    let mut story = Story::ringing();
    story.receive(&invite(call(9), "z9hG4bKi"));
    let (from, name) = ("+81312345678".to_owned(), Some("Tanaka".to_owned()));
    let incoming = Output::Incoming { call: call(9), from, name, is_waiting: false };
    assert_eq!(story.count(&incoming), 1);
    assert_eq!(story.statuses(&Method::Invite), [180, 180]);
}

#[test]
fn a_withheld_number_is_empty() {
    let mut story = Story::registered();
    story.receive(
        &invite(call(9), "z9hG4bKi").replace("+81312345678@phones.test;user=phone", "anonymous@anonymous.invalid"),
    );
    let found = story.news.iter().any(|news| matches!(news, Output::Incoming { from, .. } if from.is_empty()));
    assert!(found);
}

#[test]
fn an_answered_call_is_established_by_the_ack_and_ended_by_the_edges_bye() {
    let mut story = Story::ringing();
    story.tell(Input::Answer { call: call(9) });
    assert_eq!(story.count(&Output::AnswerWanted { call: call(9), offer: "v=0".into() }), 1);
    story.tell(Input::AnswerSdp { call: call(9), sdp: Some("v=1".into()) });
    assert_eq!(story.last(&Method::Invite).body().as_ref(), b"v=1");
    story.receive(&in_dialog(&story, "ACK", 1, ""));
    assert_eq!(story.count(&Output::Established { call: call(9) }), 1);
    story.receive(&in_dialog(&story, "BYE", 2, ""));
    assert_eq!(story.statuses(&Method::Bye), [200]);
    assert_eq!(story.count(&Output::Ended { call: call(9), reason: EndReason::RemoteHungUp }), 1);
}

#[test]
fn a_bye_that_got_lost_with_its_connection_goes_out_on_the_next() {
    let mut story = Story::ringing();
    story.tell(Input::Answer { call: call(9) });
    story.tell(Input::AnswerSdp { call: call(9), sdp: Some("v=1".into()) });
    story.receive(&in_dialog(&story, "ACK", 1, ""));
    story.tell(Input::HangUp { call: call(9) });
    let bye = story.last(&Method::Bye).clone();
    story.tell(Input::NetworkChanged);
    story.tell(Input::Connected);
    story.confirm("");
    assert_eq!(story.sent.iter().filter(|message| **message == bye).count(), 2);
    let answer = bye.response(200, "OK").build();
    story.tell(Input::Received(answer.as_bytes().clone()));
    assert_eq!(story.count(&Output::Ended { call: call(9), reason: EndReason::HungUp }), 1);
}

#[test]
fn the_answer_to_a_register_ends_calls_that_are_over() {
    let mut story = Story::asleep();
    story.tell(Input::Register { call: Some(call(9)) });
    story.tell(Input::Connected);
    story.confirm(&format!("X-Callfield-State: {};state=answered_elsewhere\r\n", call(9)));
    let ended = Output::Ended { call: call(9), reason: EndReason::AnsweredElsewhere };
    assert_eq!((story.count(&ended), story.count(&Output::Disconnect)), (1, 1));
    // The push came late a second time: its call screen must end too.
    story.tell(Input::Register { call: Some(call(9)) });
    assert_eq!((story.count(&ended), story.count(&Output::Connect)), (2, 1));
}

#[test]
fn an_invite_of_a_call_that_was_declined_is_declined_again() {
    let mut story = Story::ringing();
    story.tell(Input::Decline { call: call(9) });
    story.receive(&in_dialog(&story, "ACK", 1, ""));
    story.receive(&invite(call(9), "z9hG4bKj"));
    assert_eq!(story.statuses(&Method::Invite), [180, 603, 603]);
}

#[test]
fn what_the_phone_does_not_know_is_refused_politely() {
    let mut story = Story::ringing();
    story.receive(&in_dialog(&story, "INVITE", 2, ""));
    story.receive(&in_dialog(&story, "NOTIFY", 3, ""));
    story.receive(&in_dialog(&story, "OPTIONS", 4, ""));
    story.receive(&in_dialog(&story, "BYE", 5, "").replace("Call-ID: i1", "Call-ID: other"));
    let statuses: Vec<u16> = story.sent.iter().filter_map(Message::status).collect();
    assert_eq!(statuses, [180, 491, 489, 200, 481]);
}

#[test]
fn a_domain_that_cannot_be_one_makes_no_phone() {
    let mut random = Random::new(Seed::from_number(1));
    let (user, device) = (UserId::new(Timestamp::ZERO, &mut random), DeviceId::new(Timestamp::ZERO, &mut random));
    let identity = Identity { domain: "not a host".to_owned(), user, device };
    assert!(Agent::new(&identity, Seed::from_number(1), Timestamp::ZERO).is_err());
}
