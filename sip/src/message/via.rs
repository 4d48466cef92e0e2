//! Via: the way a request came and its answers go back.

use std::fmt;

use memchr::memchr;

use super::list::{cut, trim};
use super::names::is_token;
use super::params::Params;
use super::text::{Span, Text};
use crate::uri::read_host_and_port;

/// One value of Via, as it came.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Via {
    text: Text,
    transport: Span,
    host: Span,
    port: Option<u16>,
    params: Span,
}

impl Via {
    /// What a branch starts with since RFC 3261.
    pub const MAGIC_COOKIE: &'static str = "z9hG4bK";

    /// A new value; `transport` is `UDP`, `TCP`, `TLS`, `WS` or `WSS`, `sent_by` is `host` or `host:port`.
    pub fn new(transport: &str, sent_by: &str, branch: &str) -> Option<Self> {
        Self::read(Text::from(format!("SIP/2.0/{transport} {sent_by};branch={branch};rport")))
    }

    /// Reads one value (not a comma-separated list); `None` when it has no protocol or no usable host.
    pub fn read(text: Text) -> Option<Self> {
        let (whole, parts) = (text.as_str(), find_parts(text.as_str())?);
        let (transport, host) = (Span::of(whole, parts.transport), Span::of(whole, parts.host));
        let (port, params) = (parts.port, Span::of(whole, parts.params));
        Some(Self { transport, host, port, params, text })
    }

    /// Whether text is one value, its parameters well formed.
    pub(super) fn is_well_formed(text: &str) -> bool {
        find_parts(text).is_some_and(|parts| Params::new(parts.params).is_well_formed())
    }

    /// The transport as written, for example `UDP`.
    pub fn transport(&self) -> &str {
        self.text.span(self.transport)
    }

    /// The host that the sender gave itself, an IPv6 address with its brackets.
    pub fn host(&self) -> &str {
        self.text.span(self.host)
    }

    /// The port that the sender gave itself.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The branch, the name of the transaction.
    pub fn branch(&self) -> Option<&str> {
        self.param("branch")
    }

    /// Whether the branch is one of RFC 3261: the magic cookie (any case) and something behind it.
    pub fn has_magic_branch(&self) -> bool {
        let cookie = Self::MAGIC_COOKIE;
        self.branch().is_some_and(|branch| {
            branch.len() > cookie.len() && branch.as_bytes()[..cookie.len()].eq_ignore_ascii_case(cookie.as_bytes())
        })
    }

    /// Whether `rport` is asked for or filled in (RFC 3581).
    pub fn has_rport(&self) -> bool {
        self.params().has("rport")
    }

    /// The filled-in `rport`.
    pub fn rport(&self) -> Option<u16> {
        self.param("rport")?.parse().ok()
    }

    /// The address that the receiver saw; an IPv6 address without the brackets that some write (RFC 5118 §4.5).
    pub fn received(&self) -> Option<&str> {
        self.param("received").map(|address| address.trim_matches(['[', ']']))
    }

    /// All parameters.
    pub fn params(&self) -> Params<'_> {
        Params::new(self.text.span(self.params))
    }

    /// The value of one parameter, as written.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().get(name)
    }

    /// The same value with `received`, and with `rport` filled in when it was asked for (RFC 3261 §18.2.1, RFC 3581).
    pub fn with_source(&self, source: std::net::SocketAddr) -> Self {
        let mut text = self.as_str()[..self.params_start()].trim_end_matches(is_space).to_owned();
        for (name, value) in self.params().iter().filter(|(name, _)| !name.eq_ignore_ascii_case("received")) {
            text.push(';');
            text.push_str(name);
            let is_rport = name.eq_ignore_ascii_case("rport");
            let value = if is_rport { Some(source.port().to_string()) } else { value.map(str::to_owned) };
            if let Some(value) = value {
                text.push('=');
                text.push_str(&value);
            }
        }
        text.push_str(";received=");
        text.push_str(&source.ip().to_string());
        Self::read(text.into()).unwrap_or_else(|| self.clone())
    }

    fn params_start(&self) -> usize {
        if self.params.is_empty() { self.text.len() } else { self.params.start() }
    }

    /// The whole value as it came.
    pub fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// The same value in bytes of its own, for a value that outlives its message.
    pub fn detached(&self) -> Self {
        Self { text: self.text.detached(), ..self.clone() }
    }
}

/// The parts of a value as pieces of its text.
struct Parts<'a> {
    transport: &'a str,
    host: &'a str,
    port: Option<u16>,
    params: &'a str,
}

fn find_parts(whole: &str) -> Option<Parts<'_>> {
    let (name, rest) = cut(whole, b'/')?;
    let (version, rest) = cut(rest, b'/')?;
    let rest = rest.trim_start_matches(is_space);
    let (transport, rest) = rest.split_at(rest.find(is_space)?);
    let (sent_by, params) = rest.split_at(memchr(b';', rest.as_bytes()).unwrap_or(rest.len()));
    if !(trim(name).eq_ignore_ascii_case("SIP") && is_token(trim(version)) && is_token(transport)) {
        return None;
    }
    let (host, port) = read_sent_by(trim(sent_by))?;
    Some(Parts { transport, host, port, params: trim(params) })
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// White space may stand around the colon (RFC 3261 §25.1, `COLON`).
fn read_sent_by(text: &str) -> Option<(&str, Option<u16>)> {
    if let Ok(found) = read_host_and_port(text) {
        return Some(found);
    }
    let (host, port) = text.rsplit_once(':')?;
    let (host, none) = read_host_and_port(trim(host)).ok()?;
    let port = trim(port);
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    (none.is_none() && is_number).then_some(())?;
    Some((host, Some(port.parse().ok()?)))
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Via({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Via {
        Via::read(text.into()).unwrap()
    }

    #[test]
    fn white_space_between_the_parts_does_not_count() {
        let via = read("SIP  / 2.0  / TCP     spindle.example.com : 99  ;  branch  =   z9hG4bK9ikj8");
        assert_eq!((via.transport(), via.host(), via.port()), ("TCP", "spindle.example.com", Some(99)));
        assert_eq!(via.branch(), Some("z9hG4bK9ikj8"));
    }

    #[test]
    fn an_empty_magic_branch_is_none() {
        assert!(read("SIP/2.0/UDP h;branch=Z9HG4BKx").has_magic_branch());
        assert!(!read("SIP/2.0/UDP h;branch=z9hG4bK").has_magic_branch());
        assert!(!read("SIP/2.0/UDP h").has_magic_branch());
    }

    #[test]
    fn the_source_is_filled_in() {
        let source = "[2001:db8::9]:5099".parse().unwrap();
        let via = read("SIP/2.0/UDP [2001:db8::1]:5060;rport;branch=z9hG4bKa").with_source(source);
        insta::assert_snapshot!(via, @"SIP/2.0/UDP [2001:db8::1]:5060;rport=5099;branch=z9hG4bKa;received=2001:db8::9");
        assert_eq!((via.rport(), via.received()), (Some(5099), Some("2001:db8::9")));
        let via = read("SIP/2.0/UDP host").with_source(source);
        insta::assert_snapshot!(via, @"SIP/2.0/UDP host;received=2001:db8::9");
    }

    #[test]
    fn what_has_no_host_or_protocol_is_none() {
        for text in ["", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=a", "HTTP/1.1/TCP h", "SIP/2.0 h", "SIP/2.0/UDP h:99999"] {
            assert_eq!(Via::read(text.into()), None, "{text}");
        }
    }
}
