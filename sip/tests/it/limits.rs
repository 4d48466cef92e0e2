//! What is too much, what is cut in odd places, what is not UTF-8.

use callfield_sip::message::{DropReason, HEAD_LIMIT_BYTES, HEADER_LIMIT, Message, Verdict, parse};

const HEAD: &str = "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\n\
    Call-ID: 1\r\nCSeq: 1 INVITE\r\n";

fn accepted(bytes: Vec<u8>) -> Message {
    let verdict = parse(bytes.into());
    let Verdict::Ok(message) = verdict else { panic!("{verdict:?}") };
    message
}

/// The status of the refusal, or how it was dropped.
fn refused(text: &str) -> String {
    match parse(text.to_owned().into()) {
        Verdict::Ok(_) => "accepted".to_owned(),
        Verdict::Answerable(_, refusal) => format!("{} {}", refusal.status, refusal.reason),
        Verdict::Drop(reason) => format!("{reason:?}"),
    }
}

#[test]
fn a_content_length_that_could_smuggle_is_refused() {
    for length in ["-1", "+1", "1 1", "0x1", "1,1", "", "18446744073709551616", "99999999"] {
        assert_eq!(refused(&format!("{HEAD}Content-Length: {length}\r\n\r\nb")), "400 Bad Content-Length", "{length}");
    }
    assert_eq!(refused(&format!("{HEAD}l: 1\r\nContent-Length: 1\r\n\r\nb")), "400 Bad Content-Length");
    assert_eq!(refused(&format!("{HEAD}l: 2\r\n\r\nb")), "400 Content-Length Too Large");
    assert_eq!(accepted(format!("{HEAD}\r\nbody").into()).body(), "body");
    assert_eq!(accepted(format!("{HEAD}l: 2\r\n\r\nbody").into()).body(), "bo");
}

#[test]
fn a_bare_line_feed_or_return_ends_no_line() {
    assert_eq!(refused(&format!("{HEAD}X: 1\nl: 0\r\n\r\n")), "400 Bare Line End");
    assert_eq!(refused(&format!("{HEAD}X: 1\rl: 0\r\n\r\n")), "400 Bare Line End");
    assert_eq!(refused(&HEAD.replace("\r\n", "\n")), "NotSip");
    // To could not be copied into an answer.
    assert_eq!(refused(&format!("{}\r\n", HEAD.replace("<sip:b@h>\r\n", "<sip:b@h>\nX: 1\r\n"))), "Unanswerable");
}

#[test]
fn too_many_or_too_large_headers_are_refused() {
    let many = "X: 1\r\n".repeat(HEADER_LIMIT);
    assert_eq!(refused(&format!("{HEAD}{many}\r\n")), "400 Too Many Headers");
    let large = format!("X: {}\r\n", "a".repeat(HEAD_LIMIT_BYTES));
    assert_eq!(refused(&format!("{HEAD}{large}\r\n")), "TooLarge");
    assert_eq!(refused(HEAD), "400 Head Without End");
    assert_eq!(refused(&format!("{HEAD}X 1\r\n\r\n")), "400 Header Without Colon");
    assert_eq!(refused(&format!("{HEAD}X Y: 1\r\n\r\n")), "400 Bad Header Name");
}

#[test]
fn a_faulty_ack_or_response_is_never_answered() {
    assert_eq!(refused(&HEAD.replace("INVITE", "ACK")), format!("{:?}", DropReason::BadAck));
    assert_eq!(refused(&HEAD.replace("INVITE sip:b@h SIP/2.0", "SIP/2.0 200 OK")), "BadResponse");
    assert_eq!(refused("SIP/2.0 099 Low\r\n\r\n"), "BadResponse");
    assert_eq!(refused("\r\n\r\n"), "KeepAlive");
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "NotSip");
}

#[test]
fn a_name_in_latin_1_or_utf_8_is_read_and_answered_as_it_came() {
    for name in [&b"J\xf6rg"[..], "J\u{f6}rg".as_bytes()] {
        let head = HEAD.replace("From: <", "From: ?<");
        let (before, after) = head.split_once('?').expect("the place of the name");
        let bytes = [before.as_bytes(), b"\"", name, b"\" ", after.as_bytes(), b"\r\n"].concat();
        let message = accepted(bytes.clone());
        assert_eq!(message.from().display().as_deref(), Some("J\u{f6}rg"));
        assert_eq!((message.from().uri_text(), message.from().tag()), ("sip:a@h", Some("1")));
        assert_eq!(message.as_bytes(), &bytes[..]);
        let answer = message.response(200, "OK").to_tag("t").build();
        let wanted = [b"From: \"", name, b"\" <sip:a@h>;tag=1\r\n"].concat();
        assert!(answer.as_bytes().windows(wanted.len()).any(|window| window == wanted));
    }
}

#[test]
fn a_spoofed_display_name_is_not_the_caller() {
    let spoof = HEAD.replace("From: <sip:a@h>", r#"From: "x <sip:ceo@corp>" <sip:attacker@evil>"#);
    let message = accepted(format!("{spoof}\r\n").into());
    assert_eq!(message.from().uri().map(|uri| uri.to_string()).as_deref(), Ok("sip:attacker@evil"));
}

#[test]
fn a_long_list_of_vias_in_one_line_is_read() {
    let vias = vec!["SIP/2.0/UDP h;branch=z9hG4bK1"; 500].join(",");
    let text = HEAD.replace("SIP/2.0/UDP h;branch=z9hG4bK1", &vias);
    assert_eq!(accepted(format!("{text}\r\n").into()).vias().count(), 500);
}
