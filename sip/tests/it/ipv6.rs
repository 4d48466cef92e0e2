//! RFC 5118: the verdict on each of its messages with IPv6 addresses, written from what the RFC says of them.

use callfield_sip::message::{Message, Verdict, parse};
use callfield_sip::uri::Uri;

/// A message of the RFC: the start line, the lines that are its point, the body.
struct Case {
    section: &'static str,
    start: &'static str,
    lines: &'static [&'static str],
    body: &'static str,
    /// The status of the refusal; `None` when it must be accepted.
    refused: Option<u16>,
}

/// Section of the RFC, the message, the verdict. There are no open rows: each must be met.
static TABLE: [Case; 12] = [
    Case {
        section: "4.1 a reference in all places",
        start: "REGISTER sip:[2001:db8::10]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK41", "Contact: \"Caller\" <sip:caller@[2001:db8::1]>"],
        body: "",
        refused: None,
    },
    Case {
        section: "4.2 an address without its brackets",
        start: "REGISTER sip:2001:db8::10",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK42", "Contact: <sip:caller@[2001:db8::1]>"],
        body: "",
        refused: Some(400),
    },
    Case {
        section: "4.3 a port inside the brackets is a part of the address",
        start: "REGISTER sip:[2001:db8::10:5070]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK43", "Contact: <sip:caller@[2001:db8::1]>"],
        body: "",
        refused: None,
    },
    Case {
        section: "4.4 a port behind the brackets is a port",
        start: "REGISTER sip:[2001:db8::10]:5070",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK44", "Contact: <sip:caller@[2001:db8::1]>"],
        body: "",
        refused: None,
    },
    Case {
        section: "4.5 received with brackets",
        start: "BYE sip:[2001:db8::10]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK45a"],
        body: "",
        refused: None,
    },
    Case {
        section: "4.5 received without brackets",
        start: "OPTIONS sip:[2001:db8::10]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bK45b"],
        body: "",
        refused: None,
    },
    Case {
        section: "4.6 addresses in the session description",
        start: "INVITE sip:user@[2001:db8::10]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bK46", "Contact: \"Caller\" <sip:caller@[2001:db8::20]>"],
        body: "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\n\
            m=audio 6000 RTP/AVP 0 2\r\n",
        refused: None,
    },
    Case {
        section: "4.7 addresses of both kinds in headers",
        start: "BYE sip:user@host.example.net",
        lines: &[
            "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bK47a",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK47b",
            "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK47c;received=192.0.2.200",
        ],
        body: "",
        refused: None,
    },
    Case {
        section: "4.8 addresses of both kinds in the session description",
        start: "INVITE sip:user@[2001:db8::10]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK48", "Contact: <sip:caller@[2001:db8::9:1]>"],
        body: "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=-\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\n\
            c=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n",
        refused: None,
    },
    Case {
        section: "4.9 an IPv4 address mapped into an IPv6 one",
        start: "INVITE sip:user@example.com",
        lines: &[
            "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bK49",
            "Contact: \"T. desk phone\" <sip:ted@[::ffff:192.0.2.10]>",
        ],
        body: "v=0\r\no=- 53655765 2353687637 IN IP6 ::ffff:192.0.2.10\r\ns=-\r\nc=IN IP6 ::ffff:192.0.2.10\r\nt=0 0\r\n\
            m=audio 6000 RTP/AVP 0\r\n",
        refused: None,
    },
    Case {
        section: "4.10 the third colon of the old grammar",
        start: "OPTIONS sip:user@[2001:db8:::192.0.2.1]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK410a"],
        body: "",
        refused: None,
    },
    Case {
        section: "4.10 two colons, as it should be",
        start: "OPTIONS sip:user@[2001:db8::192.0.2.1]",
        lines: &["Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bK410b"],
        body: "",
        refused: None,
    },
];

impl Case {
    fn text(&self) -> String {
        let (method, _) = self.start.split_once(' ').expect("a method and a URI");
        format!(
            "{} SIP/2.0\r\n{}\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\n\
             Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\nCSeq: 98176 {method}\r\n\
             Content-Length: {}\r\n\r\n{}",
            self.start,
            self.lines.join("\r\n"),
            self.body.len(),
            self.body
        )
    }
}

#[test]
fn each_message_with_ipv6_addresses_gets_its_verdict() {
    let mut failures = Vec::new();
    for case in &TABLE {
        let text = case.text();
        let verdict = parse(text.clone().into());
        let is_met = match (&verdict, case.refused) {
            (Verdict::Ok(message), None) => message.as_bytes() == text.as_bytes() && message.body() == case.body,
            (Verdict::Answerable(_, refusal), Some(status)) => refusal.status == status,
            _ => false,
        };
        if !is_met {
            failures.push(format!("{}: {verdict:?}", case.section));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The accepted message of a section.
fn accepted(section: &str) -> Message {
    let case = TABLE.iter().find(|case| case.section.starts_with(section)).expect("a row of that section");
    let verdict = parse(case.text().into());
    let Verdict::Ok(message) = verdict else { panic!("{section}: {verdict:?}") };
    message
}

#[test]
fn references_in_all_places_are_read() {
    let message = accepted("4.1 ");
    assert_eq!(message.request_uri().map(|uri| uri.host().to_owned()).as_deref(), Some("[2001:db8::10]"));
    assert_eq!(
        message.top_via().map(|via| (via.host().to_owned(), via.port())),
        Some(("[2001:db8::9:1]".to_owned(), None))
    );
    let contact = message.contacts().next().and_then(|contact| contact.uri().ok());
    assert_eq!(contact.map(|uri| uri.host().to_owned()).as_deref(), Some("[2001:db8::1]"));
    let hosts: Vec<_> = accepted("4.7").vias().map(|via| (via.host().to_owned(), via.port())).collect();
    let expected = [("[2001:db8::9:1]", Some(6050)), ("192.0.2.1", None), ("[2001:db8::9:255]", None)];
    assert_eq!(hosts, expected.map(|(host, port)| (host.to_owned(), port)));
}

#[test]
fn a_port_stands_behind_the_bracket_only() {
    let uri = |section| accepted(section).request_uri().expect("a URI");
    let inside = uri("4.3");
    assert_eq!((inside.host(), inside.port()), ("[2001:db8::10:5070]", None));
    let behind = uri("4.4");
    assert_eq!((behind.host(), behind.port()), ("[2001:db8::10]", Some(5070)));
    let via = accepted("4.9").top_via().expect("a Via");
    assert_eq!((via.host(), via.port()), ("[::ffff:192.0.2.10]", Some(19823)));
}

#[test]
fn received_is_read_with_and_without_brackets() {
    for section in ["4.5 received with brackets", "4.5 received without"] {
        let via = accepted(section).top_via().expect("a Via");
        assert_eq!(via.received(), Some("2001:db8::9:255"));
    }
}

#[test]
fn the_third_colon_of_the_old_grammar_is_understood_and_left_as_it_came() {
    let uri = |section| accepted(section).request_uri().expect("a URI");
    let (old, new) = (uri("4.10 the third"), uri("4.10 two"));
    assert_eq!(old.host(), "[2001:db8:::192.0.2.1]");
    assert!(old.is_equivalent(&new));
    for wrong in ["sip:[2001:db8:::1]", "sip:[1:::2:::192.0.2.1]", "sip:[:::]", "sip:[2001:db8:::192.0.2.256]"] {
        assert!(Uri::parse(wrong).is_err(), "{wrong}");
    }
}
