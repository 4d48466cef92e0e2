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
    let again = story.trunk.iter().rfind(|message| message.is_request()).unwrap().clone();
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
    assert!(story.edge.changes.is_empty());
}

#[test]
fn a_phone_holds_and_resumes_a_call_and_the_caller_is_told() {
    let mut story = talking();
    (story.change, story.renews) = (Some("v=new".to_owned()), true);
    let call = story.call();
    story.tell_phone(0, AgentInput::Hold { call });
    let answered = AgentOutput::ChangeAnswered { call, answer: Some("v=new Device answer".into()) };
    assert_eq!(story.phones[0].news.last(), Some(&answered));
    assert!(story.shell.contains(&wanted(call, Side::Device, Some("v=holds"))));
    let told = story.trunk.last().unwrap().clone();
    assert_eq!((told.method(), told.body().as_ref()), (&Method::Invite, &b"v=new Outside offer"[..]));
    story.send(&answer(&told, "200 OK", "v=fine"));
    let fine = Output::ChangeAnswered { call, side: Side::Outside, answer: Some("v=fine".into()) };
    assert_eq!(story.shell.last(), Some(&fine));
    story.tell_phone(0, AgentInput::Hold { call });
    assert_eq!(story.trunk.last().unwrap().method(), &Method::Ack, "it is held already");
    story.tell_phone(0, AgentInput::Resume { call });
    assert!(story.shell.contains(&wanted(call, Side::Device, Some("v=talks"))));
    story.tell_phone(0, AgentInput::HangUp { call });
    assert_eq!(story.rows(), [callfield_domain::Outcome::Completed]);
    assert!(story.edge.changes.is_empty());
}

