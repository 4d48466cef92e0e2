//! Writing a message: a start line, header lines, a body.

use bytes::Bytes;

use super::Message;

/// Bytes of a message that grow line by line.
pub(super) struct Print(Vec<u8>);

impl Print {
    pub(super) fn new(start_line: &str) -> Self {
        let mut print = Self(Vec::with_capacity(1024));
        print.text(start_line);
        print.0.extend_from_slice(b"\r\n");
        print
    }

    /// A start line with its end, exactly as it came.
    pub(super) fn of_raw(start_line: &[u8]) -> Self {
        let mut print = Self(Vec::with_capacity(1024));
        print.raw_line(start_line);
        print
    }

    /// Appends a line exactly as it came.
    pub(super) fn raw_line(&mut self, line: &[u8]) {
        self.0.extend_from_slice(line);
    }

    /// Appends a header; line ends inside a value become spaces, so that no value can start a header of its own.
    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.text(name);
        self.0.extend_from_slice(b": ");
        self.text(value);
        self.0.extend_from_slice(b"\r\n");
    }

    /// Ends the head, appends the body and gives the message.
    pub(super) fn message(mut self, body: &[u8]) -> Message {
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(body);
        Message::scan(Bytes::from(self.0)).0
    }

    fn text(&mut self, text: &str) {
        self.0.extend(text.bytes().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
    }
}
