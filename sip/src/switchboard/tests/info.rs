//! Stories of keys that are pressed, sent as INFO.

use super::changes::{dialled, from_far, talking};
use super::*;

const KEY: &str = "Signal=5\nDuration=160\n";

/// An INFO with a body of this kind.
fn pressed(info: &str, kind: &str) -> String {
    info.replace("application/sdp", kind)
}

#[test]
fn a_key_that_a_caller_presses_goes_on_to_the_phone() {
    let mut story = talking();
    story.send(&pressed(&story.in_dialog("INFO", 2, KEY), "application/dtmf-relay"));
    assert_eq!(story.trunk.last().unwrap().status(), Some(200));
    let told = story.phones[0].got.last().unwrap();
    assert_eq!((told.method(), told.content_type()), (&Method::Info, Some("application/dtmf-relay")));
    assert_eq!(told.body().as_ref(), b"Signal=5\r\nDuration=160\r\n");
}

#[test]
fn a_key_that_a_far_end_presses_goes_on_and_what_is_no_key_does_not() {
    let (mut story, _) = dialled();
    let sent = story.trunk.iter().find(|message| message.is_request()).unwrap().clone();
    let to = format!("{};tag=f", sent.to());
    let info = from_far(&sent, "INFO", 7, "5").replacen(&sent.to().to_string(), &to, 1);
    story.send(&pressed(&info, "application/dtmf"));
    assert_eq!(story.phones[0].got.last().unwrap().body().as_ref(), b"5");
    let heard = story.phones[0].got.len();
    let other = pressed(&info.replace("7 INFO", "8 INFO").replace("INFO7", "INFO8"), "application/media_control+xml");
    story.send(&other);
    assert_eq!(story.trunk.last().unwrap().status(), Some(200), "it is understood, and nobody is told");
    assert_eq!(story.phones[0].got.len(), heard);
    let ignored = story.edge.refusals().find(|(reason, _)| *reason == "info_ignored");
    assert_eq!(ignored, Some(("info_ignored", 1)));
    let stranger = info.replace("Call-ID: ", "Call-ID: x").replace("INFO7", "INFO9");
    story.send(&stranger);
    assert_eq!(story.trunk.last().unwrap().status(), Some(481));
}
