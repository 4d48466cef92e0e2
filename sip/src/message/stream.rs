//! Messages out of a TCP or TLS stream: framed by Content-Length, bounded, with keep-alives (RFC 5626 §4.4.1).

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem;

use super::parse::{Verdict, parse_with};
use super::{HEAD_LIMIT_BYTES, Message};

/// Cuts a byte stream into messages: [`StreamDecoder::push`] what was read, then take
/// [`StreamDecoder::next_frame`] until it gives `None`.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    buffer: BytesMut,
    /// Bytes of the buffer that are known to hold no end of a head.
    searched: usize,
    /// Bytes of the message that is being waited for, once its head is known.
    wanted: Option<usize>,
    is_after_line_end: bool,
    fault: Option<StreamFault>,
}

/// One thing that came out of a stream.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A message and the verdict on it.
    Message(Verdict),
    /// A keep-alive that asks for one CRLF in return.
    Ping,
    /// One CRLF: the return of a keep-alive, or an end of line too many.
    Pong,
    /// The borders of messages are lost: close the connection. Nothing follows.
    Broken(StreamFault),
}

/// Why the borders of messages are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// No end of a head within [`HEAD_LIMIT_BYTES`].
    #[error("the head of a message is too large")]
    HeadTooLarge,
    /// A missing, doubled, negative or too large Content-Length.
    #[error("a message has no usable Content-Length")]
    ContentLength,
}

impl StreamDecoder {
    /// Appends what was read. A caller that takes all frames after each push holds one message at most.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next frame that is complete.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if let Some(fault) = self.fault {
            return Some(Frame::Broken(fault));
        }
        if self.wanted.is_none() && self.buffer.starts_with(b"\r\n") {
            return Some(self.keep_alive());
        }
        let wanted = match self.wanted {
            Some(wanted) => wanted,
            None => match self.measure()? {
                Ok(wanted) => wanted,
                Err(frame) => return Some(frame),
            },
        };
        self.wanted = Some(wanted);
        if self.buffer.len() < wanted {
            return None;
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[..wanted]);
        self.buffer.advance(wanted);
        (self.wanted, self.searched, self.is_after_line_end) = (None, 0, false);
        Some(Frame::Message(parse_with(bytes, true)))
    }

    /// The second of two line ends in a row makes a ping, however they were cut into packets.
    fn keep_alive(&mut self) -> Frame {
        self.buffer.advance(2);
        self.is_after_line_end = !self.is_after_line_end;
        if self.is_after_line_end { Frame::Pong } else { Frame::Ping }
    }

    /// The size of the message at the start of the buffer; `None` while its head is not complete.
    fn measure(&mut self) -> Option<Result<usize, Frame>> {
        let from = self.searched.saturating_sub(3);
        let Some(found) = memmem::find(&self.buffer[from..], b"\r\n\r\n") else {
            self.searched = self.buffer.len();
            let is_too_large = self.buffer.len() > HEAD_LIMIT_BYTES;
            return is_too_large.then(|| Err(self.broken(StreamFault::HeadTooLarge)));
        };
        let head_size = from + found + 4;
        if head_size > HEAD_LIMIT_BYTES {
            return Some(Err(self.broken(StreamFault::HeadTooLarge)));
        }
        let head = Bytes::copy_from_slice(&self.buffer[..head_size]);
        let (message, _) = Message::scan(head.clone());
        match message.content_length() {
            Ok(Some(length)) => Some(Ok(head_size + length)),
            _ => {
                self.broken(StreamFault::ContentLength);
                Some(Err(Frame::Message(parse_with(head, true))))
            }
        }
    }

    fn broken(&mut self, fault: StreamFault) -> Frame {
        self.buffer.clear();
        self.fault = Some(fault);
        Frame::Broken(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TCP p;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
        To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

    fn frames(decoder: &mut StreamDecoder) -> Vec<String> {
        let name = |frame: Frame| match frame {
            Frame::Message(Verdict::Ok(message)) => String::from_utf8_lossy(&message.body()).into_owned(),
            Frame::Message(Verdict::Answerable(_, refusal)) => refusal.status.to_string(),
            Frame::Message(Verdict::Drop(reason)) => format!("{reason:?}"),
            Frame::Broken(fault) => format!("{fault:?}"),
            Frame::Ping => "ping".to_owned(),
            Frame::Pong => "pong".to_owned(),
        };
        let mut names = Vec::new();
        while let Some(frame) = decoder.next_frame() {
            let is_broken = matches!(frame, Frame::Broken(_));
            names.push(name(frame));
            if is_broken {
                break;
            }
        }
        names
    }

    #[test]
    fn however_a_stream_is_cut_the_same_messages_come_out() {
        let stream = format!("{HEAD}l: 3\r\n\r\none{HEAD}Content-Length: 4\r\n\r\nfour\r\n\r\n{HEAD}l:0\r\n\r\n");
        for size in 1..60 {
            let mut decoder = StreamDecoder::default();
            let mut seen = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                decoder.push(chunk);
                seen.extend(frames(&mut decoder));
            }
            assert_eq!(seen, ["one", "four", "pong", "ping", ""], "cut every {size} bytes");
        }
    }

    #[test]
    fn a_message_without_a_length_is_answered_and_breaks_the_stream() {
        for length in ["", "l: -1\r\n", "l: 1\r\nl: 1\r\n", "l: 18446744073709551616\r\n", "l: 9999999\r\n"] {
            let mut decoder = StreamDecoder::default();
            decoder.push(format!("{HEAD}{length}\r\nrest").as_bytes());
            assert_eq!(frames(&mut decoder), ["400", "ContentLength"], "{length}");
        }
    }

    #[test]
    fn a_head_without_end_breaks_the_stream() {
        let mut decoder = StreamDecoder::default();
        for _ in 0..HEAD_LIMIT_BYTES / 8 {
            decoder.push(b"aaaaaaaa");
            assert!(decoder.next_frame().is_none());
        }
        decoder.push(b"a");
        assert_eq!(frames(&mut decoder), ["HeadTooLarge"]);
        decoder.push(b"a");
        assert!(matches!(decoder.next_frame(), Some(Frame::Broken(_))));
    }
}
