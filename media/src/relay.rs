//! The server's relay of one call: two legs, plain or protected, each packet passed on to the other.
//!
//! The shell owns one socket per leg and says which leg a datagram came in on. Each call of [`Relay::handle`] or
//! [`Relay::handle_timeout`] is followed by [`Relay::poll_output`] until it returns `None`.
//!
//! | leg | whom it believes | where it sends |
//! |---|---|---|
//! | SRTP | every packet that authenticates, from anywhere | where the newest authentic packet came from |
//! | plain | the signalled address at once, another source after three packets in order; then that source only | the believed source, before that the signalled address |
//!
//! So a phone may change its network in mid-call without signalling, and on a plain leg a stranger can neither divert nor
//! inject audio once the caller has been heard. A re-INVITE ([`Relay::connect`] again) starts the learning anew when it
//! states another address.
//!
//! RTCP travels with RTP on one port (RFC 5761). A leg that did not agree on `a=rtcp-mux` gets no RTCP; the relay has no
//! second port. Packets are rebuilt: header extensions, contributing sources and padding stay behind. What goes out
//! protected is renumbered, so that no key ever encrypts two packets with one sequence number.

mod outputs;
mod renumber;

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::{Random, Seed, Timestamp};

use crate::leg::{Leg, Received};
use crate::rtp::{Meaning, Packet};
use crate::sdp::Agreement;
use crate::srtp::SrtpError;
use renumber::Renumber;

pub use crate::leg::{Latching, LegStatistics};
pub use outputs::{Output, Settings, Side, Why};

/// One relayed call.
pub struct Relay {
    settings: Settings,
    a: End,
    b: End,
    outputs: VecDeque<Output>,
}

/// One side: connected or not yet.
struct End {
    leg: Option<Leg>,
    renumber: Renumber,
    is_idle: bool,
    early_packets: u64,
}

impl Relay {
    /// A relay with neither side connected; `seed` numbers protected packets.
    pub fn new(settings: Settings, seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let (a, b) = (End::new(random.seed()), End::new(random.seed()));
        Self { settings, a, b, outputs: VecDeque::new() }
    }

    /// Connects `side` with what was agreed on for its leg, or applies a new agreement of a re-INVITE.
    ///
    /// An unchanged key keeps its state; an unchanged remote address keeps what was learned.
    pub fn connect(&mut self, now: Timestamp, side: Side, agreement: &Agreement) -> Result<(), SrtpError> {
        let latching = self.settings.latching;
        let end = self.end_mut(side);
        match &mut end.leg {
            Some(leg) => {
                if leg.sending_key() != agreement.keys.as_ref().map(|keys| &keys.send) {
                    end.renumber.forget();
                }
                leg.renegotiate(now, agreement)?;
            }
            None => end.leg = Some(Leg::new(now, agreement, latching)?),
        }
        end.is_idle = false;
        Ok(())
    }

    /// Forgets the leg of `side`, so that another can be connected in its place; its statistics are the last ones.
    pub fn disconnect(&mut self, side: Side) -> LegStatistics {
        let statistics = self.statistics(side);
        let end = self.end_mut(side);
        end.leg = None;
        end.renumber.forget();
        statistics
    }

    /// Takes one datagram that came in on the socket of `side`.
    ///
    /// Never fails: what is not valid is counted and dropped, so is everything while the other side is not connected.
    pub fn handle(&mut self, now: Timestamp, side: Side, from: SocketAddr, packet: &[u8]) {
        let (end, other) = self.ends_mut(side);
        let Some(leg) = &mut end.leg else {
            end.early_packets += 1;
            return;
        };
        let Some((received, has_moved)) = leg.receive(now, from, packet) else {
            return;
        };
        end.is_idle = false;
        let outgoing = match (&mut other.leg, received) {
            (None, _) => {
                leg.count_early();
                None
            }
            (Some(to), Received::Rtp(meaning, packet)) => pass_on(to, &mut other.renumber, meaning, &packet),
            (Some(to), Received::Rtcp(packet)) => to.send_rtcp(&packet),
        };
        if has_moved {
            self.outputs.push_back(Output::Moved { side });
        }
        if let Some((to, bytes)) = outgoing {
            self.outputs.push_back(Output::Transmit { side: side.other(), to, bytes });
        }
    }

    /// Looks for sides that have been silent for too long.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for side in [Side::A, Side::B] {
            let Some((deadline, since)) = self.idle_deadline(side) else {
                continue;
            };
            if deadline <= now {
                self.end_mut(side).is_idle = true;
                self.outputs.push_back(Output::Idle { side, since });
            }
        }
    }

    /// When to call [`Self::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        let deadlines = [Side::A, Side::B].into_iter().filter_map(|side| self.idle_deadline(side));
        deadlines.map(|(deadline, _)| (deadline, Why::Idle)).min_by_key(|(deadline, _)| *deadline)
    }

    /// What to do next, in order; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has come and gone on one side's leg so far.
    pub fn statistics(&self, side: Side) -> LegStatistics {
        let end = self.end(side);
        let mut statistics = end.leg.as_ref().map(Leg::statistics).unwrap_or_default();
        statistics.early_packets += end.early_packets;
        statistics
    }

    /// Where the relay sends the packets for `side`, if it knows.
    pub fn target(&self, side: Side) -> Option<SocketAddr> {
        self.end(side).leg.as_ref().and_then(Leg::target)
    }

    fn idle_deadline(&self, side: Side) -> Option<(Timestamp, Timestamp)> {
        let end = self.end(side);
        let leg = end.leg.as_ref().filter(|leg| !end.is_idle && leg.expects_media())?;
        Some((leg.last_heard() + self.settings.idle_limit, leg.last_heard()))
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        self.ends_mut(side).0
    }

    fn ends_mut(&mut self, side: Side) -> (&mut End, &mut End) {
        match side {
            Side::A => (&mut self.a, &mut self.b),
            Side::B => (&mut self.b, &mut self.a),
        }
    }
}

impl End {
    fn new(seed: Seed) -> Self {
        Self { leg: None, renumber: Renumber::new(seed), is_idle: false, early_packets: 0 }
    }
}

fn pass_on(to: &mut Leg, renumber: &mut Renumber, meaning: Meaning, packet: &Packet) -> Option<(SocketAddr, Bytes)> {
    let mut packet = packet.clone();
    packet.payload_type = to.payload_type(meaning)?;
    if to.is_secure() {
        packet.sequence = renumber.next(packet.ssrc, packet.sequence)?;
    }
    to.send_rtp(&packet)
}
