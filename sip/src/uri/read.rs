//! Reading a URI: where its parts lie.

use std::net::{Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memchr2};

use super::{Scheme, Uri, UriError};
use crate::message::text::Span;
use crate::message::{Text, cut};

pub(super) fn read(text: Text) -> Result<Uri, UriError> {
    let parts = find_parts(text.as_str())?;
    Ok(parts.of_text(text))
}

/// Reads a part of a text, which the value shares.
pub(super) fn read_part(text: &Text, part: &str) -> Result<Uri, UriError> {
    let parts = find_parts(part)?;
    Ok(parts.of_text(text.part(part)))
}

/// Where the parts of a URI lie; the checks of [`Uri::parse`] without a value.
pub(crate) fn find_parts(whole: &str) -> Result<Parts, UriError> {
    if whole.len() > Uri::SIZE_LIMIT_BYTES {
        return Err(UriError::Size);
    }
    if whole.bytes().fold(false, |found, byte| found | IS_FORBIDDEN[usize::from(byte)]) {
        return Err(UriError::Character);
    }
    let (scheme, rest) = read_scheme(whole)?;
    match scheme {
        Scheme::Sip | Scheme::Sips => read_sip(whole, scheme, rest),
        Scheme::Tel => read_tel(whole, rest),
        Scheme::Other => Ok(Parts { user: Span::of(whole, rest), ..Parts::of(scheme) }),
    }
}

/// White space, control characters, quotes and angle brackets.
const IS_FORBIDDEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f);
        byte += 1;
    }
    table
};

/// Letters, digits and what else a host has in its name.
const IS_OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// The parts of a URI as places in its text.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) scheme: Scheme,
    user: Span,
    password: Option<Span>,
    host: Span,
    port: Option<u16>,
    params: Span,
    pub(crate) headers: Span,
}

impl Parts {
    /// The URI that is `text`, in which the parts were found.
    pub(crate) fn of_text(self, text: Text) -> Uri {
        let Self { scheme, user, password, host, port, params, headers } = self;
        Uri { scheme, user, password, host, port, params, headers, text }
    }

    fn of(scheme: Scheme) -> Self {
        let none = Span::default();
        Self { scheme, user: none, password: None, host: none, port: None, params: none, headers: none }
    }
}

fn read_scheme(whole: &str) -> Result<(Scheme, &str), UriError> {
    let colon = whole.bytes().position(|byte| byte == b':').ok_or(UriError::Scheme)?;
    let (name, rest) = (&whole[..colon], &whole[colon + 1..]);
    let is_scheme = name.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme || rest.is_empty() {
        return Err(UriError::Scheme);
    }
    let known = [("sip", Scheme::Sip), ("sips", Scheme::Sips), ("tel", Scheme::Tel)];
    let scheme = known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    Ok((scheme.map_or(Scheme::Other, |(_, scheme)| scheme), rest))
}

/// The user may hold `;`, `?` and `/`, so what stands before the first `@` is the user.
fn read_sip(whole: &str, scheme: Scheme, rest: &str) -> Result<Parts, UriError> {
    let (userinfo, rest) = match cut(rest, b'@') {
        Some((userinfo, rest)) => (Some(userinfo), rest),
        None => (None, rest),
    };
    let mut parts = Parts::of(scheme);
    if let Some(userinfo) = userinfo {
        let (user, password) = match cut(userinfo, b':') {
            Some((user, password)) => (user, Some(password)),
            None => (userinfo, None),
        };
        if user.is_empty() {
            return Err(UriError::User);
        }
        parts.user = Span::of(whole, user);
        parts.password = password.map(|password| Span::of(whole, password));
    }
    let end = memchr2(b';', b'?', rest.as_bytes()).unwrap_or(rest.len());
    let (host, port) = read_host_and_port(&rest[..end])?;
    parts.host = Span::of(whole, host);
    parts.port = port;
    (parts.params, parts.headers) = read_tail(whole, &rest[end..]);
    Ok(parts)
}

fn read_tel(whole: &str, rest: &str) -> Result<Parts, UriError> {
    let end = memchr(b';', rest.as_bytes()).unwrap_or(rest.len());
    if end == 0 {
        return Err(UriError::User);
    }
    Ok(Parts { user: Span::of(whole, &rest[..end]), params: Span::of(whole, &rest[end..]), ..Parts::of(Scheme::Tel) })
}

