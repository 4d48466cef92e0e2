//! From PCM to packets.

use std::collections::VecDeque;

use callfield_domain::Random;

use crate::rtp::Packet;
use crate::rtp::events::{Presser, Tick};
use crate::rtp::reports::Sent;
use crate::sdp::Agreement;

const FRAMES_PER_MS: u32 = 8;
const WAITING_MAX: usize = 1600;
/// Sequence numbers start in the lower half, so that early loss cannot hide a roll-over (RFC 3711 §3.3.1).
const START_BELOW: u64 = 1 << 15;

pub(super) struct Outbound {
    waiting: VecDeque<i16>,
    presser: Presser,
    is_muted: bool,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    packets: u32,
    octets: u32,
    /// True when the next packet is the first after a silence.
    starts: bool,
    overrun: u64,
}

impl Outbound {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut word = || u32::try_from(random.number() >> 32).unwrap_or(0);
        let (ssrc, timestamp) = (word(), word());
        Self {
            waiting: VecDeque::with_capacity(WAITING_MAX),
            presser: Presser::default(),
            is_muted: false,
            ssrc,
            sequence: u16::try_from(random.below(START_BELOW)).unwrap_or(0),
            timestamp,
            packets: 0,
            octets: 0,
            starts: true,
            overrun: 0,
        }
    }

    pub(super) fn push(&mut self, pcm: &[i16]) {
        if self.is_muted {
            return;
        }
        self.waiting.extend(pcm);
        let excess = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..excess);
        self.overrun += excess as u64;
    }

    pub(super) fn set_muted(&mut self, is_muted: bool) {
        self.is_muted = is_muted;
        if is_muted {
            self.waiting.clear();
        }
    }

    pub(super) fn queue_digits(&mut self, digits: &str) -> bool {
        self.presser.queue(digits)
    }

    /// The packet of this tick; none while this side may not send.
    pub(super) fn tick(&mut self, agreement: &Agreement) -> Option<Packet> {
        let now = self.timestamp;
        let frames = self.advance(1, agreement);
        let pcm: Vec<i16> = (0..frames).map(|_| self.waiting.pop_front().unwrap_or(0)).collect();
        if !agreement.direction.sends() {
            self.starts = true;
            return None;
        }
        let event = agreement.events.and_then(|types| Some((types.send, self.presser.tick(now, agreement.ptime_ms)?)));
        if let Some((payload_type, Tick::Event { timestamp, marker, payload })) = event {
            self.starts = true;
            return Some(self.packet(marker, payload_type, timestamp, payload.to_vec()));
        }
        let format = agreement.formats.first()?;
        let mut payload = Vec::with_capacity(pcm.len());
        format.codec.encode(&pcm, &mut payload);
        let marker = std::mem::take(&mut self.starts);
        Some(self.packet(marker, format.send, now, payload))
    }

    /// Lets `ticks` pass without packets.
    pub(super) fn skip(&mut self, ticks: u32, agreement: &Agreement) {
        self.advance(ticks, agreement);
        self.starts = true;
    }

    pub(super) fn sent(&self) -> Sent {
        Sent { ssrc: self.ssrc, timestamp: self.timestamp, packets: self.packets, octets: self.octets }
    }

    pub(super) fn frames_overrun(&self) -> u64 {
        self.overrun
    }

    fn advance(&mut self, ticks: u32, agreement: &Agreement) -> u32 {
        let frames = agreement.ptime_ms * FRAMES_PER_MS;
        self.timestamp = self.timestamp.wrapping_add(frames.wrapping_mul(ticks));
        frames
    }

    fn packet(&mut self, marker: bool, payload_type: u8, timestamp: u32, payload: Vec<u8>) -> Packet {
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        Packet { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc, payload: payload.into() }
    }
}
