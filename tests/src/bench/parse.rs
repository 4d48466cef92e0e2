//! `parse`: what it costs to read a message that came in, beside sipx-sip.
//!
//! A datagram is copied into bytes of its own, parsed, and the nine headers that every call needs are read as values.
//! Both readers do the same in alternating rounds; the middle round counts. Allocations are those of one message.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use callfield_sip::message::{Verdict, parse};
use sipx_sip::headers::{CSeq, CallId, Contact, ContentType, From, MaxForwards, To, Via};
use sipx_sip::{Limits, Message, parse_datagram};

use super::allocations::allocations_of;
use super::{Bar, Row, percentile, processor};

const ROUNDS: usize = 30;
const MESSAGES_A_ROUND: u32 = 5_000;
/// The bars of the design.
const TIME_US: f64 = 2.0;
const ALLOCATIONS: f64 = 4.0;

const INVITE: &str = "INVITE sip:+81312345678@edge.example.com;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8f7d0e2b9a;rport\r\nMax-Forwards: 70\r\n\
    Contact: <sip:pbx@192.0.2.10:5060;transport=udp>\r\nTo: <sip:+81312345678@edge.example.com;user=phone>\r\n\
    From: \"Front desk\" <sip:+819012345678@pbx.example.com>;tag=7a3f9c21\r\n\
    Call-ID: 1c9b2f7e-5d1a-4a7e-9a3e-0f5f6e8f2f11@192.0.2.10\r\nCSeq: 1 INVITE\r\n\
    Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\nSupported: timer, replaces\r\n\
    Session-Expires: 1800;refresher=uac\r\nUser-Agent: A PBX 18.2\r\nContent-Type: application/sdp\r\n\
    Content-Length: 178\r\n\r\nv=0\r\no=- 2890844526 2890844526 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\n\
    t=0 0\r\nm=audio 49170 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";
const RINGING: &str = "SIP/2.0 180 Ringing\r\n\
    Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---8f7d0e2b9a;rport=5060;received=192.0.2.10\r\n\
    Max-Forwards: 70\r\nContact: <sip:edge@192.0.2.20:5060>\r\n\
    To: <sip:+81312345678@edge.example.com;user=phone>;tag=e1\r\n\
    From: \"Front desk\" <sip:+819012345678@pbx.example.com>;tag=7a3f9c21\r\n\
    Call-ID: 1c9b2f7e-5d1a-4a7e-9a3e-0f5f6e8f2f11@192.0.2.10\r\nCSeq: 1 INVITE\r\n\
    Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n";

/// Runs the bench.
pub fn run() -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, text) in [("INVITE", INVITE), ("180", RINGING)] {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(round(|| read_ours(text))?);
            theirs.push(round(|| read_theirs(text))?);
        }
        rows.push(Row {
            what: format!("{name} of {} bytes parsed, nine reads", text.len()),
            unit: "µs",
            ours: percentile(&mut ours, 50.0),
            peer: Some(percentile(&mut theirs, 50.0)),
            bar: Bar::AtMost(TIME_US),
        });
        rows.push(Row {
            what: format!("allocations of one {name}"),
            unit: "",
            ours: allocations_of(|| read_ours(text))?,
            peer: Some(allocations_of(|| read_theirs(text))?),
            bar: Bar::AtMost(ALLOCATIONS),
        });
    }
    Ok(rows)
}

/// Microseconds of the processor a message.
fn round(read: impl Fn() -> Result<()>) -> Result<f64> {
    let before = processor::used_ms();
    for _ in 0..MESSAGES_A_ROUND {
        read()?;
    }
    Ok((processor::used_ms() - before) * 1e3 / f64::from(MESSAGES_A_ROUND))
}

fn read_ours(text: &str) -> Result<()> {
    let bytes = Bytes::copy_from_slice(black_box(text).as_bytes());
    let Verdict::Ok(message) = parse(bytes) else { anyhow::bail!("our reader refuses a good message") };
    let uri = message.request_uri();
    ensure!(uri.is_some() == message.is_request(), "the URI is lost");
    let via = message.top_via().context("no Via")?;
    let (from, to) = (message.from(), message.to());
    black_box((via.branch(), from.tag(), from.uri()?, to.tag(), to.uri()?));
    black_box((message.call_id(), message.cseq(), message.max_forwards(), message.content_type()));
    let contact = message.contacts().next().context("no Contact")?;
    black_box((uri, contact.uri()?));
    Ok(())
}

fn read_theirs(text: &str) -> Result<()> {
    let bytes = Bytes::copy_from_slice(black_box(text).as_bytes());
    let message = parse_datagram(bytes, &Limits::datagram())?;
    // The request's URI is read by the parser.
    black_box(message.as_request().map(|request: &sipx_sip::Request| &request.uri));
    let (via, from, to) = (read::<Via>(&message)?, read::<From>(&message)?, read::<To>(&message)?);
    black_box((via.branch(), from.tag(), &from.uri, to.tag(), &to.uri));
    black_box((read::<CallId>(&message)?, read::<CSeq>(&message)?, read::<MaxForwards>(&message)?));
    black_box((read::<ContentType>(&message)?, read::<Contact>(&message)?));
    Ok(())
}

fn read<H: sipx_sip::TypedHeader>(message: &Message) -> Result<H> {
    Ok(message.headers().typed::<H>().context("a header is missing")??)
}
