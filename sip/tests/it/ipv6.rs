//! RFC 5118: IPv6 addresses in messages.

use callfield_sip::message::{Message, Verdict, parse};
use callfield_sip::uri::Uri;

/// A REGISTER with these parts.
fn register(uri: &str, via: &str, contact: &str) -> Verdict {
    let text = format!(
        "REGISTER {uri} SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\nVia: {via}\r\n\
         Call-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\nContact: {contact}\r\nCSeq: 98176 REGISTER\r\n\
         Content-Length: 0\r\n\r\n"
    );
    parse(text.into())
}

const VIA: &str = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111";
const CONTACT: &str = "\"Caller\" <sip:caller@[2001:db8::1]>";

fn accepted(uri: &str, via: &str, contact: &str) -> Message {
    let verdict = register(uri, via, contact);
    let Verdict::Ok(message) = verdict else { panic!("{verdict:?}") };
    message
}

#[test]
fn references_in_all_places_are_read() {
    let message = accepted("sip:[2001:db8::10]", VIA, CONTACT);
    assert_eq!(message.request_uri().map(|uri| uri.host().to_owned()).as_deref(), Some("[2001:db8::10]"));
    assert_eq!(
        message.top_via().map(|via| (via.host().to_owned(), via.port())),
        Some(("[2001:db8::9:1]".to_owned(), None))
    );
    let contact = message.contacts().next().and_then(|contact| contact.uri().ok());
    assert_eq!(contact.map(|uri| uri.host().to_owned()).as_deref(), Some("[2001:db8::1]"));
}

#[test]
fn an_address_without_brackets_is_refused() {
    let verdict = register("sip:2001:db8::10", VIA, CONTACT);
    let Verdict::Answerable(_, refusal) = verdict else { panic!("{verdict:?}") };
    assert_eq!(refusal.status, 400);
    assert!(Uri::parse("sip:[2001:db8:::192.0.2.1]").is_err(), "the three colons of the old grammar are no address");
}

#[test]
fn a_port_stands_behind_the_bracket_only() {
    let uri = |text| accepted(text, VIA, CONTACT).request_uri().expect("a URI");
    let inside = uri("sip:[2001:db8::10:5070]");
    assert_eq!((inside.host(), inside.port()), ("[2001:db8::10:5070]", None));
    let behind = uri("sip:[2001:db8::10]:5070");
    assert_eq!((behind.host(), behind.port()), ("[2001:db8::10]", Some(5070)));
    let mapped = uri("sip:[::ffff:192.0.2.10]");
    assert_eq!(mapped.host(), "[::ffff:192.0.2.10]");
}

#[test]
fn received_is_read_with_and_without_brackets() {
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!("{VIA};received={received}");
        let message = accepted("sip:[2001:db8::10]", &via, CONTACT);
        assert_eq!(
            message.top_via().and_then(|via| via.received().map(str::to_owned)).as_deref(),
            Some("2001:db8::9:255")
        );
    }
}
