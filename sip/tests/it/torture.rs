//! RFC 4475: the verdict on each of its 49 messages.

use callfield_sip::message::{DropReason, Message, Method, Verdict, parse};

use crate::torture_files;

/// What this layer must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Accepted, and written back byte for byte.
    Valid,
    /// Accepted: what is wrong with it is not for this layer to judge, or is forgiven.
    Accepted,
    Answered(u16),
    Dropped(DropReason),
}

use Expected::{Accepted, Answered, Dropped, Valid};

/// Section of the RFC, name, verdict, and whether the row is still open (known not to be met).
const TABLE: [(&str, &str, Expected, bool); 49] = [
    ("3.1.1.1", "wsinv", Valid, false),
    ("3.1.1.2", "intmeth", Valid, false),
    ("3.1.1.3", "esc01", Valid, false),
    ("3.1.1.4", "escnull", Valid, false),
    ("3.1.1.5", "esc02", Valid, false),
    ("3.1.1.6", "lwsdisp", Valid, false),
    ("3.1.1.7", "longreq", Valid, false),
    ("3.1.1.8", "dblreq", Valid, false),
    ("3.1.1.9", "semiuri", Valid, false),
    ("3.1.1.10", "transports", Valid, false),
    ("3.1.1.11", "mpart01", Valid, false),
    ("3.1.1.12", "unreason", Valid, false),
    ("3.1.1.13", "noreason", Valid, false),
    ("3.1.2.1", "badinv01", Answered(400), false),
    ("3.1.2.2", "clerr", Answered(400), false),
    ("3.1.2.3", "ncl", Answered(400), false),
    ("3.1.2.4", "scalar02", Answered(400), false),
    ("3.1.2.5", "scalarlg", Dropped(DropReason::BadResponse), false),
    ("3.1.2.6", "quotbal", Answered(400), false),
    ("3.1.2.7", "ltgtruri", Answered(400), false),
    ("3.1.2.8", "lwsruri", Answered(400), false),
    ("3.1.2.9", "lwsstart", Answered(400), false),
    ("3.1.2.10", "trws", Answered(400), false),
    ("3.1.2.11", "escruri", Answered(400), false),
    // The date is not read, so its fault is forgiven, as the RFC allows.
    ("3.1.2.12", "baddate", Accepted, false),
    ("3.1.2.13", "regbadct", Answered(400), false),
    ("3.1.2.14", "badaspec", Answered(400), false),
    // Unquoted display names with commas and dots come from real phones.
    ("3.1.2.15", "baddn", Accepted, false),
    ("3.1.2.16", "badvers", Answered(505), false),
    ("3.1.2.17", "mismatch01", Answered(400), false),
    ("3.1.2.18", "mismatch02", Answered(400), false),
    ("3.1.2.19", "bigcode", Dropped(DropReason::BadResponse), false),
    ("3.2.1", "badbranch", Accepted, false),
    ("3.3.1", "insuf", Dropped(DropReason::Unanswerable), false),
    ("3.3.2", "unkscm", Answered(416), false),
    ("3.3.3", "novelsc", Answered(416), false),
    ("3.3.4", "unksm2", Accepted, false),
    ("3.3.5", "bext01", Answered(420), false),
    ("3.3.6", "invut", Accepted, false),
    ("3.3.7", "regaut01", Accepted, false),
    ("3.3.8", "multi01", Answered(400), false),
    ("3.3.9", "mcl01", Answered(400), false),
    // Two Vias: the transaction layer drops it.
    ("3.3.10", "bcast", Accepted, false),
    ("3.3.11", "zeromf", Accepted, false),
    ("3.3.12", "cparam01", Accepted, false),
    ("3.3.13", "cparam02", Accepted, false),
    ("3.3.14", "regescrt", Accepted, false),
    ("3.3.15", "sdp01", Accepted, false),
    ("3.4.1", "inv2543", Accepted, false),
];

/// The verdict of the parser, then that on methods and extensions for a peer that knows every method in the table.
fn verdict(bytes: Vec<u8>) -> Verdict {
    let verdict = parse(bytes.into());
    let Verdict::Ok(message) = &verdict else { return verdict };
    if !message.is_request() {
        return verdict;
    }
    match message.refusal_for(&[message.method().clone()], &["100rel", "timer"]) {
        Some(refusal) => Verdict::Answerable(message.clone(), refusal),
        None => verdict,
    }
}

fn accepted(name: &str) -> Message {
    let verdict = parse(torture_files::read(name).into());
    let Verdict::Ok(message) = verdict else { panic!("{name}: {verdict:?}") };
    message
}

