//! Who may register as whom.

use super::*;

fn register(story: &Story, headers: &str) -> String {
    let identity = story.phones[0].identity;
    format!(
        "REGISTER sip:phones.test SIP/2.0\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bKr\nMax-Forwards: 70\n\
         From: <sip:{0}@phones.test>;tag=f\nTo: <sip:{0}@phones.test>\nCall-ID: r1\nCSeq: 5 REGISTER\n{headers}\n",
        identity.user
    )
}

fn contact(device: impl std::fmt::Display, params: &str) -> String {
    format!("Contact: <sip:a@x.invalid;transport=ws>;+sip.instance=\"<urn:uuid:{device}>\"{params}\n")
}

/// The answer to a REGISTER over a connection of the first phone.
fn answer(story: &mut Story, request: &str) -> Message {
    let connection = ConnectionId(7);
    let peer = Peer::Device(story.phones[0].identity);
    story.edge.handle(story.now, Input::ConnectionOpened { connection, peer, transport: Transport::Wss });
    let flow = Flow::Stream(connection);
    story.edge.handle(story.now, Input::Received { flow, bytes: request.replace('\n', "\r\n").into() });
    let output = story.edge.poll_output();
    let Some(Output::Transmit { bytes, .. }) = output else { panic!("{output:?}") };
    read(&bytes)
}

#[test]
fn a_device_is_registered_for_no_longer_than_the_edge_likes() {
    let mut story = Story::new();
    let device = story.phones[0].identity.device;
    let request = register(&story, &contact(device, ";expires=99999"));
    let response = answer(&mut story, &request);
    assert_eq!(response.status(), Some(200));
    assert_eq!(response.contacts().next().unwrap().param("expires"), Some("3600"));
    assert_eq!(story.edge.registered_devices(), 1);
    story.run_until(3_600_000);
    assert_eq!(story.edge.registered_devices(), 0);
}

#[test]
fn nobody_registers_as_another_device_or_another_user() {
    let mut story = Story::new();
    let (own, other) = (story.phones[0].identity, story.phones[1].identity);
    let request = register(&story, &contact(other.device, ""));
    assert_eq!(answer(&mut story, &request).status(), Some(403));
    let request = register(&story, &contact(own.device, "")).replace("To: <sip:", "To: <sip:x");
    assert_eq!(answer(&mut story, &request).status(), Some(403));
    let request = register(&story, "Contact: <sip:a@x.invalid>\n");
    assert_eq!(answer(&mut story, &request).status(), Some(403));
    assert_eq!(story.edge.registered_devices(), 0);
}

#[test]
fn a_registration_that_was_overtaken_changes_nothing() {
    let mut story = Story::new();
    let device = story.phones[0].identity.device;
    let request = register(&story, &contact(device, ""));
    assert_eq!(answer(&mut story, &request).status(), Some(200));
    let overtaken = request.replace("CSeq: 5", "CSeq: 4");
    assert_eq!(answer(&mut story, &overtaken).status(), Some(500));
}

#[test]
fn a_device_that_unregisters_is_gone_and_a_brief_one_is_told_the_shortest_time() {
    let mut story = Story::new();
    let device = story.phones[0].identity.device;
    let request = register(&story, &contact(device, ""));
    answer(&mut story, &request);
    let brief = register(&story, &contact(device, ";expires=3")).replace("CSeq: 5", "CSeq: 6");
    let response = answer(&mut story, &brief);
    assert_eq!((response.status(), response.header("Min-Expires")), (Some(423), Some("10")));
    let gone = register(&story, "Contact: *\nExpires: 0\n").replace("CSeq: 5", "CSeq: 7");
    assert_eq!(answer(&mut story, &gone).status(), Some(200));
    assert_eq!(story.edge.registered_devices(), 0);
}

#[test]
fn a_phone_learns_how_its_calls_stand_when_it_registers() {
    let mut story = Story::new();
    story.dial();
    let (call, device) = (story.call(), story.phones[0].identity.device);
    let unknown = CallId::new(at(0), &mut Random::new(Seed::from_number(77)));
    let headers = format!("{}X-Callfield-Call: {call}\nX-Callfield-Call: {unknown}\n", contact(device, ""));
    let request = register(&story, &headers);
    let response = answer(&mut story, &request);
    let states: Vec<&str> = response.headers("X-Callfield-State").collect();
    assert_eq!(states, [format!("{call};state=ringing"), format!("{unknown};state=unknown")]);
}

#[test]
fn a_stranger_learns_nothing_of_a_call() {
    let mut story = Story::new();
    story.dial();
    let mut stranger = story.phones[0].identity;
    stranger.user = UserId::new(at(0), &mut Random::new(Seed::from_number(78)));
    stranger.device = DeviceId::new(at(0), &mut Random::new(Seed::from_number(79)));
    let call = story.call();
    assert_eq!(story.edge.woken_call_state(story.now, stranger, call), WokenCallState::Unknown);
}
