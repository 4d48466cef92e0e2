//! Stories of calls that a phone begins: two devices of one user, a trunk that is called.

use callfield_domain::{CallFacts, Direction, Outcome, TrunkId};

use super::*;
use crate::agent::EndReason;

const FAR: &str = "<sip:+81312345678@192.0.2.9:5060>";

pub(super) fn id() -> CallId {
    CallId::new(at(0), &mut Random::new(Seed::from_number(77)))
}

pub(super) fn plan() -> DialPlan {
    DialPlan {
        hops: vec![hop(TRUNK)],
        caller: "+81350001000".to_owned(),
        called: "+81312345678".to_owned(),
        why: "trunk".to_owned(),
    }
}

/// A trunk that takes calls there; the same address is the same trunk.
pub(super) fn hop(address: &str) -> Hop {
    let address: SocketAddr = address.parse().unwrap();
    let trunk = TrunkId::new(at(0), &mut Random::new(Seed::from_number(address.port().into())));
    Hop { trunk, address, max_calls: None, account: None }
}

impl Story {
    pub(super) fn dials(phone: usize) -> Self {
        let mut story = Self::new();
        story.dial_out(phone);
        story
    }

    pub(super) fn dial_out(&mut self, phone: usize) {
        let (call, to) = (id(), "0312345678".to_owned());
        self.tell_phone(phone, AgentInput::Dial { call, to, sdp: "v=phone".into() });
    }

    pub(super) fn talks() -> Self {
        let mut story = Self::dials(0);
        story.far_end(180, "b", "");
        story.far_end(200, "b", "v=far");
        story
    }

    /// What the trunk got last of a method.
    pub(super) fn last(&self, method: &Method) -> &Message {
        self.trunk.iter().rfind(|message| message.method() == method && message.is_request()).unwrap()
    }

    /// The far end answers the INVITE.
    pub(super) fn far_end(&mut self, status: u16, tag: &str, body: &str) {
        let invite = self.last(&Method::Invite).clone();
        self.far_answer(&invite, status, tag, &[("Contact", FAR)], body);
    }

    /// The far end answers any request, with headers of its own.
    pub(super) fn far_answer(&mut self, to: &Message, status: u16, tag: &str, headers: &[(&str, &str)], body: &str) {
        let response = to.response(status, "X").to_tag(tag);
        let response = headers.iter().fold(response, |response, (name, value)| response.header(name, value));
        let response = response.body("application/sdp", body.to_owned()).build();
        self.tell(Input::Received { flow: trunk(), bytes: response.as_bytes().clone() });
    }

    /// The far end sends a BYE.
    pub(super) fn far_bye(&mut self) {
        let invite = self.last(&Method::Invite);
        let (from, call_id) = (invite.from(), invite.call_id());
        let text = format!(
            "BYE sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKfb;rport\nMax-Forwards: 70\n\
             From: <sip:+81312345678@{TRUNK};user=phone>;tag=b\nTo: {from}\nCall-ID: {call_id}\nCSeq: 1 BYE\n\
             Content-Length: 0\n\n"
        );
        self.send(&text);
    }

    pub(super) fn news(&self, phone: usize) -> Vec<&AgentOutput> {
        let is_call = |news: &&AgentOutput| {
            !matches!(news, AgentOutput::Registered { .. } | AgentOutput::Disconnect | AgentOutput::Connect)
        };
        self.phones[phone].news.iter().filter(is_call).collect()
    }

    pub(super) fn facts(&self) -> &CallFacts {
        let facts = self.shell.iter().filter_map(|output| {
            let Output::Persist(facts) = output else { return None };
            Some(facts)
        });
        let facts: Vec<&CallFacts> = facts.collect();
        assert_eq!(facts.len(), 1, "a call has one row");
        facts[0]
    }
}

pub(super) fn ended(reason: EndReason) -> AgentOutput {
    AgentOutput::Ended { call: id(), reason }
}

#[test]
fn a_sleeping_phone_that_dials_registers_first_and_is_joined_with_the_far_end() {
    let mut story = Story::talks();
    let invite = story.last(&Method::Invite);
    assert_eq!(invite.request_uri_text(), "sip:+81312345678@192.0.2.9:5060;user=phone");
    assert_eq!(invite.from().uri_text(), "sip:+81350001000@phones.test;user=phone");
    assert_eq!(invite.header("X-Callfield-Call"), None, "what is ours stays here");
    assert_eq!(invite.body().as_ref(), b"v=trunk");
    let answered = AgentOutput::RemoteAnswered { call: id(), sdp: "v=device".into() };
    let told = [&AgentOutput::RemoteRinging { call: id() }, &answered, &AgentOutput::Established { call: id() }];
    assert_eq!(story.news(0), told);
    let asked =
        OutboundQuestion { call: id(), device: story.phones[0].identity, to: "0312345678".to_owned(), transfers: None };
    assert!(story.shell.contains(&Output::OutboundRouteWanted(asked)));

    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.last(&Method::Bye).request_uri_text(), "sip:+81312345678@192.0.2.9:5060");
    let facts = story.facts();
    assert_eq!((facts.direction, facts.outcome), (Direction::Outbound, Some(Outcome::Completed)));
    assert_eq!((facts.id, facts.device), (id(), Some(story.phones[0].identity.device)));
    assert_eq!((facts.from.as_str(), facts.to.as_str()), ("+81350001000", "+81312345678"));
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_far_end_that_hangs_up_hears_of_it_when_the_row_is_durable() {
    let mut story = Story::talks();
    story.late_rows = true;
    story.far_bye();
    assert_eq!(story.news(0).last(), Some(&&ended(EndReason::RemoteHungUp)));
    assert!(story.statuses(&Method::Bye).is_empty());
    story.tell(Input::Persisted { call: id() });
    assert_eq!(story.statuses(&Method::Bye), [200]);
}

