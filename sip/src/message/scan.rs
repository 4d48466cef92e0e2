//! Scanning: where the start line and each header lie in the bytes.
//!
//! A scan always gives a table of what it could make out, and the first fault it met. Folded values and values that
//! are not UTF-8 are rewritten once into a second text, so that every accessor can give out `&str`.

use bytes::Bytes;
use memchr::{memchr, memchr2, memrchr};

use super::list::trim;
use super::name_addr::{NameAddr, Places};
use super::names::{Kind, is_same, token_length};
use super::parse::{DropReason, Fault, Refusal};
use super::text::{Span, Text};
use super::{CSeq, HEAD_LIMIT_BYTES, HEADER_LIMIT, Message, Method};
use crate::uri;

/// What the start line and the headers say and where.
pub(super) struct Head {
    pub(super) start: Start,
    pub(super) lines: Vec<Line>,
    index: Index,
    /// Where the parts of From, To and the Request-URI lie, if they were looked through and are good.
    from: Option<Places>,
    to: Option<Places>,
    target: Option<uri::Parts>,
    pub(super) cseq: CSeq,
    /// Whether CSeq is as the RFC writes it.
    pub(super) has_good_cseq: bool,
    /// Bytes of the head, the empty line included.
    pub(super) size: usize,
    /// Rewritten values.
    readable: Text,
}

pub(super) enum Start {
    Request { method: Method, uri: Piece },
    Response { status: u16, reason: Piece },
}

/// Where the first line of each kind is, and which kinds have more than one.
#[derive(Clone, Copy)]
struct Index {
    first: [u8; Kind::COUNT],
    several: u16,
}

impl Index {
    /// No line may be there: more lines than the limit are not kept.
    const NONE: u8 = u8::MAX;

    fn of(lines: &[Line]) -> Self {
        let mut index = Self { first: [Self::NONE; Kind::COUNT], several: 0 };
        for (line, at) in lines.iter().zip(0..Self::NONE) {
            let first = &mut index.first[line.kind as usize];
            if *first == Self::NONE {
                *first = at;
            } else {
                index.several |= 1 << line.kind as u16;
            }
        }
        index
    }
}

/// One header, folds included.
pub(super) struct Line {
    /// The line on the wire, its end of line included.
    pub(super) wire: Span,
    pub(super) name: Span,
    pub(super) kind: Kind,
    pub(super) value: Piece,
}

/// A value: a part of the wire's bytes or of the rewritten text.
#[derive(Clone, Copy, Default)]
pub(super) struct Piece {
    span: Span,
    pub(super) is_rewritten: bool,
}

impl Piece {
    pub(super) fn is_empty(self) -> bool {
        self.span.is_empty()
    }
}

impl Message {
    /// Makes a message of bytes whatever they are, and tells the first fault.
    pub(super) fn scan(bytes: Bytes) -> (Self, Option<Fault>) {
        let mut scan = Scan { bytes: &bytes, at: 0, readable: String::new(), fault: None };
        let start = scan.start_line();
        let lines = scan.header_lines();
        let size = scan.at;
        let Scan { readable, fault, .. } = scan;
        let (index, cseq, readable) = (Index::of(&lines), CSeq::default(), readable.into());
        let (from, to, target) = (None, None, None);
        let head = Head { start, lines, index, from, to, target, cseq, has_good_cseq: false, size, readable };
        let mut message = Self { bytes, head: head.into() };
        let text = message.header_of(Kind::CSeq).unwrap_or_default();
        let strict = CSeq::read_strict(text);
        let has_good_cseq = strict.is_some();
        let cseq = strict.unwrap_or_else(|| CSeq::read(text));
        if let Some(head) = std::sync::Arc::get_mut(&mut message.head) {
            (head.cseq, head.has_good_cseq) = (cseq, has_good_cseq);
        }
        (message, fault)
    }

    /// Looks From, To and the Request-URI through, once.
    pub(super) fn find_addresses(&mut self) {
        let places = |kind| self.header_of(kind).and_then(Places::find);
        let (from, to) = (places(Kind::From), places(Kind::To));
        let target = uri::find_parts(self.request_uri_text()).ok().filter(|_| self.is_request());
        if let Some(head) = std::sync::Arc::get_mut(&mut self.head) {
            (head.from, head.to, head.target) = (from, to, target);
        }
    }

    /// The value of From or To, as far as it can be read.
    pub(super) fn address_of(&self, kind: Kind) -> NameAddr {
        let text = self.shared_header_of(kind).unwrap_or_default();
        match self.places_of(kind) {
            Some(places) => NameAddr::at(places, text),
            None => NameAddr::lenient(text),
        }
    }

