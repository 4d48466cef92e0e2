//! A call on a stage: a PBX and a phone, the relay between them, and links that lose, delay and swap packets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::{Random, Seed, Timestamp};
use callfield_media::relay::{self, Relay, Settings, Side};
use callfield_media::sdp::{Agreement, Negotiation, Offer, Security, Wish};
use callfield_media::session::{self, MediaSession, RATE_HZ};
use callfield_media::tones::{sine, tone_share};

pub(crate) const RELAY_A: &str = "192.0.2.9:5000";
pub(crate) const RELAY_B: &str = "192.0.2.9:5002";
pub(crate) const PBX: &str = "192.0.2.1:4000";
pub(crate) const PHONE: &str = "198.51.100.7:6000";
pub(crate) const PBX_HZ: f64 = 440.0;
pub(crate) const PHONE_HZ: f64 = 1000.0;

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

/// What the four ends of a call agree on: PBX, relay towards it, relay towards the phone, phone.
pub(crate) struct Agreed {
    pub(crate) pbx: Agreement,
    pub(crate) a: Agreement,
    pub(crate) b: Agreement,
    pub(crate) phone: Agreement,
}

/// A call as the server sets it up, with this security on the PBX's leg.
pub(crate) fn agree(trunk: Security) -> Agreed {
    let mut random = Random::new(Seed::from_number(5));
    let mut leg = |local: &str| Negotiation::new(address(local), &mut random);
    let (mut pbx, mut a, mut b, mut phone) = (leg(PBX), leg(RELAY_A), leg(RELAY_B), leg(PHONE));
    let from_pbx = Offer::parse(&pbx.offer(&Wish::new(trunk))).unwrap();
    let to_phone = Offer::parse(&b.offer(&Wish::like(&from_pbx, Security::Required))).unwrap();
    let (answer, at_phone) = phone.answer(&to_phone, &Wish::new(Security::Required)).unwrap();
    let at_b = b.receive_answer(&answer).unwrap();
    let (answer, at_a) = a.answer(&from_pbx, &Wish::new(Security::Optional).codecs(&at_b.codecs())).unwrap();
    Agreed { pbx: pbx.receive_answer(&answer).unwrap(), a: at_a, b: at_b, phone: at_phone }
}

/// How a link treats packets.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) loss_percent: u64,
    pub(crate) delay_ms: u64,
    pub(crate) jitter_ms: u64,
}

pub(crate) const GOOD: Link = Link { loss_percent: 0, delay_ms: 10, jitter_ms: 0 };

pub(crate) struct End {
    pub(crate) session: MediaSession,
    /// Where its packets come from, as the relay sees it.
    pub(crate) address: SocketAddr,
    pub(crate) heard: Vec<i16>,
    pub(crate) digits: String,
    tone: Vec<i16>,
}

pub(crate) struct Stage {
    pub(crate) now_ms: i64,
    pub(crate) pbx: End,
    pub(crate) phone: End,
    pub(crate) relay: Relay,
    pub(crate) link: Link,
    pub(crate) relay_events: Vec<relay::Output>,
    random: Random,
    /// Datagrams under way by time of arrival: from, to, bytes.
    wire: BTreeMap<(i64, u64), (SocketAddr, SocketAddr, Bytes)>,
    sent: u64,
}

impl Stage {
    pub(crate) fn new(agreed: &Agreed, link: Link, seed: u64) -> Self {
        let mut random = Random::new(Seed::from_number(seed));
        let mut end = |agreement: &Agreement, hz: f64, address: &str| End {
            session: MediaSession::new(agreement, random.seed(), at(0)).unwrap(),
            address: self::address(address),
            heard: Vec::new(),
            digits: String::new(),
            tone: sine(hz, RATE_HZ, 8000, RATE_HZ as usize),
        };
        let (pbx, phone) = (end(&agreed.pbx, PBX_HZ, PBX), end(&agreed.phone, PHONE_HZ, PHONE));
        let mut relay = Relay::new(Settings::default(), random.seed());
        relay.connect(at(0), Side::A, &agreed.a).unwrap();
        relay.connect(at(0), Side::B, &agreed.b).unwrap();
        let (wire, relay_events) = (BTreeMap::new(), Vec::new());
        Self { now_ms: 0, pbx, phone, relay, link, relay_events, random, wire, sent: 0 }
    }

    /// Lets time pass; both ends speak their tones and listen.
    pub(crate) fn run(&mut self, ms: i64) {
        for _ in 0..ms {
            self.deliver();
            if self.now_ms % 10 == 0 {
                self.pbx.speak_and_listen(self.now_ms);
                self.phone.speak_and_listen(self.now_ms);
            }
            self.pbx.session.handle_timeout(at(self.now_ms));
            self.phone.session.handle_timeout(at(self.now_ms));
            if self.relay.poll_timeout().is_some_and(|(deadline, _)| deadline <= at(self.now_ms)) {
                self.relay.handle_timeout(at(self.now_ms));
            }
            self.collect();
            self.now_ms += 1;
        }
    }

    /// Puts a datagram of anyone on the wire.
    pub(crate) fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: Bytes) {
        if self.random.chance(self.link.loss_percent) {
            return;
        }
        let delay = self.link.delay_ms + self.random.below(self.link.jitter_ms + 1);
        self.sent += 1;
        self.wire.insert((self.now_ms + delay as i64, self.sent), (from, to, bytes));
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now_ms) {
            let (from, to, bytes) = entry.remove();
            let now = at(self.now_ms);
            if to == address(RELAY_A) {
                self.relay.handle(now, Side::A, from, &bytes);
            } else if to == address(RELAY_B) {
                self.relay.handle(now, Side::B, from, &bytes);
            } else if to == self.pbx.address {
                self.pbx.session.handle(now, from, &bytes);
            } else if to == self.phone.address {
                self.phone.session.handle(now, from, &bytes);
            }
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.pbx.session.poll_output() {
            match output {
                session::Output::Transmit { to, bytes } => self.send(self.pbx.address, to, bytes),
                session::Output::Digit(digit) => self.pbx.digits.push(digit),
            }
        }
        while let Some(output) = self.phone.session.poll_output() {
            match output {
                session::Output::Transmit { to, bytes } => self.send(self.phone.address, to, bytes),
                session::Output::Digit(digit) => self.phone.digits.push(digit),
            }
        }
        while let Some(output) = self.relay.poll_output() {
            match output {
                relay::Output::Transmit { side: Side::A, to, bytes } => self.send(address(RELAY_A), to, bytes),
                relay::Output::Transmit { side: Side::B, to, bytes } => self.send(address(RELAY_B), to, bytes),
                relay::Output::Moved { .. } | relay::Output::Idle { .. } => self.relay_events.push(output),
            }
        }
    }
}

impl End {
    fn speak_and_listen(&mut self, now_ms: i64) {
        let start = (now_ms as usize * 8) % self.tone.len();
        self.session.push_pcm(&self.tone[start..start + 80]);
        let mut pcm = [0; 80];
        self.session.pull_pcm(&mut pcm);
        self.heard.extend(pcm);
    }

    /// The share of a tone in the last `ms` that were heard.
    pub(crate) fn share_of(&self, hz: f64, ms: usize) -> f64 {
        tone_share(&self.heard[self.heard.len() - ms * 8..], RATE_HZ, hz)
    }
}
