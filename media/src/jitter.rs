//! The play-out queue: packets in, an even stream of PCM out after a fixed delay.
//!
//! Pulling drives it, so the queue ends where the sound card's clock and the sender's meet. A fixed delay serves until
//! an adaptive buffer with real concealment takes this place behind the same four calls.

use std::collections::BTreeMap;

const SAMPLES_PER_MS: i64 = 8;
/// How long the first packet waits: three packets of 20 ms may be late or swapped.
const DELAY: i64 = 60 * SAMPLES_PER_MS;
/// More waiting than this is delay that nobody wants: the queue jumps forward.
const WAITING_MAX: i64 = 200 * SAMPLES_PER_MS;
/// After so much nothing the queue starts over with the next packet.
const DRY_MAX: i64 = 100 * SAMPLES_PER_MS;
/// A jump of the sender's clock that starts the queue over.
const JUMP: i64 = 2000 * SAMPLES_PER_MS;
/// A lost packet sounds like the last 20 ms before it, fading to silence within 60 ms.
const ECHO: usize = 160;
const FADE: usize = 480;

/// Decoded packets in order of their media time.
#[derive(Debug, Default)]
pub struct PlayoutQueue {
    waiting: BTreeMap<i64, Vec<i16>>,
    /// The media time of the next sample to play, once a packet has come.
    position: Option<i64>,
    /// Sender, timestamp and unwrapped media time of the last packet.
    anchor: Option<(u32, u32, i64)>,
    end: i64,
    echo: Vec<i16>,
    /// Samples made up since the last received one.
    bridged: usize,
    concealed: u64,
    too_late: u64,
}

