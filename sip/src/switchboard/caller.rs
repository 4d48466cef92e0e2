//! Who calls whom, as an INVITE says it, and how a device is told.

use crate::message::{Message, NameAddr};
use crate::uri::Uri;

/// Who calls whom, read from an INVITE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parties {
    /// The caller's number or user part; empty when withheld.
    pub(super) from: String,
    /// The name that came with it.
    pub(super) from_name: Option<String>,
    /// The number that was called.
    pub(super) to: String,
}

/// Reads the parties: the asserted identity (RFC 3325) outranks From, and neither is told when privacy is asked for
/// (RFC 3323).
pub(super) fn parties_of(invite: &Message) -> Parties {
    let to = invite.request_uri().map(|uri| user_of(&uri)).unwrap_or_default();
    let caller = invite.addresses("P-Asserted-Identity").next().unwrap_or_else(|| invite.from());
    let from = caller.uri().map(|uri| user_of(&uri)).unwrap_or_default();
    if is_withheld(invite, &from) {
        return Parties { from: String::new(), from_name: None, to };
    }
    Parties { from, from_name: caller.display().map(std::borrow::Cow::into_owned), to }
}

/// Whom the caller called before the call was sent to a contact of the edge.
pub(super) fn called_in_to(invite: &Message) -> String {
    invite.to().uri().map(|uri| user_of(&uri)).unwrap_or_default()
}

fn is_withheld(invite: &Message, from: &str) -> bool {
    let wants_privacy = invite.headers("Privacy").flat_map(|value| value.split(';')).any(|token| {
        let token = token.trim();
        ["id", "user", "header"].iter().any(|wanted| token.eq_ignore_ascii_case(wanted))
    });
    let is_anonymous = invite.from().uri().is_ok_and(|uri| uri.host().eq_ignore_ascii_case("anonymous.invalid"));
    wants_privacy || is_anonymous || from.eq_ignore_ascii_case("anonymous")
}

fn user_of(uri: &Uri) -> String {
    uri.user_decoded().map(std::borrow::Cow::into_owned).unwrap_or_default()
}

/// The From of an INVITE to a device.
pub(super) fn address_of(caller: &str, name: Option<&str>, domain: &str) -> Option<NameAddr> {
    if caller.is_empty() {
        let uri = Uri::sip(Some("anonymous"), "anonymous.invalid", None).ok()?;
        return Some(NameAddr::new(Some("Anonymous"), &uri));
    }
    let uri = Uri::sip(Some(caller), domain, None).ok()?;
    let is_number = caller.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit());
    let uri = if is_number { uri.with_param("user", Some("phone")) } else { uri };
    Some(NameAddr::new(name, &uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Verdict, parse};

    fn invite(headers: &str) -> Message {
        let text = format!(
            "INVITE sip:0350001000@edge.test SIP/2.0\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\nMax-Forwards: 70\n{headers}\
             To: <sip:0350001000@edge.test>\nCall-ID: c\nCSeq: 1 INVITE\nContact: <sip:a@192.0.2.9>\n\n"
        );
        let verdict = parse(text.replace('\n', "\r\n").into());
        let Verdict::Ok(message) = verdict else { panic!("{verdict:?}") };
        message
    }

    #[test]
    fn a_uri_in_the_display_name_is_not_the_caller() {
        let parties = parties_of(&invite("From: \"<sip:ceo@corp>\" <sip:0312345678@evil.test>;tag=1\n"));
        assert_eq!((parties.from.as_str(), parties.to.as_str()), ("0312345678", "0350001000"));
    }

    #[test]
    fn the_asserted_identity_outranks_from() {
        let headers = "From: <sip:1@a.test>;tag=1\nP-Asserted-Identity: \"T\" <sip:+81312345678@a.test>\n";
        let parties = parties_of(&invite(headers));
        assert_eq!((parties.from.as_str(), parties.from_name.as_deref()), ("+81312345678", Some("T")));
    }

    #[test]
    fn a_withheld_number_is_empty_even_if_the_trunk_asserts_it() {
        let anonymous = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1\n";
        let asserted = format!("{anonymous}P-Asserted-Identity: <sip:+81312345678@a.test>\nPrivacy: id\n");
        assert_eq!(parties_of(&invite(&asserted)).from, "");
        assert_eq!(parties_of(&invite(anonymous)).from, "");
    }

    #[test]
    fn a_device_sees_a_number_with_its_name() {
        let address = address_of("+81312345678", Some("Tanaka \"T\""), "phones.test").unwrap();
        assert_eq!(address.as_str(), r#""Tanaka \"T\"" <sip:+81312345678@phones.test;user=phone>"#);
        assert_eq!(address_of("", None, "phones.test").unwrap().uri_text(), "sip:anonymous@anonymous.invalid");
    }
}
