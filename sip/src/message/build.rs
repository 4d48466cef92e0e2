//! New requests and answers.

use bytes::Bytes;

use super::print::Print;
use super::{Message, Method, NameAddr, Via};
use crate::uri::Uri;

/// A new request. Headers are written in the order they are given; Content-Length is added.
#[derive(Debug, Clone)]
pub struct RequestBuilder {
    method: Method,
    uri: String,
    lines: Lines,
}

impl RequestBuilder {
    /// Starts a request; give it at least From, To, Call-ID and CSeq. The transaction layer adds Via.
    pub fn new(method: Method, uri: &Uri) -> Self {
        let uri = uri.without_headers().to_string();
        Self { method, uri, lines: Lines::default() }
    }

    /// Adds a Via.
    #[must_use]
    pub fn via(self, via: &Via) -> Self {
        self.header("Via", via)
    }

    /// Sets From; it needs a tag.
    #[must_use]
    pub fn from(self, from: &NameAddr) -> Self {
        self.header("From", from)
    }

    /// Sets To.
    #[must_use]
    pub fn to(self, to: &NameAddr) -> Self {
        self.header("To", to)
    }

    /// Sets Call-ID.
    #[must_use]
    pub fn call_id(self, call_id: &str) -> Self {
        self.header("Call-ID", call_id)
    }

    /// Sets CSeq with this number and the request's method.
    #[must_use]
    pub fn cseq(self, number: u32) -> Self {
        let cseq = format!("{number} {}", self.method);
        self.header("CSeq", cseq)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.lines.push(name, value);
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.lines.body(content_type, body);
        self
    }

    /// The request; Max-Forwards is 70 unless it was given.
    pub fn build(mut self) -> Message {
        if !self.lines.has("Max-Forwards") {
            self.lines.push("Max-Forwards", 70);
        }
        self.lines.print(&format!("{} {} SIP/2.0", self.method, self.uri))
    }
}

/// An answer to a request, made by [`Message::response`].
#[derive(Debug, Clone)]
pub struct ResponseBuilder {
    request: Message,
    start_line: String,
    to_tag: Option<String>,
    lines: Lines,
}

impl ResponseBuilder {
    pub(super) fn new(request: &Message, status: u16, reason: &str) -> Self {
        let start_line = format!("SIP/2.0 {status} {reason}");
        Self { request: request.clone(), start_line, to_tag: None, lines: Lines::default() }
    }

    /// Adds a tag to To unless the request has one; every answer but 100 needs it.
    #[must_use]
    pub fn to_tag(mut self, tag: &str) -> Self {
        self.to_tag = self.request.to().tag().is_none().then(|| tag.to_owned());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.lines.push(name, value);
        self
    }

    /// Copies all headers of this name from the request, such as Record-Route (RFC 3261 §12.1.1).
    #[must_use]
    pub fn copy(mut self, name: &str) -> Self {
        let raw = self.request.lines_named(name).map(|line| Line::Raw(self.request.wire_of(line)));
        self.lines.lines.extend(raw);
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.lines.body(content_type, body);
        self
    }

    /// The answer. What is copied from the request keeps its bytes.
    pub fn build(self) -> Message {
        let request = &self.request;
        let mut lines: Vec<Line> = request.lines_named("Via").map(|line| Line::Raw(request.wire_of(line))).collect();
        for name in ["From", "To", "Call-ID", "CSeq"] {
            let Some(line) = request.lines_named(name).next() else { continue };
            lines.push(match self.to_tag.as_deref().filter(|_| name == "To") {
                Some(tag) => Line::New(name.to_owned(), format!("{};tag={tag}", request.text_of(line.value))),
                None => Line::Raw(request.wire_of(line)),
            });
        }
        lines.extend(self.lines.lines);
        Lines { lines, body: self.lines.body }.print(&self.start_line)
    }
}

#[derive(Debug, Clone, Default)]
struct Lines {
    lines: Vec<Line>,
    body: Bytes,
}

#[derive(Debug, Clone)]
enum Line {
    /// A line with its end, as it came.
    Raw(Bytes),
    /// A name and a value.
    New(String, String),
}

impl Lines {
    #[expect(clippy::needless_pass_by_value, reason = "callers give literals, numbers and headers alike")]
    fn push(&mut self, name: &str, value: impl ToString) {
        self.lines.push(Line::New(name.to_owned(), value.to_string()));
    }

    fn body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.push("Content-Type", content_type);
        self.body = body.into();
    }

    fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| matches!(line, Line::New(found, _) if found.eq_ignore_ascii_case(name)))
    }

    fn print(&self, start_line: &str) -> Message {
        let mut print = Print::new(start_line);
        for line in &self.lines {
            match line {
                Line::Raw(line) => print.raw_line(line),
                Line::New(name, value) => print.header(name, value),
            }
        }
        print.header("Content-Length", &self.body.len().to_string());
        print.message(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Verdict, parse};
    use super::*;

    fn invite() -> Message {
        let address = |text| NameAddr::new(None, &Uri::parse(text).unwrap());
        RequestBuilder::new(Method::Invite, &Uri::parse("sip:bob@example.com?Subject=x").unwrap())
            .via(&Via::new("UDP", "edge.example.com:5060", "z9hG4bK1").unwrap())
            .from(&address("sip:alice@example.com").with_tag("a1"))
            .to(&address("sip:bob@example.com"))
            .call_id("c1")
            .cseq(7)
            .header("Record-Route", "<sip:p1;lr>, <sip:p2;lr>")
            .body("application/sdp", "v=0\r\n")
            .build()
    }

    #[test]
    fn a_request_is_written_in_order() {
        insta::assert_snapshot!(invite().to_string().replace('\r', ""), @r"
        INVITE sip:bob@example.com SIP/2.0
        Via: SIP/2.0/UDP edge.example.com:5060;branch=z9hG4bK1;rport
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>
        Call-ID: c1
        CSeq: 7 INVITE
        Record-Route: <sip:p1;lr>, <sip:p2;lr>
        Content-Type: application/sdp
        Max-Forwards: 70
        Content-Length: 5

        v=0
        ");
        assert!(matches!(parse(invite().as_bytes().clone()), Verdict::Ok(_)));
    }

    #[test]
    fn an_answer_copies_what_the_rfc_says() {
        let answer = invite()
            .response(200, "OK")
            .to_tag("b1")
            .copy("Record-Route")
            .header("Contact", "<sip:bob@192.0.2.1>")
            .body("application/sdp", "v=0\r\n")
            .build();
        insta::assert_snapshot!(answer.to_string().replace('\r', ""), @r"
        SIP/2.0 200 OK
        Via: SIP/2.0/UDP edge.example.com:5060;branch=z9hG4bK1;rport
        From: <sip:alice@example.com>;tag=a1
        To: <sip:bob@example.com>;tag=b1
        Call-ID: c1
        CSeq: 7 INVITE
        Record-Route: <sip:p1;lr>, <sip:p2;lr>
        Contact: <sip:bob@192.0.2.1>
        Content-Type: application/sdp
        Content-Length: 5

        v=0
        ");
        assert_eq!((answer.status(), answer.reason(), answer.method()), (Some(200), "OK", &Method::Invite));
    }

    #[test]
    fn a_tag_that_is_there_stays() {
        let request = invite().edit().set("To", "<sip:bob@example.com>;tag=old").build();
        assert_eq!(request.response(481, "Gone").to_tag("new").build().to().tag(), Some("old"));
    }
}
