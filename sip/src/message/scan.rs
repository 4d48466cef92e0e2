//! Scanning: where the start line and each header lie in the bytes.
//!
//! A scan always gives a table of what it could make out, and the first fault it met. Folded values and values that
//! are not UTF-8 are rewritten once into a second text, so that every accessor can give out `&str`.

use bytes::Bytes;
use memchr::{memchr, memchr2};

use super::list::trim;
use super::names::{Kind, is_same, is_token};
use super::parse::{DropReason, Fault, Refusal};
use super::text::{Span, Text};
use super::{CSeq, HEAD_LIMIT_BYTES, HEADER_LIMIT, Message, Method};

/// What the start line and the headers say and where.
pub(super) struct Head {
    pub(super) start: Start,
    pub(super) lines: Vec<Line>,
    pub(super) cseq: CSeq,
    /// Bytes of the head, the empty line included.
    pub(super) size: usize,
    /// Rewritten values.
    readable: Text,
}

pub(super) enum Start {
    Request { method: Method, uri: Piece },
    Response { status: u16, reason: Piece },
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
        let head = Head { start, lines, cseq: CSeq::default(), size, readable: readable.into() };
        let mut message = Self { bytes, head: head.into() };
        let cseq = message.header_of(Kind::CSeq).map(CSeq::read).unwrap_or_default();
        if let Some(head) = std::sync::Arc::get_mut(&mut message.head) {
            head.cseq = cseq;
        }
        (message, fault)
    }

    pub(super) fn lines_named<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Line> {
        let kind = Kind::of(name);
        self.lines_of(kind).filter(move |line| kind != Kind::Other || is_same(self.name_of(line), name))
    }

    pub(super) fn lines_of(&self, kind: Kind) -> impl Iterator<Item = &Line> {
        self.head.lines.iter().filter(move |line| line.kind == kind)
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
        let bytes = self.bytes.slice(piece.span.start()..piece.span.end());
        Text::from_utf8(bytes).unwrap_or_default()
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
        let text = String::from_utf8_lossy(bytes);
        let (method, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let (uri, version) = rest.trim_end().rsplit_once(' ').unwrap_or((rest, ""));
        let is_sip = version.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
        if !is_sip || !is_token(method) {
            self.note(Fault::Drop(DropReason::NotSip));
        } else if !version.eq_ignore_ascii_case("SIP/2.0") {
            self.note(Fault::Refuse(Refusal::VERSION));
        } else if rest.ends_with(' ') || uri.contains([' ', '\t']) || uri.is_empty() {
            self.note(Fault::Refuse(Refusal::bad("Bad Request Line")));
        }
        let method = Method::of(method);
        let start = line.start() + bytes.iter().position(|byte| *byte == b' ').map_or(bytes.len(), |at| at + 1);
        let end =
            bytes.trim_ascii_end().iter().rposition(|byte| *byte == b' ').map_or(line.end(), |at| line.start() + at);
        let uri = self.piece(start, end.max(start));
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
        let Some(colon) = memchr(b':', bytes) else {
            self.note(Fault::Refuse(Refusal::bad("Header Without Colon")));
            return None;
        };
        let name = bytes[..colon].trim_ascii_end();
        let Some(kind) = std::str::from_utf8(name).ok().filter(|name| is_token(name)).map(Kind::of) else {
            self.note(Fault::Refuse(Refusal::bad("Bad Header Name")));
            return None;
        };
        let name = Span::new(start, start + name.len());
        let value = self.piece(start + colon + 1, end - 2);
        Some(Line { wire: Span::new(start, end), name, kind, value })
    }

    /// A value without the white space around it; folds and Latin-1 are rewritten.
    fn piece(&mut self, start: usize, end: usize) -> Piece {
        let bytes = &self.bytes[start..end];
        let leading = bytes.len() - trim_start(bytes).len();
        let bytes = trim_start(bytes);
        let length = trim_end(bytes).len();
        let bytes = &bytes[..length];
        if memchr2(b'\r', b'\n', bytes).is_none() && std::str::from_utf8(bytes).is_ok() {
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

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
