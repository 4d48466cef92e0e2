//! Stories of a trunk over TLS: what the edge says of itself there.

use super::*;

const LINE: ConnectionId = ConnectionId(1);

/// Both phones are registered, and a trunk has opened a TLS connection.
fn story() -> Story {
    let mut story = Story::new();
    let settings =
        Settings { tls_address: "edge.test:5061".to_owned(), ..Settings::new("phones.test", "192.0.2.1:5060") };
    story.edge = Switchboard::new(settings, Seed::from_number(6), at(0));
    for phone in 0..2 {
        story.tell_phone(phone, AgentInput::Register { call: None });
    }
    let peer = Peer::Trunk(TRUNK.parse().unwrap());
    story.tell(Input::ConnectionOpened { connection: LINE, peer, transport: Transport::Tls });
    story
}

fn send(story: &mut Story, text: &str) {
    let bytes = Bytes::from(text.replace("/UDP", "/TLS").replace('\n', "\r\n"));
    story.tell(Input::Received { flow: Flow::Stream(LINE), bytes });
}

/// The Contact of the 200 to an INVITE that one phone answers.
fn contact_in_the_answer(invite: &str) -> String {
    let mut story = story();
    send(&mut story, invite);
    story.answer(0);
    let answer = story.trunk.last().unwrap();
    assert_eq!(answer.status(), Some(200));
    answer.header("Contact").unwrap().to_owned()
}

#[test]
fn a_call_over_tls_stays_on_its_connection_and_names_tls() {
    let mut story = story();
    send(&mut story, &invite("v=0\n"));
    story.answer(0);
    assert_eq!(story.statuses(&Method::Invite), [100, 180, 200]);
    let ack = story.in_dialog("ACK", 1, "");
    send(&mut story, &ack);
    let call = story.call();
    story.tell_phone(0, AgentInput::HangUp { call });
    let bye = story.trunk.last().unwrap();
    assert_eq!(bye.method(), &Method::Bye);
    assert!(bye.header("Via").unwrap().starts_with("SIP/2.0/TLS edge.test:5061;branch=z9hG4bK"), "{bye:?}");
    assert!(story.flows.iter().all(|flow| *flow == Flow::Stream(LINE)), "{:?}", story.flows);
}

#[test]
fn the_contact_is_sips_where_the_caller_asked_for_it() {
    let plain = invite("v=0\n");
    assert_eq!(contact_in_the_answer(&plain), "<sip:edge@edge.test:5061;transport=tls>");
    let target = plain.replacen("INVITE sip:", "INVITE sips:", 1);
    assert_eq!(contact_in_the_answer(&target), "<sips:edge@edge.test:5061>");
    let contact = plain.replace("Contact: <sip:", "Contact: <sips:");
    assert_eq!(contact_in_the_answer(&contact), "<sips:edge@edge.test:5061>");
    // The route decides where there is one.
    let routed = contact.replace("Contact:", "Record-Route: <sip:proxy.test;lr>\nContact:");
    assert_eq!(contact_in_the_answer(&routed), "<sip:edge@edge.test:5061;transport=tls>");
}

#[test]
fn a_caller_whose_tls_connection_breaks_gives_up() {
    let mut story = story();
    send(&mut story, &invite("v=0\n"));
    story.tell(Input::ConnectionClosed { connection: LINE });
    assert_eq!(story.rows(), [callfield_domain::Outcome::Canceled]);
}
