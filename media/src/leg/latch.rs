//! Whose packets a leg believes, and where it therefore sends.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::rtp::{Packet, distance};
use crate::srtp::rtcp_index;

/// A source that was not signalled is believed after this many packets in a row.
const LEARN_PACKETS: u32 = 3;
/// How many sources are listened to at once while learning.
const CANDIDATES_MAX: usize = 4;

/// Whom a plain leg may learn as its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latching {
    /// Anyone, the signalled address first: callers behind NAT are heard.
    AnySource,
    /// Only the signalled IP address, on any port: for trunks with fixed addresses.
    SignalledIp,
}

/// The source of a plain leg: learned once, then fixed until the next agreement.
pub(super) struct Latch {
    signalled: Option<SocketAddr>,
    latching: Latching,
    source: Option<SocketAddr>,
    candidates: Vec<Candidate>,
    has_moved: bool,
}

struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    newest: u16,
    run: u32,
}

impl Latch {
    pub(super) fn new(signalled: Option<SocketAddr>, latching: Latching) -> Self {
        Self { signalled, latching, source: None, candidates: Vec::new(), has_moved: false }
    }

    pub(super) fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.source.or(self.signalled)
    }

    /// True for the source itself; before one is learned, for the signalled address.
    pub(super) fn believes(&self, from: SocketAddr) -> bool {
        self.target() == Some(from)
    }

    /// Decides about an RTP packet, and learns from it.
    pub(super) fn admits(&mut self, from: SocketAddr, packet: &Packet) -> bool {
        if self.source == Some(from) {
            return true;
        }
        // Whoever was faster than the signalled address gives way to it.
        if self.signalled == Some(from) {
            self.has_moved = self.source.is_some();
            self.source = Some(from);
            return true;
        }
        if self.source.is_none() && self.may_learn(from) && self.has_run(from, packet) {
            self.source = Some(from);
            self.candidates.clear();
            return true;
        }
        false
    }

    /// True once after the source changed.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.has_moved)
    }

    fn may_learn(&self, from: SocketAddr) -> bool {
        match self.latching {
            Latching::AnySource => true,
            Latching::SignalledIp => self.signalled.is_some_and(|signalled| signalled.ip() == from.ip()),
        }
    }

    fn has_run(&mut self, from: SocketAddr, packet: &Packet) -> bool {
        let known = self.candidates.iter_mut().find(|candidate| candidate.from == from);
        let Some(candidate) = known else {
            if self.candidates.len() >= CANDIDATES_MAX {
                self.candidates.remove(0);
            }
            self.candidates.push(Candidate { from, ssrc: packet.ssrc, newest: packet.sequence, run: 1 });
            return false;
        };
        let is_next = candidate.ssrc == packet.ssrc && distance(packet.sequence, candidate.newest) == 1;
        candidate.run = if is_next { candidate.run + 1 } else { 1 };
        candidate.ssrc = packet.ssrc;
        candidate.newest = packet.sequence;
        candidate.run >= LEARN_PACKETS
    }
}

/// The source of a protected leg: wherever the newest authentic packet came from.
pub(super) struct Follower {
    signalled: Option<SocketAddr>,
    source: Option<SocketAddr>,
    /// The newest SRTCP index by sender; as few as the unprotector has sources.
    newest_report: BTreeMap<u32, u32>,
}

impl Follower {
    pub(super) fn new(signalled: Option<SocketAddr>) -> Self {
        Self { signalled, source: None, newest_report: BTreeMap::new() }
    }

    pub(super) fn signalled(&self) -> Option<SocketAddr> {
        self.signalled
    }

    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.source.or(self.signalled)
    }

    /// Starts from a newly signalled address.
    pub(super) fn restart(&mut self, signalled: Option<SocketAddr>) {
        self.signalled = signalled;
        self.source = None;
    }

    /// Follows an authentic packet that is newer than those before; true when that is a move.
    pub(super) fn follow(&mut self, from: SocketAddr) -> bool {
        let has_moved = self.source.is_some_and(|source| source != from);
        self.source = Some(from);
        has_moved
    }

    /// Follows an authentic report unless a newer one was there before; true when that is a move.
    pub(super) fn follow_report(&mut self, from: SocketAddr, protected: &[u8]) -> bool {
        let ssrc = protected.get(4..8).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let (Some(ssrc), Some(index)) = (ssrc, rtcp_index(protected)) else {
            return false;
        };
        let is_late = self.newest_report.get(&ssrc).is_some_and(|&newest| index <= newest);
        if is_late {
            return false;
        }
        self.newest_report.insert(ssrc, index);
        self.follow(from)
    }
}
