//! Whole transactions between a caller's store and a callee's, over a link that can lose.

use std::time::Duration;

use callfield_domain::{Seed, Timestamp};
use callfield_sip::message::{Method, Verdict, parse};
use callfield_sip::transaction::{ClientId, Ended, Flow, Input, Output, Settings, Transactions, Transport, Why};

use crate::torture_files;
use crate::transaction_world::{CLIENT, World, request, tcp, udp};

#[test]
fn a_lost_request_is_repeated_and_seen_once() {
    let mut world = World::new(udp());
    world.lost = 2;
    world.call(Method::Options);
    world.run(Duration::from_secs(2));
    world.answer(200);
    world.rest();
    insta::assert_snapshot!(world.wire.join("\n"), @r"
    0 > OPTIONS lost
    500 > OPTIONS lost
    1500 > OPTIONS
    2000 < 200
    ");
    assert_eq!((world.requests(), world.statuses(), world.client_end()), (1, vec![200], Some(Ended::Done)));
}

#[test]
fn a_refused_invite_is_acknowledged_by_the_layer() {
    let mut world = World::new(udp());
    world.call(Method::Invite);
    world.answer(180);
    world.lost = 1;
    world.answer(486);
    world.rest();
    insta::assert_snapshot!(world.wire.join("\n"), @r"
    0 > INVITE
    0 < 180
    0 < 486
    0 > ACK lost
    500 < 486
    500 > ACK
    ");
    assert_eq!(world.statuses(), [180, 486]);
    assert!(!world.to_callee.iter().any(|output| matches!(output, Output::Ack { .. })));
}

#[test]
fn the_ack_to_a_refusal_has_the_via_and_route_of_the_invite_and_the_to_of_the_answer() {
    let mut caller = Transactions::new(Settings { sent_by: "h:5070".to_owned(), limit: 8 }, Seed::from_number(1));
    let flow = tcp();
    caller.handle(Timestamp::ZERO, Input::Request { id: CLIENT, flow, request: request(Method::Invite) });
    let Some(Output::Transmit { bytes, .. }) = caller.poll_output() else { panic!("an INVITE") };
    let verdict = parse(bytes);
    let Verdict::Ok(invite) = verdict else { panic!("{verdict:?}") };
    let refusal = invite.response(404, "Not Found").to_tag("b1").build();
    caller.handle(Timestamp::ZERO, Input::Received { flow, verdict: Verdict::Ok(refusal) });
    let Some(Output::Transmit { bytes, .. }) = caller.poll_output() else { panic!("an ACK") };
    let branch = invite.top_via().unwrap().branch().unwrap().to_owned();
    let shown = String::from_utf8_lossy(&bytes).replace('\r', "").replace(&branch, "BRANCH");
    insta::assert_snapshot!(shown, @r"
    ACK sip:bob@example.com SIP/2.0
    Via: SIP/2.0/TCP h:5070;branch=BRANCH;rport
    Route: <sip:proxy.example.com;lr>
    From: <sip:alice@example.com>;tag=a1
    Call-ID: c1
    CSeq: 1 ACK
    To: <sip:bob@example.com>;tag=b1
    Max-Forwards: 70
    Content-Length: 0
    ");
}

#[test]
fn a_2xx_is_repeated_by_the_user_and_its_ack_is_the_users() {
    let mut world = World::new(udp());
    world.call(Method::Invite);
    world.answer(200);
    world.answer(200);
    assert_eq!(world.statuses(), [200, 200]);
    let ack = request(Method::Ack);
    world.caller(Input::Send { flow: udp(), message: ack });
    let acks = world.to_callee.iter().filter(|output| matches!(output, Output::Ack { .. })).count();
    assert_eq!(acks, 1);
    world.rest();
    assert_eq!(world.client_end(), Some(Ended::Done));
}

#[test]
fn a_silent_user_gets_trying_sent_for_it() {
    let mut world = World::new(tcp());
    world.call(Method::Invite);
    world.run(Duration::from_secs(1));
    assert_eq!(world.wire, ["0 > INVITE", "200 < 100 Trying"]);
}

#[test]
fn cancel_waits_for_trying_then_ends_the_invite() {
    let mut world = World::new(udp());
    world.call(Method::Invite);
    let reason = Some("SIP;cause=200;text=\"Call completed elsewhere\"".to_owned());
    world.caller(Input::Cancel { id: CLIENT, reason: reason.clone() });
    world.run(Duration::from_millis(300));
    let cancelled = world.to_callee.iter().find_map(|output| match output {
        Output::Cancelled { id, cancel } => Some((*id, cancel.clone())),
        Output::Request { .. }
        | Output::Response { .. }
        | Output::Transmit { .. }
        | Output::Ack { .. }
        | Output::Stray { .. }
        | Output::ClientEnded { .. }
        | Output::ServerEnded { .. } => None,
    });
    let (id, cancel) = cancelled.expect("the user hears of CANCEL");
    assert_eq!((id, cancel.header("Reason").map(str::to_owned)), (world.requested().0, reason));
    world.answer(487);
    world.rest();
    insta::assert_snapshot!(world.wire.join("\n"), @r"
    0 > INVITE
    200 < 100 Trying
    200 > CANCEL
    200 < 200 OK
    300 < 487
    300 > ACK
    ");
    assert_eq!(world.client_end(), Some(Ended::Done));
}

#[test]
fn a_cancel_behind_the_answer_changes_nothing() {
    let mut world = World::new(tcp());
    world.call(Method::Invite);
    world.answer(180);
    world.callee(Input::Respond {
        id: world.requested().0,
        response: world.requested().1.response(200, "OK").to_tag("b1").build(),
    });
    world.caller(Input::Cancel { id: CLIENT, reason: None });
    assert!(!world.to_callee.iter().any(|output| matches!(output, Output::Cancelled { .. })));
    world.rest();
}

#[test]
fn a_cancel_for_nothing_is_answered_481() {
    let mut world = World::new(udp());
    let cancel = request(Method::Cancel).edit().insert_first("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx").build();
    world.callee(Input::Received { flow: udp(), verdict: Verdict::Ok(cancel) });
    assert_eq!(world.wire, ["0 < 481 Call Does Not Exist"]);
    world.rest();
}

#[test]
fn nobody_there_is_a_timeout_after_32_seconds() {
    for (method, packets) in [(Method::Invite, 7), (Method::Options, 11)] {
        let mut world = World::new(udp());
        world.lost = usize::MAX;
        world.call(method);
        world.run(Duration::from_millis(31_999));
        assert_eq!(world.client_end(), None);
        world.run(Duration::from_millis(1));
        assert_eq!((world.client_end(), world.wire.len()), (Some(Ended::Timeout), packets));
        world.rest();
    }
}

#[test]
fn a_refusal_that_is_never_acknowledged_ends() {
    let mut world = World::new(udp());
    world.call(Method::Invite);
    world.lost = usize::MAX;
    world.answer(503);
    world.rest();
    assert!(world.to_callee.iter().any(|output| matches!(output, Output::ServerEnded { ended: Ended::NoAck, .. })));
    // Timer G: 0.5 s, doubled up to 4 s, for 32 s.
    assert_eq!(world.wire.iter().filter(|line| line.contains("< 503")).count(), 11);
}

#[test]
fn a_lost_connection_ends_what_runs_over_it() {
    let mut world = World::new(tcp());
    world.call(Method::Invite);
    world.caller(Input::FlowFailed { flow: Flow::Connection { id: 2, transport: Transport::Tcp } });
    assert_eq!(world.client_end(), None);
    world.caller(Input::FlowFailed { flow: tcp() });
    assert_eq!(world.client_end(), Some(Ended::FlowFailed));
    world.callee(Input::FlowFailed { flow: tcp() });
    assert!(world.callee.is_empty());
}

#[test]
fn a_full_store_refuses_and_recovers() {
    let mut world = World::new(tcp());
    for number in 0..9 {
        let request = request(Method::Options);
        world.caller(Input::Request { id: ClientId(number), flow: tcp(), request });
    }
    let full = |output: &Output| matches!(output, Output::ClientEnded { id: ClientId(8), ended: Ended::Full });
    assert!(world.to_caller.iter().any(full));
    let mut other = Transactions::new(Settings { sent_by: "h".to_owned(), limit: 100 }, Seed::from_number(3));
    other.handle(world.now, Input::Request { id: CLIENT, flow: tcp(), request: request(Method::Options) });
    let Some(Output::Transmit { bytes, .. }) = other.poll_output() else { panic!("a request") };
    world.callee(Input::Received { flow: tcp(), verdict: parse(bytes) });
    assert_eq!(world.wire.last().map(String::as_str), Some("0 < 503 Too Many Transactions"));
    world.rest();
}

#[test]
fn an_answer_goes_where_via_says() {
    let cases = [
        (
            "192.0.2.9:5070;rport;branch=z9hG4bK1",
            1024,
            "SIP/2.0/UDP 192.0.2.9:5070;rport=1024;branch=z9hG4bK1;received=192.0.2.1",
        ),
        ("192.0.2.9:5070;branch=z9hG4bK2", 5070, "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK2;received=192.0.2.1"),
        ("192.0.2.1;branch=z9hG4bK3", 5060, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK3"),
    ];
    for (via, port, expected) in cases {
        let mut callee = Transactions::new(Settings { sent_by: "h".to_owned(), limit: 8 }, Seed::from_number(1));
        let request = request(Method::Options).edit().insert_first("Via", format!("SIP/2.0/UDP {via}")).build();
        let flow = Flow::Udp(([192, 0, 2, 1], 1024).into());
        callee.handle(Timestamp::ZERO, Input::Received { flow, verdict: Verdict::Ok(request) });
        let Some(Output::Request { id, request, .. }) = callee.poll_output() else { panic!("a request") };
        assert_eq!(request.top_via().unwrap().as_str(), expected);
        callee.handle(Timestamp::ZERO, Input::Respond { id, response: request.response(200, "OK").build() });
        let Some(Output::Transmit { flow, .. }) = callee.poll_output() else { panic!("an answer") };
        assert_eq!(flow, Flow::Udp(([192, 0, 2, 1], port).into()));
    }
}

#[test]
fn old_requests_without_a_magic_branch_are_matched_by_what_they_say() {
    let mut world = World::new(udp());
    let old =
        |message: callfield_sip::message::Message| message.edit().insert_first("Via", "SIP/2.0/UDP 192.0.2.1").build();
    let invite = old(request(Method::Invite));
    for _ in 0..2 {
        world.callee(Input::Received { flow: udp(), verdict: Verdict::Ok(invite.clone()) });
    }
    let other = invite.edit().set("CSeq", "2 INVITE").build();
    world.callee(Input::Received { flow: udp(), verdict: Verdict::Ok(other) });
    assert_eq!(world.requests(), 2);
    let (id, seen) = world.requested();
    world.callee(Input::Respond { id, response: seen.response(486, "Busy").to_tag("b").build() });
    let ack = old(request(Method::Ack)).edit().set("CSeq", "2 ACK").build();
    world.callee(Input::Received { flow: udp(), verdict: Verdict::Ok(ack) });
    assert!(!world.to_callee.iter().any(|output| matches!(output, Output::Ack { .. })));
}

#[test]
fn a_faulty_request_is_answered_and_an_answer_for_somebody_else_dropped() {
    let mut world = World::new(udp());
    let read = |name| parse(torture_files::read(name).into());
    world.callee(Input::Received { flow: udp(), verdict: read("badvers") });
    world.callee(Input::Received { flow: udp(), verdict: read("bcast") });
    world.callee(Input::Received { flow: udp(), verdict: read("scalarlg") });
    assert_eq!(world.wire, ["0 < 505 Version Not Supported"]);
    assert!(world.callee.is_empty() && world.to_callee.is_empty());
}

#[test]
fn each_deadline_says_why() {
    let mut world = World::new(udp());
    assert_eq!(world.caller.poll_timeout(), None);
    world.lost = 1;
    world.call(Method::Invite);
    let at = Timestamp::from_millis;
    assert_eq!(world.caller.poll_timeout(), Some((at(500), Why::RepeatInvite)));
    world.run(Duration::from_millis(500));
    assert_eq!(world.callee.poll_timeout(), Some((at(700), Why::SendTrying)));
    world.answer(180);
    assert_eq!(world.caller.poll_timeout(), Some((at(181_500), Why::RingingTimeout)));
}

#[test]
fn thousands_of_transactions_come_and_go_and_leave_nothing() {
    let settings = Settings { sent_by: "h".to_owned(), limit: 5_000 };
    let mut callee = Transactions::new(settings, Seed::from_number(1));
    for number in 0..5_000 {
        let via = format!("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}");
        let verdict = Verdict::Ok(request(Method::Options).edit().insert_first("Via", via).build());
        let now = Timestamp::from_millis(number);
        callee.handle(now, Input::Received { flow: udp(), verdict: verdict.clone() });
        let Some(Output::Request { id, request, .. }) = callee.poll_output() else { panic!("a request") };
        callee.handle(now, Input::Respond { id, response: request.response(200, "OK").build() });
        callee.handle(now, Input::Received { flow: udp(), verdict });
        let answers: Vec<_> = std::iter::from_fn(|| callee.poll_output()).collect();
        assert!(
            matches!(&answers[..], [Output::Transmit { bytes: first, .. }, Output::Transmit { bytes: again, .. }] if first == again)
        );
    }
    assert_eq!(callee.len(), 5_000);
    let first_end = Timestamp::from_millis(32_000);
    assert_eq!(callee.poll_timeout(), Some((first_end, Why::AnswerRepeats)));
    callee.handle_timeout(first_end);
    assert_eq!(callee.len(), 4_999);
    callee.handle_timeout(Timestamp::from_millis(37_000));
    assert!(callee.is_empty());
}
