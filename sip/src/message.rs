//! Messages: parse, print, edit: one `Bytes`, one table of header spans.
//!
//! [`parse()`] reads a datagram or a WebSocket frame, [`StreamDecoder`] a TCP or TLS stream. Both give a [`Verdict`]:
//! the message is fine, it is wrong but can be answered, or it is dropped. A [`Message`] is read through accessors
//! only; what nobody edits leaves byte for byte as it came.
//!
//! ```
//! use callfield_sip::message::{Method, Verdict, parse};
//!
//! let bytes = "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP host;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
//!     f: \"Alice\" <sip:alice@example.com>;tag=1\r\nt: <sip:bob@example.com>\r\ni: 1@host\r\nCSeq: 1 OPTIONS\r\n\r\n";
//! let Verdict::Ok(request) = parse(bytes.into()) else { panic!("a good message") };
//! assert_eq!(request.method(), &Method::Options);
//! assert_eq!(request.from().display().as_deref(), Some("Alice"));
//!
//! let answer = request.response(200, "OK").to_tag("t9").header("Accept", "application/sdp").build();
//! assert_eq!(answer.to().tag(), Some("t9"));
//!
//! let edited = request.edit().set("Subject", "hello").remove("Max-Forwards").build();
//! assert_eq!(edited.header("s"), Some("hello"));
//! ```

mod build;
mod check;
mod edit;
mod list;
mod method;
mod name_addr;
mod names;
mod params;
mod parse;
mod print;
mod scan;
mod stream;
pub(crate) mod text;
mod typed;
mod via;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

pub use build::{RequestBuilder, ResponseBuilder};
pub use edit::Edit;
pub use method::Method;
pub use name_addr::{NameAddr, NameAddrError};
pub use params::Params;
pub use parse::{DropReason, Refusal, Verdict, parse};
pub use stream::{Frame, StreamDecoder, StreamFault};
pub use text::Text;
pub use typed::CSeq;
pub use typed::session::{RAck, Refresher, Replaces, SessionExpires};
pub use via::Via;

pub(crate) use list::{cut, quoted, split, unquoted};
pub(crate) use names::is_token;

use scan::{Head, Start};

/// The most bytes of a start line and headers together.
pub const HEAD_LIMIT_BYTES: usize = 32 * 1024;
/// The most header lines.
pub const HEADER_LIMIT: usize = 128;
/// The most bytes of a body.
pub const BODY_LIMIT_BYTES: usize = 128 * 1024;

/// A request or a response. A clone costs two counters.
#[derive(Clone)]
pub struct Message {
    bytes: Bytes,
    head: Arc<Head>,
}

impl Message {
    /// The whole message as it goes on the wire.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether it is a request (or else a response).
    pub fn is_request(&self) -> bool {
        matches!(self.head.start, Start::Request { .. })
    }

    /// The method of a request; of a response that of its CSeq.
    pub fn method(&self) -> &Method {
        match &self.head.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => &self.head.cseq.method,
        }
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        match self.head.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response; empty for a request.
    pub fn reason(&self) -> &str {
        match self.head.start {
            Start::Request { .. } => "",
            Start::Response { reason, .. } => self.text_of(reason),
        }
    }

    /// The value of the first header of this name (any case, long or compact), unfolded and trimmed.
    ///
    /// A value that is not UTF-8 is read as Latin-1.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.lines_named(name).next().map(|line| self.text_of(line.value))
    }

    /// The value of each header line of this name, in order, not cut at commas.
    pub fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.lines_named(name).map(|line| self.text_of(line.value))
    }

    /// Each value of a header that is a list: lines cut at commas outside quotes and angle brackets.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers(name).flat_map(|value| split(value, b',')).filter(|value| !value.is_empty())
    }

    /// Each header line: its name as written and its value.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.lines.iter().map(|line| (self.name_of(line), self.text_of(line.value)))
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.head.size.min(self.bytes.len())..)
    }

    /// Starts an answer: Via, From, To, Call-ID and CSeq are those of this request (RFC 3261 §8.2.6.2).
    pub fn response(&self, status: u16, reason: &str) -> ResponseBuilder {
        ResponseBuilder::new(self, status, reason)
    }

    /// Starts an edited copy.
    pub fn edit(&self) -> Edit {
        Edit::new(self.clone())
    }

    /// The same message in bytes of its own, for one that is kept long.
    pub fn detached(&self) -> Self {
        Self { bytes: Bytes::copy_from_slice(&self.bytes), head: Arc::clone(&self.head) }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Message {}

/// Names the kind of message only: it may hold numbers and names, which no log may show.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status() {
            Some(status) => write!(f, "Message({status} to {})", self.method()),
            None => write!(f, "Message({})", self.method()),
        }
    }
}

/// The whole message as text, for snapshots; bytes that are not UTF-8 are replaced.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}