    /// Where the parts of the Request-URI lie; `None` if it is not good, or was not looked through.
    pub(super) fn target_parts(&self) -> Option<uri::Parts> {
        self.head.target
    }

    /// Where the parts of From or To lie; `None` if it is not good, or was not looked through.
    pub(super) fn places_of(&self, kind: Kind) -> Option<Places> {
        if kind == Kind::From { self.head.from } else { self.head.to }
    }

    /// Reads back the bytes of a message that was accepted or built before.
    pub(crate) fn reread(bytes: Bytes) -> Self {
        Self::scan(bytes).0
    }

    pub(super) fn lines_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Line> {
        let kind = Kind::of(name.as_bytes());
        self.lines_of(kind).filter(move |line| kind != Kind::Other || is_same(self.name_of(line), name))
    }

    pub(super) fn lines_of(&self, kind: Kind) -> impl Iterator<Item = &Line> {
        let first = usize::from(self.head.index.first[kind as usize]);
        let end = if self.has_several(kind) || kind == Kind::Other { self.head.lines.len() } else { first + 1 };
        self.head.lines.get(first..end).unwrap_or_default().iter().filter(move |line| line.kind == kind)
    }

    /// The first line of a kind.
    pub(super) fn line_of(&self, kind: Kind) -> Option<&Line> {
        self.head.lines.get(usize::from(self.head.index.first[kind as usize]))
    }

    /// Whether there is more than one line of a kind.
    pub(super) fn has_several(&self, kind: Kind) -> bool {
        self.head.index.several & (1 << kind as u16) != 0
    }

    pub(super) fn name_of(&self, line: &Line) -> &str {
        self.wire_text(line.name)
    }

    /// A line as it came, its end included.
    pub(super) fn wire_of(&self, line: &Line) -> Bytes {
        self.bytes.slice(line.wire.start()..line.wire.end())
    }

    pub(super) fn text_of(&self, piece: Piece) -> &str {
        if piece.is_rewritten { self.head.readable.span(piece.span) } else { self.wire_text(piece.span) }
    }

    /// The value as text that shares the message's bytes.
    pub(super) fn shared_text_of(&self, piece: Piece) -> Text {
        if piece.is_rewritten {
            return self.head.readable.part(self.head.readable.span(piece.span));
        }
        Text::of_valid(self.bytes.slice(piece.span.start()..piece.span.end()))
    }

    pub(super) fn wire_text(&self, span: Span) -> &str {
        std::str::from_utf8(&self.bytes[span.start()..span.end()]).unwrap_or_default()
    }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    readable: String,
    fault: Option<Fault>,
}

