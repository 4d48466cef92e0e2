//! What a receiver knows about the source it hears: order, loss and jitter (RFC 3550 §6.4.1, appendix A).

use callfield_domain::Timestamp;

use super::distance;

/// A jump of the sequence number that is taken as a new start, not as loss (RFC 3550 appendix A.1).
const JUMP: i32 = 3000;
/// How far behind the newest packet a late one may be before it counts as a new start.
const LATE: i32 = 100;
const CLOCK_HZ: i64 = 8000;

/// How a packet came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The first of its source, or after the source's numbers jumped.
    First,
    /// Newer than every one before.
    Newer,
    /// Overtaken by a newer one, or a duplicate.
    Late,
}

/// Statistics of the source heard last; the loss of its predecessors is kept in the sum.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    source: Option<Source>,
    lost_before: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    base: u32,
    /// The newest sequence number, with its roll-overs above.
    highest: u32,
    received: u64,
    jitter: f64,
    transit: i64,
    reported_expected: u64,
    reported_received: u64,
    sender_report: Option<(u32, Timestamp)>,
}

/// One reception report block, ready to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The source it is about.
    pub ssrc: u32,
    /// The share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the start.
    pub lost: u32,
    /// The newest sequence number with its roll-overs.
    pub highest: u32,
    /// In units of the RTP clock.
    pub jitter: u32,
    /// The middle of the NTP time of the last sender report; 0 when none came.
    pub last_report: u32,
    /// Since that report, in 1/65536 s.
    pub delay: u32,
}

impl Reception {
    pub(crate) fn note(&mut self, now: Timestamp, ssrc: u32, sequence: u16, timestamp: u32) -> Arrival {
        let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc && !source.jumps_to(sequence))
        else {
            self.lost_before += self.source.as_ref().map_or(0, Source::lost);
            self.source = Some(Source::new(now, ssrc, sequence, timestamp));
            return Arrival::First;
        };
        source.received += 1;
        source.note_jitter(now, timestamp);
        let ahead = distance(sequence, source.newest());
        if ahead <= 0 {
            return Arrival::Late;
        }
        source.highest = source.highest.wrapping_add_signed(ahead);
        Arrival::Newer
    }

    /// Packets that never came, of all sources so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }

    /// Interarrival jitter of the present source, in milliseconds.
    pub(crate) fn jitter_ms(&self) -> u32 {
        let units = self.source.as_ref().map_or(0.0, |source| source.jitter);
        whole(units * 1000.0 / CLOCK_HZ as f64)
    }

    /// Remembers the middle 32 bits of a sender report's NTP time.
    pub(crate) fn note_sender_report(&mut self, now: Timestamp, ssrc: u32, ntp: u64) {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            let middle = u32::try_from((ntp >> 16) & 0xffff_ffff).unwrap_or(0);
            source.sender_report = Some((middle, now));
        }
    }

    /// The block for the next report; loss is counted from the one before.
    pub(crate) fn block(&mut self, now: Timestamp) -> Option<Block> {
        let source = self.source.as_mut()?;
        let expected = source.expected() - source.reported_expected;
        let received = source.received - source.reported_received;
        source.reported_expected = source.expected();
        source.reported_received = source.received;
        let lost = expected.saturating_sub(received);
        let (last_report, delay) = source.sender_report.map_or((0, 0), |(middle, at)| {
            let delay = now.since(at).as_millis() * 65536 / 1000;
            (middle, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        Some(Block {
            ssrc: source.ssrc,
            fraction_lost: u8::try_from((lost * 256).checked_div(expected).unwrap_or(0)).unwrap_or(u8::MAX),
            lost: u32::try_from(source.lost()).unwrap_or(u32::MAX).min(0x7f_ffff),
            highest: source.highest,
            jitter: whole(source.jitter),
            last_report,
            delay,
        })
    }
}

impl Source {
    fn new(now: Timestamp, ssrc: u32, sequence: u16, timestamp: u32) -> Self {
        Self {
            ssrc,
            base: u32::from(sequence),
            highest: u32::from(sequence),
            received: 1,
            jitter: 0.0,
            transit: transit(now, timestamp),
            reported_expected: 0,
            reported_received: 0,
            sender_report: None,
        }
    }

    fn newest(&self) -> u16 {
        u16::try_from(self.highest & 0xffff).unwrap_or(0)
    }

    fn jumps_to(&self, sequence: u16) -> bool {
        !(-LATE..=JUMP).contains(&distance(sequence, self.newest()))
    }

    fn expected(&self) -> u64 {
        u64::from(self.highest.wrapping_sub(self.base)) + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    fn note_jitter(&mut self, now: Timestamp, timestamp: u32) {
        let transit = transit(now, timestamp);
        // The RTP clock wraps after 149 hours; a difference that large says nothing about the network.
        let difference = (transit - self.transit).unsigned_abs();
        self.transit = transit;
        if difference < 8 * CLOCK_HZ.unsigned_abs() {
            self.jitter += (difference as f64 - self.jitter) / 16.0;
        }
    }
}

fn transit(now: Timestamp, timestamp: u32) -> i64 {
    now.as_millis().wrapping_mul(CLOCK_HZ / 1000).wrapping_sub(i64::from(timestamp))
}

fn whole(value: f64) -> u32 {
    // A float cast saturates.
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn loss_is_counted_across_the_wrap_and_late_packets_lessen_it() {
        let mut reception = Reception::default();
        let arrivals: Vec<_> = [65533_u16, 65534, 1, 2, 65535, 0]
            .into_iter()
            .zip(0_i64..)
            .map(|(sequence, n)| reception.note(at(n * 20), 1, sequence, n as u32 * 160))
            .collect();
        use Arrival::{First, Late, Newer};
        assert_eq!(arrivals, [First, Newer, Newer, Newer, Late, Late]);
        assert_eq!(reception.lost(), 0);
        assert_eq!(reception.block(at(120)).unwrap().highest, 65536 + 2);
        reception.note(at(120), 1, 7, 1600);
        assert_eq!(reception.lost(), 4);
        assert_eq!(reception.block(at(140)).unwrap().fraction_lost, 204, "4 of 5 since the last report");
    }

    #[test]
    fn a_source_that_starts_anew_keeps_the_loss_of_the_old_one() {
        let mut reception = Reception::default();
        reception.note(at(0), 1, 10, 0);
        reception.note(at(20), 1, 13, 480);
        assert_eq!(reception.note(at(40), 1, 30000, 640), Arrival::First);
        assert_eq!(reception.note(at(60), 2, 5, 0), Arrival::First);
        assert_eq!(reception.lost(), 2);
    }

    #[test]
    fn steady_packets_have_no_jitter_and_unsteady_ones_some() {
        let mut reception = Reception::default();
        for n in 0..50_i64 {
            reception.note(at(n * 20), 1, n as u16, n as u32 * 160);
        }
        assert_eq!(reception.jitter_ms(), 0);
        for n in 50..200_i64 {
            reception.note(at(n * 20 + (n % 2) * 10), 1, n as u16, n as u32 * 160);
        }
        assert!((8..=10).contains(&reception.jitter_ms()), "{}", reception.jitter_ms());
    }
}
