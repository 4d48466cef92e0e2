//! What must hold for any bytes that come in as a datagram or over a stream.

use bytes::Bytes;
use callfield_sip::message::{Frame, Message, Method, StreamDecoder, Verdict, Via, parse};

/// Reads the bytes in every way there is; panics where something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    match parse(Bytes::copy_from_slice(bytes)) {
        Verdict::Ok(message) => check_accepted(bytes, &message),
        Verdict::Answerable(message, refusal) => {
            read_everything(&message);
            let answer = message.response(refusal.status, refusal.reason).to_tag("t").build();
            assert_eq!(answer.lines().count(), message.headers("Via").count() + 5, "a header was smuggled");
        }
        Verdict::Drop(_) => {}
    }
    check_stream(bytes);
}

/// Calls every accessor.
pub(crate) fn read_everything(message: &Message) {
    let _ = (message.request_uri(), message.top_via(), message.from().uri(), message.to().display());
    let _ = (message.expires(), message.max_forwards(), message.body(), message.contacts().count());
    let _ = (message.routes().count(), message.require().count(), message.lines().count());
    let _ = message.from().with_tag("t").tag().map(str::len);
    for via in message.vias() {
        let _ = via.with_source(([192, 0, 2, 1], 5060).into());
    }
    let via = Via::new("UDP", "host", "z9hG4bK1").expect("a plain Via");
    let _ = message.response(400, "Bad").to_tag("t").build();
    let _ = message.edit().set_top_via(&via).remove_first_value("Route").set("X", "y").build();
}

fn check_accepted(bytes: &[u8], message: &Message) {
    read_everything(message);
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    assert!(bytes[start..].starts_with(message.as_bytes()), "a message is not what came");
    assert_eq!(message.edit().build().as_bytes(), message.as_bytes(), "an edit of nothing changed something");
    let again = accepted(message.as_bytes().clone());
    assert!(again.lines().eq(message.lines()) && again.body() == message.body(), "a second look saw something else");
    assert!(message.top_via().is_some() && message.from().uri().is_ok() && message.to().uri().is_ok());
    if message.is_request() && message.method() != &Method::Ack {
        assert!(message.request_uri().is_some());
        let answer = accepted(message.response(200, "OK").to_tag("t").build().as_bytes().clone());
        assert_eq!((answer.status(), answer.cseq(), answer.call_id()), (Some(200), message.cseq(), message.call_id()));
        assert!(answer.to().tag().is_some(), "an answer without a tag");
    }
}

fn accepted(bytes: Bytes) -> Message {
    let verdict = parse(bytes);
    let Verdict::Ok(message) = verdict else { panic!("no longer accepted: {verdict:?}") };
    message
}

/// However a stream is cut, the same comes out; and what a stream accepts, a datagram would be.
fn check_stream(bytes: &[u8]) {
    let whole = frames(bytes, bytes.len().max(1));
    let size = bytes.first().map_or(1, |first| usize::from(first % 7) + 1);
    assert_eq!(frames(bytes, size), whole, "cut every {size} bytes");
}

fn frames(bytes: &[u8], size: usize) -> Vec<String> {
    let mut decoder = StreamDecoder::default();
    let mut seen = Vec::new();
    for chunk in bytes.chunks(size) {
        decoder.push(chunk);
        while let Some(frame) = decoder.next_frame() {
            if let Frame::Message(Verdict::Ok(message)) = &frame {
                assert_eq!(&accepted(message.as_bytes().clone()), message);
            }
            seen.push(format!("{frame:?}"));
            if matches!(frame, Frame::Broken(_)) {
                return seen;
            }
        }
    }
    seen
}
