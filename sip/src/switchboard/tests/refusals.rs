//! What the edge refuses, and how.

use callfield_domain::Outcome;

use super::*;

fn request(method: &str, to_tag: &str) -> String {
    format!(
        "{method} sip:edge@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{method};rport\nMax-Forwards: 70\n\
         From: <sip:a@pbx.test>;tag=a\nTo: <sip:edge@192.0.2.1>{to_tag}\nCall-ID: r\nCSeq: 1 {method}\nContent-Length: 0\n\n"
    )
}

fn refusals(story: &Story) -> Vec<(&'static str, u64)> {
    story.edge.refusals().collect()
}

#[test]
fn options_is_answered_and_unknown_methods_are_told_what_is_allowed() {
    let mut story = Story::new();
    story.send(&request("OPTIONS", ""));
    story.send(&request("FROBNICATE", ""));
    assert_eq!(story.trunk.iter().map(|message| message.status()).collect::<Vec<_>>(), [Some(200), Some(405)]);
    assert!(story.trunk.iter().all(|message| message.lists("Allow", "INVITE")));
}

#[test]
fn requests_of_no_dialog_are_told_so() {
    let mut story = Story::new();
    story.send(&request("BYE", ";tag=x"));
    story.send(&request("INFO", ";tag=x"));
    assert_eq!(story.trunk.iter().map(|message| message.status()).collect::<Vec<_>>(), [Some(481), Some(481)]);
}

#[test]
fn a_caller_from_an_unknown_source_is_refused_and_leaves_no_row() {
    let mut story = Story::awake();
    story.answers = false;
    story.dial();
    let decision = Decision::Reject { status: 403, outcome: Outcome::Blocked, tenant: None };
    story.tell(Input::Routed { call: story.call(), decision });
    assert_eq!(story.statuses(&Method::Invite), [100, 403]);
    assert!(story.rows().is_empty());
    assert_eq!((story.edge.live_calls(), refusals(&story)), (0, vec![("unknown_source", 1)]));
}

#[test]
fn a_number_without_a_route_is_refused_after_its_row() {
    let mut story = Story::awake();
    story.answers = false;
    story.dial();
    let tenant = Some(story.phones[0].identity.tenant);
    let decision = Decision::Reject { status: 404, outcome: Outcome::NoRoute, tenant };
    story.tell(Input::Routed { call: story.call(), decision });
    assert_eq!((story.rows(), story.statuses(&Method::Invite)), (vec![Outcome::NoRoute], vec![100]));
    story.tell(Input::Persisted { call: story.call() });
    assert_eq!(story.statuses(&Method::Invite), [100, 404]);
}

#[test]
fn a_call_too_many_is_told_to_come_later() {
    let mut story = Story::awake();
    story.edge.settings.max_calls = 0;
    story.dial();
    let refusal = story.trunk.last().unwrap();
    assert_eq!((refusal.status(), refusal.header("Retry-After")), (Some(503), Some("10")));
}

#[test]
fn what_the_edge_cannot_do_is_said_with_the_reason() {
    let mut story = Story::awake();
    story.send(&invite("v=0\n").replace("Contact:", "Require: 100rel\nContact:"));
    let refusal = story.trunk.last().unwrap();
    assert_eq!((refusal.status(), refusal.header("Unsupported")), (Some(420), Some("100rel")));
    story.send(&invite("hi\n").replace("application/sdp", "text/plain").replace("z9hG4bKi1", "z9hG4bKi2"));
    let refusal = story.trunk.last().unwrap();
    assert_eq!((refusal.status(), refusal.header("Accept")), (Some(415), Some("application/sdp")));
}