impl Scan<'_> {
    fn start_line(&mut self) -> Start {
        let Some(end) = self.line_end(self.at) else {
            self.note(Fault::Drop(DropReason::NotSip));
            self.at = self.bytes.len();
            return Start::Request { method: Method::of(""), uri: Piece::default() };
        };
        let line = Span::new(self.at, end - 2);
        self.at = end;
        match self.bytes[line.start()..line.end()].get(..4) {
            Some(name) if name.eq_ignore_ascii_case(b"SIP/") => self.status_line(line),
            _ => self.request_line(line),
        }
    }

    fn status_line(&mut self, line: Span) -> Start {
        let text = String::from_utf8_lossy(&self.bytes[line.start()..line.end()]);
        let mut parts = text.splitn(3, ' ');
        let is_version_ok = parts.next().is_some_and(|version| version.eq_ignore_ascii_case("SIP/2.0"));
        let code = parts.next().unwrap_or_default();
        let is_code = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
        let status = code.parse().unwrap_or(0);
        if !is_version_ok || !is_code || !(100..700).contains(&status) {
            self.note(Fault::Drop(DropReason::BadResponse));
        }
        let start = (line.start() + "SIP/2.0 200 ".len()).min(line.end());
        let reason = self.piece(start, line.end());
        Start::Response { status, reason }
    }

    /// Reads `METHOD URI SIP/2.0`; whatever stands between the first and the last space is the URI.
    fn request_line(&mut self, line: Span) -> Start {
        let bytes = &self.bytes[line.start()..line.end()];
        let first = memchr(b' ', bytes).unwrap_or(bytes.len());
        let trimmed = bytes.trim_ascii_end();
        let last = memrchr(b' ', trimmed).filter(|last| *last > first).unwrap_or(trimmed.len());
        let (method, version) = (&bytes[..first], trimmed.get(last + 1..).unwrap_or_default());
        let uri = bytes.get(first + 1..last).unwrap_or_default();
        if first == 0
            || token_length(method) < first
            || !version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"))
        {
            self.note(Fault::Drop(DropReason::NotSip));
        } else if !version.eq_ignore_ascii_case(b"SIP/2.0") {
            self.note(Fault::Refuse(Refusal::VERSION));
        } else if trimmed.len() < bytes.len() || uri.is_empty() || memchr2(b' ', b'\t', uri).is_some() {
            self.note(Fault::Refuse(Refusal::bad("Bad Request Line")));
        }
        let method = Method::of(std::str::from_utf8(method).unwrap_or_default());
        let start = (line.start() + first + 1).min(line.end());
        let uri = self.piece(start, (line.start() + last).max(start).min(line.end()));
        Start::Request { method, uri }
    }

    /// Reads lines up to the empty one; a head without it is a fault.
    fn header_lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::with_capacity(16);
        loop {
            if self.at > HEAD_LIMIT_BYTES {
                self.note(Fault::Drop(DropReason::TooLarge));
            }
            let start = self.at;
            let Some(end) = self.line_end_unfolded(start) else {
                self.note(Fault::Refuse(Refusal::bad("Head Without End")));
                return lines;
            };
            self.at = end;
            if end == start + 2 {
                return lines;
            }
            if lines.len() >= HEADER_LIMIT {
                self.note(Fault::Refuse(Refusal::bad("Too Many Headers")));
            } else if let Some(line) = self.header_line(start, end) {
                lines.push(line);
            }
        }
    }

    fn header_line(&mut self, start: usize, end: usize) -> Option<Line> {
        let bytes = &self.bytes[start..end - 2];
        let length = token_length(bytes);
        let space = bytes[length..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if length == 0 || bytes.get(length + space) != Some(&b':') {
            let has_colon = memchr(b':', bytes).is_some();
            let reason = if has_colon { "Bad Header Name" } else { "Header Without Colon" };
            self.note(Fault::Refuse(Refusal::bad(reason)));
            return None;
        }
        let kind = Kind::of(&bytes[..length]);
        let value = self.piece(start + length + space + 1, end - 2);
        Some(Line { wire: Span::new(start, end), name: Span::new(start, start + length), kind, value })
    }

    /// A value without the white space around it; folds and Latin-1 are rewritten.
    fn piece(&mut self, start: usize, end: usize) -> Piece {
        let bytes = &self.bytes[start..end];
        let leading = bytes.len() - trim_start(bytes).len();
        let bytes = trim_start(bytes);
        let length = trim_end(bytes).len();
        let bytes = &bytes[..length];
        // A fold without a way out looks at many bytes at once.
        let is_plain = bytes.iter().fold(true, |plain, byte| plain & is_plain(*byte));
        if is_plain || (memchr2(b'\r', b'\n', bytes).is_none() && std::str::from_utf8(bytes).is_ok()) {
            let start = start + leading;
            return Piece { span: Span::new(start, start + length), is_rewritten: false };
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => unfold(text),
            Err(_) => unfold(&bytes.iter().copied().map(char::from).collect::<String>()),
        };
        if text.contains(['\r', '\n']) {
            self.note(Fault::Refuse(Refusal::bad("Bare Line End")));
        }
        let start = self.readable.len();
        self.readable.push_str(trim(&text));
        Piece { span: Span::new(start, self.readable.len()), is_rewritten: true }
    }

    /// The end of the header that starts at `from`, its folded lines included.
    fn line_end_unfolded(&self, from: usize) -> Option<usize> {
        let mut end = self.line_end(from)?;
        while end > from + 2 && matches!(self.bytes.get(end), Some(b' ' | b'\t')) {
            end = self.line_end(end)?;
        }
        Some(end)
    }

    /// The position behind the next CRLF; a bare LF does not end a line.
    fn line_end(&self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += memchr(b'\n', self.bytes.get(at..)?)? + 1;
            if at >= from + 2 && self.bytes[at - 2] == b'\r' {
                return Some(at);
            }
        }
    }

    fn note(&mut self, fault: Fault) {
        let is_worse = matches!((&self.fault, &fault), (Some(Fault::Refuse(_)), Fault::Drop(_)));
        if self.fault.is_none() || is_worse {
            self.fault = Some(fault);
        }
    }
}

/// Each line end with the white space behind it becomes one space (RFC 3261 §7.3.1).
fn unfold(text: &str) -> String {
    let mut unfolded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\r\n") {
        let tail = &rest[at + 2..];
        let next = tail.trim_start_matches([' ', '\t']);
        unfolded.push_str(&rest[..at]);
        unfolded.push_str(if next.len() < tail.len() { " " } else { "\r\n" });
        rest = next;
    }
    unfolded.push_str(rest);
    unfolded
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_space(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |at| at + 1);
    &bytes[..end]
}

/// ASCII that ends no line.
fn is_plain(byte: u8) -> bool {
    (byte < 0x80) & (byte != b'\r') & (byte != b'\n')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