#[test]
fn each_torture_message_gets_its_verdict() {
    let mut failures = Vec::new();
    let mut open = 0;
    for (section, name, expected, is_open) in TABLE {
        let found = verdict(torture_files::read(name));
        let is_met = match (&found, expected) {
            (Verdict::Ok(_), Valid | Accepted) => true,
            (Verdict::Answerable(_, refusal), Answered(status)) => refusal.status == status,
            (Verdict::Drop(reason), Dropped(expected)) => *reason == expected,
            _ => false,
        };
        open += usize::from(is_open);
        if is_met == is_open {
            failures.push(format!("{section} {name}: {found:?}, not {expected:?} (open: {is_open})"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(open, 0, "rows that are not met");
}

#[test]
fn the_table_names_every_torture_message_once() {
    let mut named: Vec<_> = TABLE.iter().map(|row| row.1).collect();
    named.sort_unstable();
    assert_eq!(named, torture_files::names());
    assert_eq!(TABLE.iter().filter(|row| row.2 == Valid).count(), 13);
}

#[test]
fn valid_torture_messages_are_written_back_byte_for_byte() {
    for (_, name, expected, _) in TABLE {
        if expected != Valid {
            continue;
        }
        let bytes = torture_files::read(name);
        let message = accepted(name);
        // dblreq carries a second message behind its Content-Length, which is to be discarded.
        let length = if name == "dblreq" { message.as_bytes().len() } else { bytes.len() };
        assert_eq!(&message.as_bytes()[..], &bytes[..length], "{name}");
        assert_eq!(message.edit().build().as_bytes(), message.as_bytes(), "{name} through an edit");
    }
    assert!(accepted("dblreq").as_bytes().ends_with(b"Content-Length: 0\r\n\r\n"));
}

#[test]
fn a_message_full_of_white_space_is_read() {
    let message = accepted("wsinv");
    assert_eq!(message.to().tag(), Some("1918181833n"));
    assert_eq!(message.from().display().as_deref(), Some("J Rosenberg \\\""));
    assert_eq!(message.from().tag(), Some("98asjd8"));
    assert_eq!(message.max_forwards(), Some(68));
    assert_eq!((message.cseq().number, &message.cseq().method), (9, &Method::Invite));
    let vias: Vec<_> =
        message.vias().map(|via| (via.transport().to_owned(), via.branch().map(str::to_owned))).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(vias[1], ("TCP".to_owned(), Some("z9hG4bK9ikj8".to_owned())));
    assert_eq!(message.header("NewFangledHeader"), Some("newfangled value continued newfangled value"));
    assert_eq!(message.header("Subject"), Some(""));
    let contact = message.contacts().next().unwrap();
    assert_eq!(contact.display().as_deref(), Some("Quoted string \"\""));
    assert_eq!((contact.param("newparam"), contact.param("q")), (Some("newvalue"), Some("0.33")));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn odd_but_legal_characters_are_read() {
    let message = accepted("intmeth");
    assert_eq!(message.method().as_str(), "!interesting-Method0123456789_*+`.%indeed'~");
    let uri = message.request_uri().unwrap();
    assert_eq!((uri.host(), uri.password()), ("example.com", Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")));
    assert_eq!(message.to().display().as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    assert_eq!(message.from().tag(), Some("_token~1'+`*%!-."));
    let message = accepted("esc01");
    assert_eq!(message.request_uri().unwrap().user_decoded().as_deref(), Some("sips:user@example.com"));
    assert_eq!(message.contacts().next().unwrap().uri().unwrap().param("n%61me"), Some("v%61lue%25%34%31"));
    let message = accepted("esc02");
    assert_eq!(message.method().as_str(), "RE%47IST%45R");
    assert_eq!(message.contacts().count(), 2);
    assert!(!accepted("badbranch").top_via().unwrap().has_magic_branch());
}

#[test]
fn parameters_go_to_the_uri_or_the_header_as_the_brackets_say() {
    let outside = accepted("cparam01").contacts().next().unwrap();
    assert!(outside.params().has("unknownparam") && !outside.uri().unwrap().params().has("unknownparam"));
    let inside = accepted("cparam02").contacts().next().unwrap();
    assert!(!inside.params().has("unknownparam") && inside.uri().unwrap().params().has("unknownparam"));
    let escaped = accepted("regescrt").contacts().next().unwrap().uri().unwrap();
    assert_eq!(escaped.header("Route").as_deref(), Some("<sip:sip.example.com>"));
    assert_eq!(accepted("longreq").vias().count(), 34);
}

#[test]
fn a_refused_message_can_be_answered() {
    let Verdict::Answerable(request, refusal) = verdict(torture_files::read("bext01")) else { panic!() };
    let unsupported: Vec<_> = request.unsupported(&["100rel"]).collect();
    let answer =
        request.response(refusal.status, refusal.reason).to_tag("t").header("Unsupported", unsupported.join(", "));
    insta::assert_snapshot!(answer.build().to_string().replace('\r', ""), @r"
    SIP/2.0 420 Bad Extension
    Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
    From: sip:caller@example.net;tag=242etr
    To: sip:j_user@example.com;tag=t
    Call-ID: bext01.0ha0isndaksdj
    CSeq: 8 OPTIONS
    Unsupported: nothingSupportsThis, nothingSupportsThisEither
    Content-Length: 0
    ");
}
