//! Sequence numbers for packets that go out protected.
//!
//! A plain source may start anywhere, jump, or repeat itself. Under SRTP a repeated number would encrypt two packets with
//! one key stream, and a start just before the wrap would lose the roll-over count with the first lost packets (RFC 3711
//! §3.3.1). So each source gets numbers that start low, follow the source's own gaps and never come twice.

use std::collections::BTreeMap;

use callfield_domain::{Random, Seed};

use crate::rtp::distance;
use crate::srtp::SOURCES_MAX;

/// Numbers start in this range, far from the wrap on either side.
const START: std::ops::Range<u64> = 1024..1 << 14;
/// A longer gap is a new start of the source and closes up.
const GAP_MAX: i32 = 3000;
const WINDOW: i32 = 64;

pub(super) struct Renumber {
    random: Random,
    sources: BTreeMap<u32, Source>,
}

struct Source {
    newest_in: u16,
    newest_out: u16,
    /// Bit n is set when the packet n before the newest was seen.
    seen: u64,
}

impl Renumber {
    pub(super) fn new(seed: Seed) -> Self {
        Self { random: Random::new(seed), sources: BTreeMap::new() }
    }

    /// Starts anew: the key has changed.
    pub(super) fn forget(&mut self) {
        self.sources.clear();
    }

    /// The number for a packet; `None` when it is a duplicate, or of too many sources.
    pub(super) fn next(&mut self, ssrc: u32, sequence: u16) -> Option<u16> {
        if let Some(source) = self.sources.get_mut(&ssrc) {
            return source.next(sequence);
        }
        if self.sources.len() >= SOURCES_MAX {
            return None;
        }
        let start = u16::try_from(START.start + self.random.below(START.end - START.start)).unwrap_or(1024);
        self.sources.insert(ssrc, Source { newest_in: sequence, newest_out: start, seen: 1 });
        Some(start)
    }
}

impl Source {
    fn next(&mut self, sequence: u16) -> Option<u16> {
        let ahead = distance(sequence, self.newest_in);
        match ahead {
            1..=GAP_MAX => Some(self.advance(sequence, ahead)),
            _ if ahead > -WINDOW && ahead <= 0 => self.late(ahead),
            // A restart is made to follow on, with room for late packets of before.
            _ => Some(self.advance(sequence, WINDOW)),
        }
    }

    fn advance(&mut self, sequence: u16, step: i32) -> u16 {
        self.seen = if step < WINDOW { self.seen << step | 1 } else { 1 };
        self.newest_in = sequence;
        self.newest_out = self.newest_out.wrapping_add(u16::try_from(step).unwrap_or(0));
        self.newest_out
    }

    fn late(&mut self, ahead: i32) -> Option<u16> {
        let bit = 1_u64 << ahead.unsigned_abs();
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new.then(|| self.newest_out.wrapping_sub(u16::try_from(ahead.unsigned_abs()).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renumber() -> Renumber {
        Renumber::new(Seed::from_number(1))
    }

    #[test]
    fn gaps_and_reordering_are_kept_and_duplicates_are_not() {
        let mut numbers = renumber();
        let start = numbers.next(1, 65534).unwrap();
        let out: Vec<_> = [65535, 2, 0, 0, 1, 65535].into_iter().map(|sequence| numbers.next(1, sequence)).collect();
        let expected = [Some(1), Some(4), Some(2), None, Some(3), None].map(|ahead| ahead.map(|n: u16| start + n));
        assert_eq!(out, expected);
    }

    #[test]
    fn a_source_that_starts_over_never_gets_a_number_twice() {
        let mut numbers = renumber();
        let mut given = std::collections::BTreeSet::new();
        for start in [40000_u16, 100, 40000, 40010, 39990] {
            for n in 0..500_u16 {
                if let Some(number) = numbers.next(7, start.wrapping_add(n)) {
                    assert!(given.insert(number), "{number} again");
                }
            }
        }
    }

    #[test]
    fn numbers_start_far_from_the_wrap() {
        for seed in 0..50 {
            let mut numbers = Renumber::new(Seed::from_number(seed));
            assert!(START.contains(&u64::from(numbers.next(1, 65535).unwrap())));
        }
    }

    #[test]
    fn sources_cannot_grow_without_end() {
        let mut numbers = renumber();
        let served = (0..1000).filter(|&ssrc| numbers.next(ssrc, 1).is_some()).count();
        assert_eq!(served, SOURCES_MAX);
    }
}
