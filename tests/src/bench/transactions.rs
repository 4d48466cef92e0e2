//! `transactions`: how long the store of transactions keeps its caller waiting while it grows to 100,000 and turns
//! over, and what a live transaction weighs, beside the layer of sipx-sip.
//!
//! Requests come at a steady rate, each with a branch of its own: half are INVITEs that ring, half are answered at
//! once and stay for the 32 s in which they may be repeated. What one request costs is one sample. The time counted is
//! that of this thread on the processor: what other programs take from a loaded machine is not the store's doing. The
//! longest wait by the clock on the wall is shown as well.

mod ours;
mod theirs;

use std::time::Instant;

use anyhow::{Result, ensure};

use super::allocations::held_bytes;
use super::{Bar, Row, percentile, processor};

/// Live transactions that the store must bear.
const LIVE: usize = 100_000;
/// Requests that come a second: those answered at once leave after 32 s.
const REQUESTS_PER_SECOND: usize = 3_125;
/// The bars of the design.
const STALL_MS: f64 = 5.0;
const WEIGHT_BYTES: f64 = 1_024.0;

/// A store that takes requests.
trait Store {
    /// A request comes and is answered, and the clock has moved; all that follows is done.
    fn take(&mut self, request: &Request) -> Result<()>;
    /// Live transactions.
    fn len(&self) -> usize;
}

/// A request as it comes, and its number.
struct Request {
    number: usize,
    text: String,
}

impl Request {
    fn new(number: usize) -> Self {
        let method = if number.is_multiple_of(2) { "INVITE" } else { "OPTIONS" };
        let text = format!(
            "{method} sip:+81312345678@edge.example.com;user=phone SIP/2.0\r\n\
             Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-{number:08}-8f7d0e2b9a\r\nMax-Forwards: 70\r\n\
             Contact: <sip:pbx@192.0.2.10:5060;transport=udp>\r\nTo: <sip:+81312345678@edge.example.com;user=phone>\r\n\
             From: \"Front desk\" <sip:+819012345678@pbx.example.com>;tag=7a3f9c21\r\n\
             Call-ID: {number:08}-5d1a-4a7e-9a3e-0f5f6e8f2f11@192.0.2.10\r\nCSeq: 1 {method}\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: timer, replaces\r\nUser-Agent: A PBX 18.2\r\n\
             Content-Length: 0\r\n\r\n"
        );
        Self { number, text }
    }

    fn is_invite(&self) -> bool {
        self.number.is_multiple_of(2)
    }

    /// When it comes.
    fn at_ms(&self) -> i64 {
        i64::try_from(self.number * 1_000 / REQUESTS_PER_SECOND).unwrap_or(i64::MAX)
    }
}

/// What the requests cost, in milliseconds.
struct Measured {
    waits: Vec<f64>,
    longest_on_the_wall: f64,
    weight_bytes: f64,
}

/// Runs the bench.
pub fn run() -> Result<Vec<Row>> {
    let mut ours = measure(ours::Ours::new)?;
    let mut theirs = measure(theirs::Theirs::new)?;
    let row = |what: &str, unit, ours, theirs, bar| Row { what: what.to_owned(), unit, ours, peer: Some(theirs), bar };
    let wait = |what, percent, bar, ours: &mut Measured, theirs: &mut Measured| {
        let (ours, theirs) = (percentile(&mut ours.waits, percent), percentile(&mut theirs.waits, percent));
        row(what, "ms", ours, theirs, bar)
    };
    Ok(vec![
        wait("wait for the store, p50", 50.0, Bar::None, &mut ours, &mut theirs),
        wait("wait for the store, p99", 99.0, Bar::None, &mut ours, &mut theirs),
        wait("wait for the store, p99.9", 99.9, Bar::None, &mut ours, &mut theirs),
        wait("wait for the store, longest", 100.0, Bar::AtMost(STALL_MS), &mut ours, &mut theirs),
        row("longest on the wall", "ms", ours.longest_on_the_wall, theirs.longest_on_the_wall, Bar::None),
        row("a live transaction", "bytes", ours.weight_bytes, theirs.weight_bytes, Bar::AtMost(WEIGHT_BYTES)),
    ])
}

/// Lets a store grow to [`LIVE`], weighs it, and turns it over once more.
fn measure<S: Store>(new: impl Fn() -> S) -> Result<Measured> {
    let mut waits = Vec::with_capacity(2 * LIVE);
    let (mut longest_on_the_wall, mut weight_bytes) = (0.0_f64, 0.0);
    let before = held_bytes();
    let mut store = new();
    for number in 0..2 * LIVE {
        let request = Request::new(number);
        let (on_the_wall, on_the_processor) = (Instant::now(), processor::used_ms());
        store.take(&request)?;
        waits.push(processor::used_ms() - on_the_processor);
        longest_on_the_wall = longest_on_the_wall.max(on_the_wall.elapsed().as_secs_f64() * 1e3);
        drop(request);
        if number + 1 == LIVE {
            ensure!(store.len() == LIVE, "{} of {LIVE} transactions are live", store.len());
            weight_bytes = (held_bytes() - before) / LIVE as f64;
        }
    }
    Ok(Measured { waits, longest_on_the_wall, weight_bytes })
}