#[test]
fn a_phone_that_began_the_call_holds_it_and_is_held() {
    let (mut story, call) = dialled();
    story.tell_phone(0, AgentInput::Hold { call });
    assert!(story.shell.contains(&wanted(call, Side::Device, Some("v=holds"))));
    let told = story.trunk.last().unwrap().clone();
    assert_eq!((told.method(), told.cseq().number), (&Method::Invite, 2));
    story.send(&answer(&told, "200 OK", "v=fine"));
    let held = from_far(&told, "INVITE", 7, OFFER);
    story.send(&held);
    assert_eq!(story.trunk.last().unwrap().body().as_ref(), b"v=new Outside answer");
    story.send(&from_far(&told, "ACK", 7, ""));
    let asked = AgentOutput::ChangeWanted { call, offer: Some("v=new Device offer".into()), is_holding: true };
    assert!(story.phones[0].news.contains(&asked));
    assert!(story.shell.contains(&Output::ChangeAnswered { call, side: Side::Device, answer: Some("v=holds".into()) }));
    story.run_until(60_000);
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn two_ends_that_hold_at_once_are_both_held_in_the_end() {
    let (mut story, call) = dialled();
    story.answers = false;
    story.tell(Input::Renew { call, side: Side::Device });
    story.tell_phone(0, AgentInput::Hold { call });
    let refused = AgentOutput::ChangeAnswered { call, answer: None };
    assert_eq!(story.phones[0].news.last(), Some(&refused));
    (story.answers, story.renews) = (true, false);
    let sdp = Some("v=late".into());
    story.tell(Input::ChangeMade { call, side: Side::Device, sdp, renews_other: false });
    assert!(story.phones[0].news.contains(&AgentOutput::ChangeWanted {
        call,
        offer: Some("v=late".into()),
        is_holding: true
    }));
    let (due, why) = story.phones[0].agent.poll_timeout().unwrap();
    assert_eq!(why, crate::agent::Why::Change(call));
    story.now = due;
    story.phones[0].agent.handle_timeout(due);
    story.settle();
    let agreed = AgentOutput::ChangeAnswered { call, answer: Some("v=new Device answer".into()) };
    assert_eq!(story.phones[0].news.last(), Some(&agreed));
}

/// A call from the trunk that phone 0 answered, its answer acknowledged.
pub(super) fn talking() -> Story {
    let mut story = Story::awake();
    story.dial();
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    story
}

/// The trunk's answer to a request of the edge.
pub(super) fn answer(request: &Message, status: &str, body: &str) -> String {
    let (code, reason) = status.split_once(' ').unwrap();
    let contact = format!("<sip:0312345678@{TRUNK}>");
    let start = request.response(code.parse().unwrap(), reason).to_tag("f").header("Contact", contact);
    let start = if body.is_empty() { start } else { start.body("application/sdp", body.to_owned()) };
    start.build().to_string().replace("\r\n", "\n")
}

fn wanted(call: CallId, side: Side, offer: Option<&'static str>) -> Output {
    Output::ChangeWanted { call, side, offer: offer.map(Bytes::from) }
}

/// A call that phone 0 began and the trunk answered, in which changes are passed on.
pub(super) fn dialled() -> (Story, CallId) {
    dialled_with(None)
}

fn dialled_with(account: Option<&TrunkAccount>) -> (Story, CallId) {
    let mut story = Story::awake();
    let mut plan = outbound::plan();
    plan.hops.iter_mut().for_each(|hop| hop.account = account.cloned());
    story.outbound = OutboundDecision::Dial(plan);
    let call = CallId::new(story.now, &mut Random::new(Seed::from_number(77)));
    story.tell_phone(0, AgentInput::Dial { call, to: "+81312345678".to_owned(), sdp: "v=phone".into() });
    let invite = story.trunk.last().unwrap().clone();
    story.send(&answer(&invite, "200 OK", "v=far"));
    (story.change, story.renews) = (Some("v=new".to_owned()), true);
    (story, call)
}

/// A request of the far end in the dialog of a request of the edge.
pub(super) fn from_far(request: &Message, method: &str, cseq: u32, body: &str) -> String {
    let length = body.replace('\n', "\r\n").len();
    format!(
        "{method} sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{method}{cseq};rport\n\
         Max-Forwards: 70\nFrom: {}\nTo: {}\nCall-ID: {}\nCSeq: {cseq} {method}\nContact: <sip:far@{TRUNK}>\n\
         Content-Type: application/sdp\nContent-Length: {length}\n\n{body}",
        request.to(),
        request.from(),
        request.call_id()
    )
}

#[test]
fn a_change_that_a_trunk_wants_proven_is_proven_once_and_so_is_its_ack() {
    let account = TrunkAccount { login: crate::digest::Login::new("company", "secret"), realm: None };
    let (mut story, call) = dialled_with(Some(&account));
    story.tell(Input::Renew { call, side: Side::Outside });
    let first = story.trunk.last().unwrap().clone();
    let challenge = "WWW-Authenticate: Digest realm=\"t\", nonce=\"n\", qop=\"auth\"\nContent-Length";
    let refusal = |request: &Message| answer(request, "401 Unauthorized", "").replacen("Content-Length", challenge, 1);
    story.send(&refusal(&first));
    let second = story.trunk.last().unwrap().clone();
    assert_eq!((second.method(), second.cseq().number), (&Method::Invite, first.cseq().number + 1));
    assert_eq!(second.body(), first.body());
    assert!(second.header("Authorization").unwrap().contains("username=\"company\""));
    story.send(&answer(&second, "200 OK", "v=fine"));
    let ack = story.trunk.last().unwrap().clone();
    assert_eq!((ack.method(), ack.header("Authorization")), (&Method::Ack, second.header("Authorization")));

    story.tell(Input::Renew { call, side: Side::Outside });
    for _ in 0..2 {
        let request = story.trunk.iter().rfind(|message| message.is_request() && message.method() == &Method::Invite);
        let refusal = refusal(&request.unwrap().clone());
        story.send(&refusal);
    }
    let kept = Output::ChangeAnswered { call, side: Side::Outside, answer: None };
    assert_eq!(story.shell.last(), Some(&kept), "a second refusal is the last word");
    assert_eq!(story.edge.live_calls(), 1);
}

#[test]
fn a_phone_that_never_answers_a_change_does_not_bar_later_ones() {
    let (mut story, call) = dialled();
    let connection = story.phones[0].connection.take();
    story.renews = false;
    let renew = Input::Renew { call, side: Side::Device };
    let sent = |story: &Story| {
        let mut to_phone =
            story.trunk.iter().filter(|message| message.is_request() && message.method() == &Method::Invite);
        to_phone.by_ref().filter(|message| message.body().as_ref() == b"v=new Device offer").count()
    };
    // Without its connection's end known, what goes to it lands with the trunk, and nobody answers.
    story.tell(renew.clone());
    assert_eq!(sent(&story), 1);
    story.tell(renew.clone());
    assert_eq!(sent(&story), 1, "one at a time");
    story.run_until(32_000);
    assert!(sent(&story) > 1, "what was wanted meanwhile goes out now");
    let kept = Output::ChangeAnswered { call, side: Side::Device, answer: None };
    assert!(story.shell.contains(&kept));
    story.run_until(70_000);
    assert_eq!(story.edge.live_calls(), 1, "the call goes on");
    let late = story.trunk.iter().rfind(|message| message.body().as_ref() == b"v=new Device offer").unwrap().clone();
    let late = late.response(200, "OK").to_tag("f").body("application/sdp", "v=late").build();
    let flow = Flow::Stream(connection.unwrap());
    story.tell(Input::Received { flow, bytes: late.as_bytes().clone() });
    assert!(
        story
            .trunk
            .iter()
            .any(|message| message.method() == &Method::Ack && message.vias().next().unwrap().transport() == "WSS")
    );
}
