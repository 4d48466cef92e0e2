//! Calls whose sessions change while they talk, on each of the four kinds of leg.

use super::*;

const OFFER: &str = "v=0\no=pbx 7 2 IN IP4 192.0.2.9\n";

#[test]
fn a_caller_that_holds_is_answered_and_the_device_is_told() {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    story.renews = true;
    story.send(&story.in_dialog("INVITE", 2, OFFER));
    let answer = story.trunk.last().unwrap().clone();
    assert_eq!((answer.status(), answer.body().as_ref()), (Some(200), &b"v=new Outside answer"[..]));
    assert_eq!(answer.contacts().next().unwrap().uri_text(), "sip:edge@192.0.2.1:5060");
    let told = story.phones[0].got.iter().rfind(|message| message.method() == &Method::Invite).unwrap();
    assert_eq!((told.cseq().number, told.body().as_ref()), (2, &b"v=new Device offer"[..]));
    assert!(told.is_request() && told.to().tag().is_some());
}

#[test]
fn the_answer_to_a_change_is_repeated_until_its_ack() {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    story.send(&story.in_dialog("INVITE", 2, OFFER));
    story.run_until(1_600);
    let answers = |story: &Story| story.trunk.iter().filter(|message| message.cseq().number == 2).cloned().collect();
    let answers: Vec<Message> = answers(&story);
    assert_eq!(answers.iter().filter_map(Message::status).collect::<Vec<_>>(), [200, 200, 200]);
    assert_eq!(answers[0], answers[2]);
    story.send(&story.in_dialog("ACK", 2, ""));
    story.run_until(60_000);
    assert_eq!((story.statuses(&Method::Invite).len(), story.edge.live_calls()), (6, 1));
}

#[test]
fn a_change_before_the_first_answer_was_acknowledged_is_refused_for_now() {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.change = Some("v=new".to_owned());
    story.send(&story.in_dialog("INVITE", 2, OFFER));
    assert_eq!(story.trunk.last().unwrap().status(), Some(491));
    story.send(&story.in_dialog("ACK", 2, ""));
    story.send(&story.in_dialog("ACK", 1, ""));
    story.send(&story.in_dialog("UPDATE", 3, OFFER));
    assert_eq!(story.trunk.last().unwrap().status(), Some(200));
}

#[test]
fn a_caller_that_wants_to_be_offered_to_gets_the_offer_and_its_ack_brings_the_answer() {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    story.send(&story.in_dialog("INVITE", 2, ""));
    assert_eq!(story.trunk.last().unwrap().body().as_ref(), b"v=new Outside offer");
    story.send(&story.in_dialog("ACK", 2, "v=theirs"));
    let (call, side) = (story.call(), Side::Outside);
    let answered = Output::ChangeAnswered { call, side, answer: Some("v=theirs".into()) };
    assert!(story.shell.contains(&answered));
}

#[test]
fn a_change_that_crosses_one_of_the_edge_is_refused_and_both_are_made_in_the_end() {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    story.tell(Input::Renew { call: story.call(), side: Side::Outside });
    let own = story.trunk.last().unwrap().clone();
    assert_eq!((own.method(), own.is_request()), (&Method::Invite, true));
    story.send(&story.in_dialog("INVITE", 2, OFFER));
    assert_eq!(story.trunk.last().unwrap().status(), Some(491));
    story.send(&story.in_dialog("ACK", 2, ""));
    story.send(&answer(&own, "491 Request Pending", ""));
    assert!(story.shell.contains(&Output::ChangeAnswered { call: story.call(), side: Side::Outside, answer: None }));
    story.run_until(2_100);
    let again = story.trunk.last().unwrap().clone();
    assert_eq!((again.method(), again.cseq().number), (&Method::Invite, own.cseq().number + 1));
    story.send(&answer(&again, "200 OK", "v=theirs"));
    let ack = story.trunk.last().unwrap();
    assert_eq!((ack.method(), ack.cseq().number), (&Method::Ack, again.cseq().number));
    let answered = Output::ChangeAnswered { call: story.call(), side: Side::Outside, answer: Some("v=theirs".into()) };
    assert!(story.shell.contains(&answered));
}

#[test]
fn a_trunk_that_knows_the_call_no_more_ends_it_by_its_answer_to_a_change() {
    let mut story = talking();
    story.change = Some("v=new".to_owned());
    story.tell(Input::Renew { call: story.call(), side: Side::Outside });
    let own = story.trunk.last().unwrap().clone();
    story.send(&answer(&own, "481 Gone", ""));
    assert_eq!(story.rows(), [callfield_domain::Outcome::Failed]);
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_call_that_ends_refuses_the_change_that_waits() {
    let mut story = talking();
    story.answers = false;
    story.send(&story.in_dialog("INVITE", 2, OFFER));
    story.send(&story.in_dialog("BYE", 3, ""));
    assert_eq!(story.statuses(&Method::Invite).last(), Some(&487));
    story.send(&story.in_dialog("INVITE", 4, OFFER));
    assert_eq!(story.trunk.last().unwrap().status(), Some(481));
}

/// A call from the trunk that phone 0 answered, its answer acknowledged.
fn talking() -> Story {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    story
}

/// The trunk's answer to a request of the edge.
fn answer(request: &Message, status: &str, body: &str) -> String {
    let (code, reason) = status.split_once(' ').unwrap();
    let start = request.response(code.parse().unwrap(), reason).header("Contact", format!("<sip:0312345678@{TRUNK}>"));
    let start = if body.is_empty() { start } else { start.body("application/sdp", body.to_owned()) };
    start.build().to_string().replace("\r\n", "\n")
}