fn read_tail(whole: &str, tail: &str) -> (Span, Span) {
    if tail.is_empty() {
        return (Span::default(), Span::default());
    }
    match cut(tail, b'?') {
        Some((params, headers)) => (Span::of(whole, params), Span::of(whole, headers)),
        None => (Span::of(whole, tail), Span::default()),
    }
}

/// Reads `host` or `host:port`; an IPv6 address stands in brackets.
pub(crate) fn read_host_and_port(text: &str) -> Result<(&str, Option<u16>), UriError> {
    let (host, rest) = if text.starts_with('[') {
        let end = text.find(']').ok_or(UriError::Host)? + 1;
        read_ipv6(&text[1..end - 1]).ok_or(UriError::Host)?;
        text.split_at(end)
    } else {
        text.split_at(memchr(b':', text.as_bytes()).unwrap_or(text.len()))
    };
    let is_name = |host: &str| host.bytes().fold(true, |is_name, byte| is_name & IS_OF_NAME[usize::from(byte)]);
    if host.is_empty() || !(host.starts_with('[') || is_name(host)) {
        return Err(UriError::Host);
    }
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| UriError::Port)?)
        }
        _ => return Err(UriError::Port),
    };
    Ok((host, port))
}

/// Reads what stands between the brackets. The grammar of RFC 3261 writes a third colon before an embedded IPv4
/// address; RFC 5118 §4.10 wants it understood.
pub(super) fn read_ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (groups, ipv4) = text.split_once(":::")?;
    ipv4.parse::<Ipv4Addr>().ok()?;
    format!("{groups}::{ipv4}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_sip_uri_are_found() {
        let uri = Uri::parse("sips:al%20ice:pw@[2001:db8::1]:5061;transport=tcp;lr?Subject=a%20b&x=").unwrap();
        assert_eq!(uri.scheme(), Scheme::Sips);
        assert_eq!((uri.user(), uri.password()), (Some("al%20ice"), Some("pw")));
        assert_eq!(uri.user_decoded().as_deref(), Some("al ice"));
        assert_eq!((uri.host(), uri.port()), ("[2001:db8::1]", Some(5061)));
        assert_eq!(uri.param("Transport"), Some("tcp"));
        assert!(uri.params().has("lr"));
        assert_eq!(uri.headers(), Some("Subject=a%20b&x="));
    }

    #[test]
    fn the_user_may_hold_semicolons_hashes_and_stars() {
        let uri = Uri::parse("sip:user;par=u%40example.net@example.com").unwrap();
        assert_eq!((uri.user(), uri.host()), (Some("user;par=u%40example.net"), "example.com"));
        let uri = Uri::parse("sip:#31#0123@host").unwrap();
        assert_eq!((uri.user(), uri.host()), (Some("#31#0123"), "host"));
    }

    #[test]
    fn tel_and_unknown_schemes_are_kept() {
        let uri = Uri::parse("tel:+81-3-1234-5678;phone-context=example.com").unwrap();
        assert_eq!((uri.scheme(), uri.user(), uri.host()), (Scheme::Tel, Some("+81-3-1234-5678"), ""));
        assert_eq!(uri.param("phone-context"), Some("example.com"));
        let uri = Uri::parse("soap.beep://192.0.2.103:3002").unwrap();
        assert_eq!((uri.scheme(), uri.user()), (Scheme::Other, Some("//192.0.2.103:3002")));
    }

    #[test]
    fn what_is_not_a_uri_says_why() {
        let error = |text| Uri::parse(text).unwrap_err();
        assert_eq!(error("alice"), UriError::Scheme);
        assert_eq!(error("sip:"), UriError::Scheme);
        assert_eq!(error("sip:a b@c"), UriError::Character);
        assert_eq!(error("<sip:a@c>"), UriError::Character);
        assert_eq!(error("sip:a@"), UriError::Host);
        assert_eq!(error("sip:a@b@c"), UriError::Host);
        assert_eq!(error("sip:a@[::1"), UriError::Host);
        assert_eq!(error("sip:@c"), UriError::User);
        assert_eq!(error("sip:a@c:"), UriError::Port);
        assert_eq!(error("sip:a@c:65536"), UriError::Port);
        assert_eq!(error("sip:a@c:+5"), UriError::Port);
        assert_eq!(error(&format!("sip:{}@c", "a".repeat(9000))), UriError::Size);
    }
}
