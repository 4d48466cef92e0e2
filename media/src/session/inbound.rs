//! From packets to PCM.

use crate::jitter::PlayoutQueue;
use crate::rtp::events::Listener;
use crate::rtp::{Meaning, Packet};

pub(super) struct Inbound {
    queue: PlayoutQueue,
    listener: Listener,
}

impl Inbound {
    pub(super) fn new() -> Self {
        Self { queue: PlayoutQueue::new(), listener: Listener::default() }
    }

    /// Queues speech; gives the key of a key press.
    pub(super) fn receive(&mut self, meaning: Meaning, packet: &Packet) -> Option<char> {
        match meaning {
            Meaning::Speech(codec) => {
                let mut pcm = Vec::with_capacity(packet.payload.len());
                codec.decode(&packet.payload, &mut pcm);
                self.queue.push(packet.ssrc, packet.timestamp, pcm);
                None
            }
            Meaning::Events => self.listener.hear(packet),
        }
    }

    pub(super) fn pull(&mut self, pcm: &mut [i16]) -> usize {
        self.queue.pull(pcm)
    }

    pub(super) fn frames_concealed(&self) -> u64 {
        self.queue.concealed()
    }

    pub(super) fn packets_too_late(&self) -> u64 {
        self.queue.too_late()
    }
}
