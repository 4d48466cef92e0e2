//! The verdict on what came in: fine, wrong but answerable, or dropped.

use bytes::Bytes;

use super::names::Kind;
use super::{Message, Method, check};

/// What to do with what came in.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// A message that can be worked with.
    Ok(Message),
    /// A request that is wrong, whose Via, From, To, Call-ID and CSeq are known: answer it with the refusal.
    Answerable(Message, Refusal),
    /// Nothing that could or should be answered.
    Drop(DropReason),
}

/// Why a request is not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer: 400, 405, 416, 420 or 505.
    pub status: u16,
    /// The reason phrase of the answer.
    pub reason: &'static str,
}

impl Refusal {
    pub(super) const VERSION: Self = Self { status: 505, reason: "Version Not Supported" };
    pub(super) const SCHEME: Self = Self { status: 416, reason: "Unsupported URI Scheme" };
    pub(super) const METHOD: Self = Self { status: 405, reason: "Method Not Allowed" };
    pub(super) const EXTENSION: Self = Self { status: 420, reason: "Bad Extension" };

    pub(super) const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }
}

/// Why something is dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Nothing but line ends: a keep-alive.
    KeepAlive,
    /// No start line of SIP.
    NotSip,
    /// The head or the body is larger than the limits.
    TooLarge,
    /// A faulty request that misses one of the five headers an answer needs.
    Unanswerable,
    /// A faulty ACK: no ACK is ever answered.
    BadAck,
    /// A faulty response: no response is ever answered.
    BadResponse,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Drop(DropReason),
    Refuse(Refusal),
}

/// Reads one datagram or WebSocket frame.
///
/// What lies behind the body that Content-Length promises is cut off (RFC 3261 §18.3).
pub fn parse(bytes: Bytes) -> Verdict {
    parse_with(bytes, false)
}

/// Reads one message; `is_stream` makes Content-Length compulsory.
pub(super) fn parse_with(mut bytes: Bytes, is_stream: bool) -> Verdict {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    if start == bytes.len() {
        return Verdict::Drop(DropReason::KeepAlive);
    }
    let (mut message, mut fault) = Message::scan(bytes.split_off(start));
    if fault.is_none() {
        message.find_addresses();
        fault = message.cut_to_content_length(is_stream).err().map(Fault::Refuse);
    }
    let refusal = match fault {
        Some(Fault::Drop(reason)) => return Verdict::Drop(reason),
        Some(Fault::Refuse(refusal)) => Some(refusal),
        None => check::first_refusal(&message),
    };
    match refusal {
        None if check::has_the_five(&message) => Verdict::Ok(message),
        None => Verdict::Drop(DropReason::Unanswerable),
        Some(_) if !message.is_request() => Verdict::Drop(DropReason::BadResponse),
        Some(_) if message.method() == &Method::Ack => Verdict::Drop(DropReason::BadAck),
        Some(refusal) if check::is_answerable(&message) => Verdict::Answerable(message, refusal),
        Some(_) => Verdict::Drop(DropReason::Unanswerable),
    }
}

impl Message {
    /// Cuts off what lies behind the body.
    fn cut_to_content_length(&mut self, is_stream: bool) -> Result<(), Refusal> {
        let available = self.bytes.len() - self.head.size;
        match self.content_length()? {
            Some(length) if length > available => Err(Refusal::bad("Content-Length Too Large")),
            Some(length) => {
                self.bytes.truncate(self.head.size + length);
                Ok(())
            }
            None if is_stream => Err(Refusal::bad("Missing Content-Length")),
            None => Ok(()),
        }
    }

    /// The one Content-Length; doubled, negative and huge ones are refused.
    pub(super) fn content_length(&self) -> Result<Option<usize>, Refusal> {
        const BAD: Refusal = Refusal::bad("Bad Content-Length");
        let mut values = self.lines_of(Kind::ContentLength).map(|line| self.text_of(line.value));
        let Some(value) = values.next() else { return Ok(None) };
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if values.next().is_some() || !is_number {
            return Err(BAD);
        }
        let length = value.parse().map_err(|_| BAD)?;
        if length > super::BODY_LIMIT_BYTES { Err(BAD) } else { Ok(Some(length)) }
    }

    /// Whether this request asks for a method or an extension that is not in the lists (RFC 3261 §8.2.1, §8.2.2.3):
    /// 405 or 420. ACK and CANCEL are never refused for an extension.
    pub fn refusal_for(&self, methods: &[Method], extensions: &[&str]) -> Option<Refusal> {
        if !methods.contains(self.method()) {
            return Some(Refusal::METHOD);
        }
        let may_refuse = !matches!(self.method(), Method::Ack | Method::Cancel);
        (may_refuse && self.unsupported(extensions).next().is_some()).then_some(Refusal::EXTENSION)
    }

    /// The option tags in Require that are not in the list: the content of Unsupported in a 420.
    pub fn unsupported<'a>(&'a self, extensions: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.values("Require")
            .filter(|required| !extensions.iter().any(|extension| extension.eq_ignore_ascii_case(required)))
    }
}