#[test]
fn the_same_invite_by_another_way_is_a_loop() {
    let mut story = Story::awake();
    story.dial();
    story.send(&invite("v=0\n").replace("z9hG4bKi1", "z9hG4bKi2"));
    assert_eq!(story.trunk.last().unwrap().status(), Some(482));
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn malformed_messages_are_answered_or_dropped_and_counted() {
    let mut story = Story::awake();
    story.send(&invite("v=0\n").replace("Content-Length: 5", "Content-Length: -5"));
    assert_eq!(story.trunk.last().unwrap().status(), Some(400));
    story.send("GET / HTTP/1.1\n\n");
    story.tell(Input::Received { flow: trunk(), bytes: Bytes::from_static(b"\0\xff\x80") });
    assert_eq!(refusals(&story), [("dropped", 2), ("malformed", 1)]);
    story.dial();
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn a_change_that_cannot_be_agreed_leaves_the_session_as_it_was() {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    story.send(&story.in_dialog("INVITE", 2, "v=0\no=x 1 2 IN IP4 192.0.2.9\n"));
    assert_eq!(story.trunk.last().unwrap().status(), Some(488));
    story.send(&story.in_dialog("INFO", 3, ""));
    assert_eq!(story.trunk.last().unwrap().status(), Some(200));
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn a_stream_may_cut_messages_anywhere_and_is_closed_when_they_cannot_be_found() {
    let mut story = Story::awake();
    let connection = ConnectionId(1);
    let peer = Peer::Trunk(TRUNK.parse().unwrap());
    story.tell(Input::ConnectionOpened { connection, peer, transport: Transport::Tcp });
    let bytes = Bytes::from(request("OPTIONS", "").replace("UDP", "TCP").replace('\n', "\r\n"));
    let flow = Flow::Stream(connection);
    let send = |story: &mut Story, bytes| story.edge.handle(story.now, Input::Received { flow, bytes });
    send(&mut story, bytes.slice(..30));
    assert_eq!(story.edge.poll_output(), None);
    send(&mut story, bytes.slice(30..));
    let output = story.edge.poll_output();
    let Some(Output::Transmit { bytes, .. }) = output else { panic!("{output:?}") };
    assert_eq!(read(&bytes).status(), Some(200));
    send(&mut story, "nothing that is SIP\r\nContent-Length: 0\r\n\r\n".into());
    let endless = request("OPTIONS", "").replace("UDP", "TCP").replace("Content-Length: 0\n", "").replace('\n', "\r\n");
    send(&mut story, endless.into());
    let last: Vec<_> = std::iter::from_fn(|| story.edge.poll_output()).collect();
    let [Output::Transmit { bytes, .. }, closed] = &last[..] else { panic!("{last:?}") };
    assert_eq!((read(bytes).status(), closed), (Some(400), &Output::CloseConnection { connection }));
    assert_eq!(refusals(&story), [("broken_stream", 1), ("malformed", 1), ("unreadable", 1)]);
}

#[test]
fn keep_alives_in_a_row_get_one_answer_and_only_messages_are_counted() {
    let mut story = Story::awake();
    let before = story.edge.received();
    let (connection, peer) = (ConnectionId(1), Peer::Trunk(TRUNK.parse().unwrap()));
    story.tell(Input::ConnectionOpened { connection, peer, transport: Transport::Tcp });
    let options = request("OPTIONS", "").replace("UDP", "TCP").replace('\n', "\r\n");
    let stretch = "\r\n\r\n".repeat(1_000) + &options + "\r\n\r\n";
    story.edge.handle(story.now, Input::Received { flow: Flow::Stream(connection), bytes: stretch.into() });
    let sent = std::iter::from_fn(|| story.edge.poll_output()).map(|output| {
        let Output::Transmit { bytes, .. } = output else { panic!("{output:?}") };
        if bytes.starts_with(b"SIP/2.0 200 ") { "200".to_owned() } else { format!("{} bytes", bytes.len()) }
    });
    assert_eq!(sent.collect::<Vec<_>>(), ["2000 bytes", "200", "2 bytes"]);
    assert_eq!(story.edge.received(), before + 1);
    let flow = trunk();
    story.tell(Input::Received { flow, bytes: "\r\n\r\n".into() });
    assert_eq!(story.edge.received(), before + 1);
    story.tell(Input::Received { flow, bytes: "\0".into() });
    assert_eq!(story.edge.received(), before + 2);
}

#[test]
fn what_is_refused_for_its_method_or_want_of_a_dialog_is_counted() {
    let mut story = Story::new();
    story.send(&request("FROBNICATE", ""));
    story.send(&request("BYE", ";tag=x"));
    story.send(&invite("").replace(&format!("Contact: <sip:0312345678@{TRUNK}>\n"), ""));
    assert_eq!(refusals(&story), [("method", 1), ("no_contact", 1), ("no_dialog", 1)]);
}