#[test]
fn a_refusal_of_the_far_end_is_told_in_the_phones_words() {
    let cases = [
        (486, EndReason::Busy, Outcome::Busy),
        (603, EndReason::Rejected, Outcome::Rejected),
        (480, EndReason::NoAnswer, Outcome::NoAnswer),
        (404, EndReason::Rejected, Outcome::NoRoute),
        (503, EndReason::Failed, Outcome::Failed),
    ];
    for (status, reason, outcome) in cases {
        let mut story = Story::dials(0);
        story.far_end(status, "b", "");
        assert_eq!(story.news(0), [&ended(reason)], "{status}");
        assert_eq!(story.facts().outcome, Some(outcome));
        assert_eq!(story.last(&Method::Ack).to().tag(), Some("b"));
    }
}

#[test]
fn a_phone_that_gives_up_has_its_invite_taken_back() {
    let mut story = Story::dials(0);
    story.far_end(180, "b", "");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    assert_eq!(story.last(&Method::Cancel).request_uri_text(), story.last(&Method::Invite).request_uri_text());
    story.far_end(487, "b", "");
    assert_eq!(story.facts().outcome, Some(Outcome::Canceled));
    assert_eq!(story.news(0).last(), Some(&&ended(EndReason::HungUp)));
}

#[test]
fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let mut story = Story::dials(0);
    story.far_end(180, "b", "");
    story.tell_phone(0, AgentInput::HangUp { call: id() });
    story.far_end(200, "b", "v=far");
    assert_eq!(story.last(&Method::Ack).cseq().number, 1);
    assert_eq!(story.last(&Method::Bye).to().tag(), Some("b"));
    assert_eq!(story.facts().outcome, Some(Outcome::Canceled));
}

#[test]
fn a_lost_ack_is_sent_again_and_a_second_branch_of_a_fork_is_ended() {
    let mut story = Story::talks();
    story.far_end(200, "b", "v=far");
    assert_eq!(story.trunk.iter().filter(|message| message.method() == &Method::Ack).count(), 2);
    story.far_end(200, "other", "v=far");
    assert_eq!(story.last(&Method::Ack).to().tag(), Some("other"));
    assert_eq!(story.last(&Method::Bye).to().tag(), Some("other"));
    assert_eq!(story.edge.live_calls(), 1, "the first one talks on");
}

#[test]
fn a_refused_route_reaches_the_phone_and_no_trunk() {
    let mut story = Story::new();
    story.outbound = OutboundDecision::Reject { status: 380, outcome: Outcome::Blocked };
    story.dial_out(0);
    assert_eq!(story.news(0), [&ended(EndReason::Emergency)]);
    assert!(story.trunk.is_empty());
    assert_eq!(story.facts().outcome, Some(Outcome::Blocked));
}

#[test]
fn a_trunk_that_does_not_answer_at_all_fails_the_call_after_half_a_minute() {
    let mut story = Story::dials(0);
    story.run_until(32_000);
    assert_eq!(story.news(0), [&ended(EndReason::NoAnswer)]);
}

#[test]
fn who_answers_an_invite_that_was_given_up_is_told_that_nobody_is_there() {
    let mut story = Story::dials(0);
    story.run_until(33_000);
    assert_eq!(story.facts().outcome, Some(Outcome::NoAnswer));
    story.far_end(200, "b", "v=far");
    assert_eq!(story.last(&Method::Ack).to().tag(), Some("b"));
    assert_eq!(story.last(&Method::Bye).to().tag(), Some("b"));
}

#[test]
fn a_phone_with_a_new_connection_goes_on_talking_and_one_whose_app_was_killed_does_not() {
    let mut story = Story::talks();
    story.tell_phone(0, AgentInput::NetworkChanged);
    story.run_until(100_000);
    assert_eq!(story.edge.live_calls(), 1);

    let phone = &mut story.phones[0];
    let identity =
        Identity { domain: "phones.test".to_owned(), user: phone.identity.user, device: phone.identity.device };
    phone.agent = Agent::new(&identity, Seed::from_number(99), story.now).unwrap();
    story.tell_phone(0, AgentInput::Register { call: None });
    assert_eq!(story.facts().outcome, Some(Outcome::Completed));
    assert_eq!(story.last(&Method::Bye).to().tag(), Some("b"));
}

#[test]
fn a_call_id_that_exists_is_refused_and_changes_nothing() {
    let mut story = Story::talks();
    story.tell_phone(1, AgentInput::Register { call: None });
    story.tell_phone(1, AgentInput::Dial { call: id(), to: "1".to_owned(), sdp: "v=phone".into() });
    assert_eq!(story.news(1), [&ended(EndReason::Failed)]);
    assert_eq!(story.edge.live_calls(), 1);
    assert_eq!(story.edge.refusals().find(|(reason, _)| *reason == "merged"), Some(("merged", 1)));
}

#[test]
fn a_device_that_is_not_registered_cannot_call() {
    let mut story = Story::new();
    let (connection, peer) = (ConnectionId(7), Peer::Device(story.phones[0].identity));
    story.phones[0].connection = Some(connection);
    story.tell(Input::ConnectionOpened { connection, peer, transport: Transport::Wss });
    let invite = invite("v=0\n").replace("UDP", "WSS").replace('\n', "\r\n");
    story.tell(Input::Received { flow: Flow::Stream(connection), bytes: invite.into() });
    assert_eq!(story.phones[0].got.iter().filter_map(Message::status).collect::<Vec<_>>(), [403]);
}
