//! Edited copies: untouched lines keep their bytes.

use bytes::Bytes;

use super::list::split;
use super::names::is_same;
use super::print::Print;
use super::scan::Start;
use super::text::Span;
use super::{Message, NameAddr, Via};
use crate::uri::Uri;

/// A copy of a message while it is edited; [`Edit::build`] makes the new message.
///
/// Values are written as given, line ends in them become spaces.
#[derive(Debug, Clone)]
pub struct Edit {
    message: Message,
    start_line: Option<String>,
    lines: Vec<Line>,
    body: Option<Bytes>,
}

#[derive(Debug, Clone)]
enum Line {
    Kept { name: Span, wire: Span },
    New { name: String, value: String },
}

impl Edit {
    pub(super) fn new(message: Message) -> Self {
        let kept = |line: &super::scan::Line| Line::Kept { name: line.name, wire: line.wire };
        let lines = message.head.lines.iter().map(kept).collect();
        Self { message, start_line: None, lines, body: None }
    }

    /// Replaces all headers of this name by one, at the place of the first; appends it when there is none.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        let at = self.find(name).unwrap_or(self.lines.len());
        self.lines.insert(at, Line::new(name, value));
        let mut position = 0;
        self.retain(name, |_| {
            position += 1;
            position == 1
        });
        self
    }

    /// Adds a header above all others of its name; at the top when there is none.
    #[must_use]
    pub fn insert_first(mut self, name: &str, value: impl ToString) -> Self {
        let at = self.find(name).unwrap_or(0);
        self.lines.insert(at, Line::new(name, value));
        self
    }

    /// Adds a header below all others.
    #[must_use]
    pub fn push(mut self, name: &str, value: impl ToString) -> Self {
        self.lines.push(Line::new(name, value));
        self
    }

    /// Removes all headers of this name.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        self.retain(name, |_| false);
        self
    }

    /// Removes the first value of a header that is a list, such as Route or Via; the other values stay.
    #[must_use]
    pub fn remove_first_value(self, name: &str) -> Self {
        self.replace_first_value(name, None)
    }

    /// Puts this Via in the place of the top one; adds it when there is none.
    #[must_use]
    pub fn set_top_via(self, via: &Via) -> Self {
        self.replace_first_value("Via", Some(via.as_str()))
    }

    /// Replaces From.
    #[must_use]
    pub fn from(self, from: &NameAddr) -> Self {
        self.set("From", from)
    }

    /// Replaces To.
    #[must_use]
    pub fn to(self, to: &NameAddr) -> Self {
        self.set("To", to)
    }

    /// Replaces the URI of a request; nothing happens to a response.
    #[must_use]
    pub fn request_uri(mut self, uri: &Uri) -> Self {
        if let Start::Request { method, .. } = &self.message.head.start {
            self.start_line = Some(format!("{method} {uri} SIP/2.0"));
        }
        self
    }

    /// Replaces the body; Content-Length follows. Without a type Content-Type is removed.
    #[must_use]
    pub fn body(mut self, content_type: Option<&str>, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let edit = match content_type {
            Some(content_type) => self.set("Content-Type", content_type),
            None => self.remove("Content-Type"),
        };
        self = edit.set("Content-Length", body.len());
        self.body = Some(body);
        self
    }

    /// The new message.
    pub fn build(self) -> Message {
        let bytes = &self.message.bytes;
        let mut print = match &self.start_line {
            Some(start_line) => Print::new(start_line),
            None => {
                let end = self.message.head.lines.first().map_or(0, |line| line.wire.start());
                Print::of_raw(&bytes[..end])
            }
        };
        for line in &self.lines {
            match line {
                Line::Kept { wire, .. } => print.raw_line(&bytes[wire.start()..wire.end()]),
                Line::New { name, value } => print.header(name, value),
            }
        }
        print.message(&self.body.unwrap_or_else(|| self.message.body()))
    }

    fn replace_first_value(mut self, name: &str, new: Option<&str>) -> Self {
        let Some(at) = self.find(name) else {
            return match new {
                Some(new) => self.insert_first(name, new),
                None => self,
            };
        };
        let value = self.value_of(&self.lines[at]);
        let rest = split(&value, b',').filter(|value| !value.is_empty()).skip(1);
        let values: Vec<&str> = new.into_iter().chain(rest).collect();
        let replacement = (!values.is_empty()).then(|| Line::new(name, values.join(", ")));
        self.lines.splice(at..=at, replacement);
        self
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.lines.iter().position(|line| is_same(self.name_of(line), name))
    }

    fn retain(&mut self, name: &str, mut keep: impl FnMut(&Line) -> bool) {
        let lines = std::mem::take(&mut self.lines);
        self.lines = lines.into_iter().filter(|line| !is_same(self.name_of(line), name) || keep(line)).collect();
    }

    fn name_of<'a>(&'a self, line: &'a Line) -> &'a str {
        match line {
            Line::Kept { name, .. } => self.message.wire_text(*name),
            Line::New { name, .. } => name,
        }
    }

    fn value_of(&self, line: &Line) -> String {
        match line {
            Line::New { value, .. } => value.clone(),
            Line::Kept { wire, .. } => {
                let mut lines = self.message.head.lines.iter();
                let found = lines.find(|line| line.wire == *wire);
                found.map(|line| self.message.text_of(line.value).to_owned()).unwrap_or_default()
            }
        }
    }
}

