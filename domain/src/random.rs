//! Randomness as an input: one seeded generator, handed down from a shell.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// What a generator starts from: 32 bytes of the operating system in a shell, a number in a simulation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from 32 bytes that nobody can guess.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed from a number, for simulations and tests.
    pub fn from_number(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Self(bytes)
    }
}

/// A ChaCha20 generator: unpredictable when its seed is, repeatable from a known one.
pub struct Random(ChaCha20Rng);

impl Random {
    /// Starts a generator.
    pub fn new(seed: Seed) -> Self {
        Self(ChaCha20Rng::from_seed(seed.0))
    }

    /// A seed for another machine.
    pub fn seed(&mut self) -> Seed {
        Seed(self.bytes())
    }

    /// 64 random bits.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..limit`; 0 when `limit` is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        // The high half of a 128-bit product: no division, and a bias under 2^-64 · limit.
        u64::try_from((u128::from(self.number()) * u128::from(limit)) >> 64).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// `length` characters of a 32-letter alphabet (5 bits each) that is safe in SIP tokens, URLs and file names.
    pub fn token(&mut self, length: usize) -> String {
        const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        (0..length).map(|_| char::from(LETTERS[usize::try_from(self.number() % 32).unwrap_or(0)])).collect()
    }

    /// The generator itself, for crates that ask for one.
    pub fn generator(&mut self) -> &mut ChaCha20Rng {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_story() {
        let story = |seed| {
            let mut random = Random::new(Seed::from_number(seed));
            (random.token(16), random.below(1000), random.bytes::<4>())
        };
        assert_eq!(story(7), story(7));
        assert_ne!(story(7), story(8));
    }

    #[test]
    fn below_stays_below_its_limit() {
        let mut random = Random::new(Seed::from_number(1));
        assert!((0..1000).all(|_| random.below(3) < 3));
        assert_eq!(random.below(0), 0);
    }
}
