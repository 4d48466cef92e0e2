//! Typed accessors: headers as values.

pub(super) mod session;

use super::list::split;
use super::names::Kind;
use super::scan::{Line, Start};
use super::{Message, Method, NameAddr, Text, Via};
use crate::uri::Uri;

/// The sequence number and method of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    /// Orders the requests of a dialog; below 2^31 in new requests.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl Default for CSeq {
    fn default() -> Self {
        Self { number: 0, method: Method::of("") }
    }
}

impl CSeq {
    /// Reads what can be read; a number that does not fit becomes 0.
    pub(super) fn read(text: &str) -> Self {
        let (number, method) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        Self { number: number.parse().unwrap_or(0), method: Method::of(method.trim()) }
    }

    pub(super) fn read_strict(text: &str) -> Option<Self> {
        let (number, method) = text.split_once([' ', '\t'])?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number)?;
        super::is_token(method.trim()).then(|| Self { number, method: Method::of(method.trim()) })
    }
}

impl std::fmt::Display for CSeq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl Message {
    /// The URI in the start line of a request; `None` for responses and for a URI that is none.
    pub fn request_uri(&self) -> Option<Uri> {
        match self.head.start {
            Start::Request { uri, .. } => {
                let text = self.shared_text_of(uri);
                match self.target_parts() {
                    Some(parts) => Some(parts.of_text(text)),
                    None => Uri::read(text).ok(),
                }
            }
            Start::Response { .. } => None,
        }
    }

    /// The URI in the start line of a request as written.
    pub fn request_uri_text(&self) -> &str {
        match self.head.start {
            Start::Request { uri, .. } => self.text_of(uri),
            Start::Response { .. } => "",
        }
    }

    /// The first value of Via. Every message that came in has one; one that was built may not.
    pub fn top_via(&self) -> Option<Via> {
        self.shared_values(Kind::Via).next().and_then(Via::read)
    }

    /// All values of Via, the top one first.
    pub fn vias(&self) -> impl Iterator<Item = Via> {
        self.shared_values(Kind::Via).filter_map(Via::read)
    }

    /// The value of From.
    pub fn from(&self) -> NameAddr {
        self.address_of(Kind::From)
    }

    /// The value of To.
    pub fn to(&self) -> NameAddr {
        self.address_of(Kind::To)
    }

    /// The Call-ID; empty when a built message has none.
    pub fn call_id(&self) -> &str {
        self.header_of(Kind::CallId).unwrap_or_default()
    }

    /// The sequence number and method.
    pub fn cseq(&self) -> &CSeq {
        &self.head.cseq
    }

    /// Each address in Contact, a star left out.
    pub fn contacts(&self) -> impl Iterator<Item = NameAddr> {
        self.addresses_of(Kind::Contact)
    }

    /// Whether Contact is `*`: all bindings.
    pub fn has_contact_star(&self) -> bool {
        self.header_of(Kind::Contact) == Some("*")
    }

    /// Each address in Route, the next hop first.
    pub fn routes(&self) -> impl Iterator<Item = NameAddr> {
        self.addresses_of(Kind::Route)
    }

    /// Each address in Record-Route, as written.
    pub fn record_routes(&self) -> impl Iterator<Item = NameAddr> {
        self.addresses_of(Kind::RecordRoute)
    }

    /// Each address in a header that is a list of addresses; values that are none are left out.
    pub fn addresses(&self, name: &str) -> impl Iterator<Item = NameAddr> {
        self.lines_named(name).flat_map(|line| self.shared_values_in(line)).filter_map(|text| NameAddr::read(text).ok())
    }

    /// How many hops are left.
    pub fn max_forwards(&self) -> Option<u8> {
        self.header_of(Kind::MaxForwards).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
    }

    /// Expires in seconds; a number that does not fit is the longest time.
    pub fn expires(&self) -> Option<u32> {
        let value = self.header("Expires")?;
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| value.parse().unwrap_or(u32::MAX))
    }

    /// The option tags that must be understood.
    pub fn require(&self) -> impl Iterator<Item = &str> {
        self.values("Require")
    }

    /// The option tags that proxies must understand.
    pub fn proxy_require(&self) -> impl Iterator<Item = &str> {
        self.values("Proxy-Require")
    }

    /// Whether a header that is a list of tokens (Supported, Require, Allow) names this one, in any case.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// The type of the body as written.
    pub fn content_type(&self) -> Option<&str> {
        self.header_of(Kind::ContentType)
    }

    /// Whether the body is of this type, parameters and case aside.
    pub fn has_content_type(&self, media_type: &str) -> bool {
        let found = self.content_type().and_then(|value| split(value, b';').next());
        found.is_some_and(|found| found.eq_ignore_ascii_case(media_type))
    }

    /// The value of the first header of this name as text that shares the message's bytes.
    pub fn shared_header(&self, name: &str) -> Option<Text> {
        self.lines_named(name).next().map(|line| self.shared_text_of(line.value))
    }

    fn addresses_of(&self, kind: Kind) -> impl Iterator<Item = NameAddr> {
        self.shared_values(kind).filter_map(|text| NameAddr::read(text).ok())
    }

    pub(super) fn header_of(&self, kind: Kind) -> Option<&str> {
        self.line_of(kind).map(|line| self.text_of(line.value))
    }

    pub(super) fn shared_header_of(&self, kind: Kind) -> Option<Text> {
        self.line_of(kind).map(|line| self.shared_text_of(line.value))
    }

    /// The values of a list.
    pub(super) fn values_of(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let values = self.lines_of(kind).flat_map(|line| split(self.text_of(line.value), b','));
        values.filter(|value| !value.is_empty())
    }

    /// The values of a list as text that shares the message's bytes.
    pub(super) fn shared_values(&self, kind: Kind) -> impl Iterator<Item = Text> {
        self.lines_of(kind).flat_map(|line| self.shared_values_in(line))
    }

    fn shared_values_in<'a>(&'a self, line: &Line) -> impl Iterator<Item = Text> + use<'a> {
        let text = self.shared_text_of(line.value);
        let values = split(self.text_of(line.value), b',').filter(|value| !value.is_empty());
        values.map(move |value| text.part(value))
    }
}