impl Line {
    #[expect(clippy::needless_pass_by_value, reason = "callers give literals, numbers and headers alike")]
    fn new(name: &str, value: impl ToString) -> Self {
        Self::New { name: name.to_owned(), value: value.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Verdict, parse};
    use super::*;

    fn message(text: &str) -> Message {
        let verdict = parse(text.replace('\n', "\r\n").into());
        let Verdict::Ok(message) = verdict else { panic!("{verdict:?}") };
        message
    }

    const INVITE: &str = "INVITE sip:b@h SIP/2.0\nv:  SIP/2.0/UDP p;branch=z9hG4bK1 , SIP/2.0/UDP q\nf: <sip:a@h>;tag=1\n\
        t: <sip:b@h>\nRoute: <sip:r1;lr>,\n  <sip:r2;lr>\ni: 1\nCSeq: 1  INVITE\nX-A: 1\nx-a: 2\nl: 4\n\nbody";

    #[test]
    fn what_is_not_edited_keeps_its_bytes() {
        let message = message(INVITE);
        assert_eq!(message.edit().build().as_bytes(), message.as_bytes());
    }

    #[test]
    fn a_reason_in_latin_1_keeps_its_bytes() {
        let text = "SIP/2.0 404 Nicht verf?gbar\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: <sip:b@h>\r\nCall-ID: 1\r\n\
            CSeq: 1 BYE\r\n\r\n";
        let bytes: Vec<u8> = text.bytes().map(|byte| if byte == b'?' { 0xfc } else { byte }).collect();
        let Verdict::Ok(message) = parse(bytes.into()) else { panic!("a good message") };
        assert_eq!(message.edit().build().as_bytes(), message.as_bytes());
        assert_eq!(message.edit().set("X", 1).build().reason(), "Nicht verf\u{fc}gbar");
    }

    #[test]
    fn lines_are_set_added_and_removed() {
        let edited = message(INVITE)
            .edit()
            .request_uri(&Uri::parse("sip:c@i").unwrap())
            .set("X-A", "3\r\nEvil: 1")
            .insert_first("Via", "SIP/2.0/UDP top")
            .remove_first_value("Route")
            .push("X-B", 4)
            .body(Some("text/plain"), "new body")
            .build();
        insta::assert_snapshot!(edited.to_string().replace('\r', ""), @r"
        INVITE sip:c@i SIP/2.0
        Via: SIP/2.0/UDP top
        v:  SIP/2.0/UDP p;branch=z9hG4bK1 , SIP/2.0/UDP q
        f: <sip:a@h>;tag=1
        t: <sip:b@h>
        Route: <sip:r2;lr>
        i: 1
        CSeq: 1  INVITE
        X-A: 3  Evil: 1
        Content-Length: 8
        X-B: 4
        Content-Type: text/plain

        new body
        ");
        assert_eq!(edited.header("evil"), None);
    }

    #[test]
    fn the_top_via_is_replaced_inside_its_list() {
        let message = message(INVITE);
        let via = message.top_via().unwrap().with_source("192.0.2.9:5060".parse().unwrap());
        let edited = message.edit().set_top_via(&via).build();
        let vias: Vec<_> = edited.vias().map(|via| via.to_string()).collect();
        assert_eq!(vias, ["SIP/2.0/UDP p;branch=z9hG4bK1;received=192.0.2.9", "SIP/2.0/UDP q"]);
        let edited = edited.edit().remove_first_value("Via").build();
        assert_eq!(edited.vias().count(), 1);
    }

    #[test]
    fn a_removed_body_leaves_no_type() {
        let edited = message(INVITE).edit().body(None, "").build();
        assert_eq!((edited.header("Content-Length"), edited.content_type()), (Some("0"), None));
        assert!(edited.body().is_empty());
    }
}