impl PlayoutQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a decoded packet.
    pub fn push(&mut self, ssrc: u32, timestamp: u32, pcm: Vec<i16>) {
        if pcm.is_empty() {
            return;
        }
        let start = self.unwrap(ssrc, timestamp);
        let end = start.saturating_add_unsigned(pcm.len() as u64);
        let position = *self.position.get_or_insert(start - DELAY);
        if end <= position {
            self.too_late += 1;
            return;
        }
        self.waiting.insert(start, pcm);
        self.end = self.end.max(end);
        if self.end - position > WAITING_MAX {
            let position = self.end - DELAY;
            self.position = Some(position);
            self.waiting.retain(|&start, pcm| start.saturating_add_unsigned(pcm.len() as u64) > position);
        }
    }

    /// Fills `pcm` with the next samples and says how many of them were received.
    pub fn pull(&mut self, pcm: &mut [i16]) -> usize {
        let (mut filled, mut received) = (0, 0);
        while filled < pcm.len() {
            let Some(position) = self.position else {
                pcm[filled..].fill(0);
                break;
            };
            let rest = &mut pcm[filled..];
            let taken = match self.copy_at(position, rest) {
                Some(copied) => {
                    received += copied;
                    copied
                }
                None => self.bridge(position, rest),
            };
            filled += taken;
            self.position =
                Some(position.saturating_add_unsigned(taken as u64)).filter(|&now| now - self.end < DRY_MAX);
        }
        received
    }

    /// Samples that were made up because their packet was lost or late.
    pub const fn concealed(&self) -> u64 {
        self.concealed
    }

    /// Packets that came after their time.
    pub const fn too_late(&self) -> u64 {
        self.too_late
    }

    fn copy_at(&mut self, position: i64, out: &mut [i16]) -> Option<usize> {
        let (&start, pcm) = self.waiting.range(..=position).next_back()?;
        let offset = usize::try_from(position - start).ok()?;
        let count = pcm.len().saturating_sub(offset).min(out.len());
        if count == 0 {
            return None;
        }
        out[..count].copy_from_slice(&pcm[offset..offset + count]);
        let is_used_up = offset + count == pcm.len();
        self.remember(&out[..count]);
        if is_used_up {
            self.waiting = self.waiting.split_off(&(start + 1));
        }
        Some(count)
    }

    /// Fills up to the next packet, or all of `out`: silence at first, later the fading echo of what was played.
    fn bridge(&mut self, position: i64, out: &mut [i16]) -> usize {
        let next = self.waiting.range(position + 1..).next().map(|(&start, _)| start);
        let gap = next.and_then(|start| usize::try_from(start - position).ok()).unwrap_or(out.len());
        let count = gap.min(out.len());
        if self.echo.is_empty() {
            out[..count].fill(0);
            return count;
        }
        self.concealed += count as u64;
        for (sample, n) in out[..count].iter_mut().zip(self.bridged..) {
            let gain = i32::try_from(FADE.saturating_sub(n)).unwrap_or(0);
            let faded = i32::from(self.echo[n % self.echo.len()]) * gain / FADE as i32;
            *sample = i16::try_from(faded).unwrap_or(0);
        }
        self.bridged += count;
        count
    }

    fn remember(&mut self, played: &[i16]) {
        self.bridged = 0;
        self.echo.extend_from_slice(&played[played.len().saturating_sub(ECHO)..]);
        let excess = self.echo.len().saturating_sub(ECHO);
        self.echo.drain(..excess);
    }

    /// The media time of a timestamp that wraps; a new sender or a jump starts the queue over.
    fn unwrap(&mut self, ssrc: u32, timestamp: u32) -> i64 {
        let near = self.anchor.filter(|(sender, ..)| *sender == ssrc).map(|(_, last, time)| {
            let step = i64::from(timestamp.wrapping_sub(last).cast_signed());
            (step, time + step)
        });
        let time = match near {
            Some((step, time)) if step.abs() <= JUMP => time,
            _ => {
                self.waiting.clear();
                self.position = None;
                self.end = 0;
                i64::from(timestamp)
            }
        };
        self.anchor = Some((ssrc, timestamp, time));
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(n: u32) -> Vec<i16> {
        vec![n as i16 + 1; 160]
    }

    fn pull(queue: &mut PlayoutQueue, count: usize) -> Vec<i16> {
        let mut pcm = vec![-1; count];
        queue.pull(&mut pcm);
        pcm
    }

    #[test]
    fn swapped_packets_play_in_order_across_the_wrap_of_the_clock() {
        let mut queue = PlayoutQueue::new();
        let start = u32::MAX - 200;
        for n in [0, 2, 1, 3] {
            queue.push(1, start.wrapping_add(n * 160), packet(n));
        }
        assert_eq!(pull(&mut queue, 480), vec![0; 480], "the delay");
        let played = pull(&mut queue, 640);
        assert!(played.chunks(160).zip(0..).all(|(chunk, n)| chunk == packet(n)), "{played:?}");
        assert_eq!(queue.concealed(), 0);
    }

    #[test]
    fn a_lost_packet_fades_and_a_late_one_is_counted() {
        let mut queue = PlayoutQueue::new();
        queue.push(1, 0, vec![1000; 160]);
        queue.push(1, 320, vec![1000; 160]);
        let played = pull(&mut queue, 480 + 480);
        assert!(played[640..800].is_sorted_by(|a, b| a >= b), "{:?}", &played[640..800]);
        assert_eq!((played[640], played[799]), (1000, 668));
        assert_eq!(played[800..], [1000; 160]);
        queue.push(1, 160, vec![1000; 160]);
        assert_eq!((queue.concealed(), queue.too_late()), (160, 1));
    }

    #[test]
    fn odd_pull_sizes_give_the_same_stream() {
        let mut queue = PlayoutQueue::new();
        (0..5).for_each(|n| queue.push(1, n * 160, packet(n)));
        let mut played = Vec::new();
        for size in [1, 441, 7, 160, 333, 338] {
            played.extend(pull(&mut queue, size));
        }
        let expected: Vec<i16> = vec![0; 480].into_iter().chain((0..5).flat_map(packet)).collect();
        assert_eq!(played[..1280], expected[..]);
    }

    #[test]
    fn too_much_waiting_is_skipped_and_dryness_starts_over() {
        let mut queue = PlayoutQueue::new();
        (0..20).for_each(|n| queue.push(1, n * 160, packet(n)));
        assert!(pull(&mut queue, 160)[0] > 9, "old packets were skipped");
        pull(&mut queue, 4000);
        queue.push(1, 90 * 160, packet(90));
        assert_eq!(pull(&mut queue, 480).len(), 480);
        assert_eq!(pull(&mut queue, 160), packet(90));
    }

    #[test]
    fn another_sender_takes_over_at_once() {
        let mut queue = PlayoutQueue::new();
        queue.push(1, 0, packet(1));
        queue.push(2, 777_777, packet(5));
        pull(&mut queue, 480);
        assert_eq!(pull(&mut queue, 160), packet(5));
    }
}
