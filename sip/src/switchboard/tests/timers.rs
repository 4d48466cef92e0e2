//! Stories of session timers (RFC 4028) with trunks and desk phones: nobody who vanished keeps a call alive.

use callfield_domain::Outcome;

use super::changes::answer;
use super::*;

/// An INVITE of the trunk that says this of timers.
fn timed(headers: &str) -> String {
    invite("v=0\n").replace("Content-Type", &format!("{headers}Content-Type"))
}

/// A call of the trunk with such an INVITE, which phone 0 answered; and the 200.
fn talking(headers: &str) -> (Story, Message) {
    let mut story = Story::awake();
    story.change = Some("v=new".to_owned());
    story.send(&timed(headers));
    story.answer(0);
    story.send(&story.in_dialog("ACK", 1, ""));
    let accepted = story.trunk.iter().rfind(|message| message.status() == Some(200)).unwrap().clone();
    (story, accepted)
}

impl Story {
    fn requests(&self, method: &Method) -> Vec<&Message> {
        self.trunk.iter().filter(|message| message.is_request() && message.method() == method).collect()
    }
}

#[test]
fn a_session_that_is_too_short_is_refused_with_the_shortest() {
    let mut story = Story::awake();
    story.send(&timed("Supported: timer\nSession-Expires: 60\n"));
    let refusal = story.trunk.last().unwrap();
    assert_eq!((refusal.status(), refusal.header("Min-SE")), (Some(422), Some("90")));
    assert_eq!(story.edge.live_calls(), 0);
}

#[test]
fn a_caller_that_wanted_to_refresh_and_vanished_is_given_up() {
    let (mut story, accepted) = talking("Supported: timer\nSession-Expires: 600;refresher=uac\nRequire: timer\n");
    assert_eq!(accepted.header("Session-Expires"), Some("600;refresher=uac"));
    assert_eq!(accepted.header("Require"), Some("timer"));
    story.run_until(400_000);
    let update = story.in_dialog("UPDATE", 2, "").replace("Content-Type: application/sdp\n", "Session-Expires: 600\n");
    story.send(&update.replace("Session-Expires", "Supported: timer\nSession-Expires"));
    assert_eq!(story.trunk.last().unwrap().header("Session-Expires"), Some("600;refresher=uac"));
    story.run_until(900_000);
    assert_eq!((story.edge.live_calls(), story.requests(&Method::Invite).len()), (1, 0));
    story.run_until(1_000_000);
    assert_eq!((story.rows().len(), story.edge.live_calls()), (1, 0));
    assert!(!story.requests(&Method::Bye).is_empty());
    assert!(story.phones[0].got.iter().any(|message| message.is_request() && message.method() == &Method::Bye));
}

#[test]
fn a_caller_without_timers_is_asked_now_and_then_and_whatever_it_answers_proves_it_alive() {
    let (mut story, accepted) = talking("");
    assert_eq!(accepted.header("Session-Expires"), Some("1800;refresher=uas"));
    assert_eq!(accepted.header("Require"), None);
    story.run_until(900_000);
    let refresh = story.requests(&Method::Invite)[0].clone();
    assert_eq!(refresh.body().as_ref(), b"v=new Outside offer");
    story.send(&answer(&refresh, "488 Not Acceptable Here", ""));
    story.run_until(1_790_000);
    assert_eq!(story.requests(&Method::Invite).len(), 1);
    story.run_until(1_801_000);
    assert!(story.requests(&Method::Invite).len() > 1, "it is asked again");
    story.run_until(1_840_000);
    assert_eq!((story.rows().len(), story.edge.live_calls()), (1, 0), "it did not answer at all");
}

#[test]
fn a_trunk_that_takes_update_is_refreshed_without_an_offer_and_knows_no_call_any_more() {
    let (mut story, _) =
        talking("Allow: INVITE, ACK, BYE, UPDATE\nSupported: timer\nSession-Expires: 1800;refresher=uas\n");
    story.run_until(900_000);
    let refresh = story.requests(&Method::Update)[0].clone();
    assert_eq!((refresh.body().len(), refresh.header("Session-Expires")), (0, Some("1800;refresher=uac")));
    story.send(&answer(&refresh, "481 Call/Transaction Does Not Exist", ""));
    assert_eq!((story.rows().len(), story.edge.live_calls()), (1, 0));
}

#[test]
fn a_trunk_that_wants_longer_sessions_is_called_again_with_one() {
    let mut story = Story::awake();
    story.change = Some("v=new".to_owned());
    let call = CallId::new(story.now, &mut Random::new(Seed::from_number(77)));
    story.tell_phone(0, AgentInput::Dial { call, to: "+81312345678".to_owned(), sdp: "v=phone".into() });
    let first = story.requests(&Method::Invite)[0].clone();
    assert_eq!((first.header("Session-Expires"), first.header("Supported")), (Some("1800"), Some("timer")));
    let refusal = answer(&first, "422 Session Interval Too Small", "");
    story.send(&refusal.replace("Content-Length", "Min-SE: 3600\nContent-Length"));
    let second = story.requests(&Method::Invite)[1].clone();
    assert_eq!((second.cseq().number, second.header("Session-Expires")), (2, Some("3600")));
    assert_eq!((second.header("Min-SE"), second.call_id()), (Some("3600"), first.call_id()));
    let accepted = answer(&second, "200 OK", "v=far");
    let words = "Require: timer\nSession-Expires: 3600;refresher=uas\nContent-Type";
    story.send(&accepted.replace("Content-Type", words));
    story.run_until(3_500_000);
    assert_eq!((story.requests(&Method::Update).len(), story.edge.live_calls()), (0, 1), "it refreshes itself");
    story.run_until(3_570_000);
    assert!(!story.requests(&Method::Bye).is_empty(), "and has not");
    assert_eq!(story.rows(), [Outcome::Completed]);
}

#[test]
fn a_trunk_that_asks_for_more_again_and_again_is_not_asked_for_ever() {
    let mut story = Story::awake();
    let call = CallId::new(story.now, &mut Random::new(Seed::from_number(77)));
    story.tell_phone(0, AgentInput::Dial { call, to: "+81312345678".to_owned(), sdp: "v=phone".into() });
    for min_s in [3_600, 7_200] {
        let invite = (*story.requests(&Method::Invite).last().unwrap()).clone();
        let refusal = answer(&invite, "422 Session Interval Too Small", "");
        story.send(&refusal.replace("Content-Length", &format!("Min-SE: {min_s}\nContent-Length")));
    }
    assert_eq!(story.requests(&Method::Invite).len(), 2);
    assert_eq!(story.rows(), [Outcome::Failed]);
}

#[test]
fn what_the_edge_can_is_told_in_and_out_of_dialogs() {
    let (mut story, _) = talking("");
    story.send(&story.in_dialog("OPTIONS", 2, ""));
    story.send(&story.in_dialog("OPTIONS", 3, "").replace("Call-ID: c1", "Call-ID: c2"));
    for answer in story.trunk.iter().rev().take(2) {
        assert_eq!((answer.status(), answer.header("Supported")), (Some(200), Some("timer")));
        assert!(answer.lists("Allow", "UPDATE") && answer.header("Accept") == Some("application/sdp"));
    }
}
