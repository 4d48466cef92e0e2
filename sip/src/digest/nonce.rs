//! Nonces: random, signed, with an expiry; and which counts of each were used.
//!
//! A nonce needs no memory until somebody who knows a password used it, so a flood of requests fills nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::{Random, Seed, Timestamp};
use ring::hmac;

use super::hex;

/// How long a nonce may be used.
const LIFE: Duration = Duration::from_secs(3600);
/// How many counts below the highest may still come.
const WINDOW: u32 = 128;
/// The most nonces in use; the oldest goes first and counts as expired.
const LIMIT: usize = 100_000;

/// Makes nonces and remembers their use.
pub(super) struct Nonces {
    random: Random,
    key: hmac::Key,
    /// By expiry, then by random part.
    used: BTreeMap<(Timestamp, [u8; 16]), Counts>,
    /// Nonces that expire up to here and are not in use may have been forgotten.
    forgotten: Timestamp,
}

#[derive(Default)]
struct Counts {
    highest: u32,
    /// Bit n is set when `highest - n` was used.
    seen: u128,
}

impl Nonces {
    pub(super) fn new(seed: Seed) -> Self {
        let mut random = Random::new(seed);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random.bytes::<32>());
        Self { random, key, used: BTreeMap::new(), forgotten: Timestamp::ZERO }
    }

    /// A new nonce: random, expiry, signature.
    pub(super) fn issue(&mut self, now: Timestamp) -> String {
        let expires = now + LIFE;
        let random = self.random.bytes();
        format!("{}{:016x}{}", hex(&random), expires.as_millis(), self.signature(expires, &random))
    }

    /// When this nonce expires and its random part; `None` when this server did not make it.
    pub(super) fn read(&self, nonce: &str) -> Option<(Timestamp, [u8; 16])> {
        if nonce.len() != 80 || !nonce.is_ascii() {
            return None;
        }
        let random = u128::from_str_radix(&nonce[..32], 16).ok()?.to_be_bytes();
        let expires = Timestamp::from_millis(i64::from_str_radix(&nonce[32..48], 16).ok()?);
        is_same(&self.signature(expires, &random), &nonce[48..]).then_some((expires, random))
    }

    /// Notes one use; false when it is too late, too old a count, or a repetition.
    pub(super) fn take(&mut self, now: Timestamp, nonce: (Timestamp, [u8; 16]), count: u32) -> bool {
        self.forget_expired(now);
        let is_known = self.used.contains_key(&nonce);
        if nonce.0 <= now || (!is_known && nonce.0 <= self.forgotten) {
            return false;
        }
        if !is_known && self.used.len() >= LIMIT {
            self.forget_oldest();
        }
        self.used.entry(nonce).or_default().take(count)
    }

    fn forget_expired(&mut self, now: Timestamp) {
        while self.used.first_key_value().is_some_and(|((expires, _), _)| *expires <= now) {
            self.used.pop_first();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(((expires, _), _)) = self.used.pop_first() {
            self.forgotten = expires;
        }
    }

    fn signature(&self, expires: Timestamp, random: &[u8; 16]) -> String {
        let text = [&expires.as_millis().to_be_bytes()[..], random].concat();
        hex(&hmac::sign(&self.key, &text).as_ref()[..16])
    }
}

impl Counts {
    /// Counts may come out of order inside the window, each once; 0 is none.
    fn take(&mut self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if count > self.highest {
            self.seen = self.seen.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let age = self.highest - count;
        let is_new = age < WINDOW && self.seen & (1 << age) == 0;
        if is_new {
            self.seen |= 1 << age;
        }
        is_new
    }
}

/// Compares without telling by the time it takes where two texts differ.
pub(super) fn is_same(left: &str, right: &str) -> bool {
    let difference = left.bytes().zip(right.bytes()).fold(0, |all, (left, right)| all | (left ^ right));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_in_any_order_but_once() {
        let mut counts = Counts::default();
        for count in [1, 2, 5, 3, 4, 1000, 900, u32::MAX] {
            assert!(counts.take(count), "{count}");
            assert!(!counts.take(count), "{count} again");
        }
        assert!(!counts.take(0));
        assert!(!counts.take(u32::MAX - WINDOW));
        assert!(counts.take(u32::MAX - WINDOW + 1));
    }

    #[test]
    fn a_changed_nonce_is_not_ours() {
        let mut nonces = Nonces::new(Seed::from_number(1));
        let nonce = nonces.issue(Timestamp::ZERO);
        assert!(nonces.read(&nonce).is_some());
        for at in 0..nonce.len() {
            let digit = if nonce.as_bytes()[at] == b'0' { "1" } else { "0" };
            let changed = format!("{}{digit}{}", &nonce[..at], &nonce[at + 1..]);
            assert!(nonces.read(&changed).is_none(), "digit {at}");
        }
        assert!(Nonces::new(Seed::from_number(2)).read(&nonce).is_none());
        assert!(nonces.read("\u{e4}").is_none());
    }

    #[test]
    fn a_forgotten_nonce_cannot_be_used_again() {
        let mut nonces = Nonces::new(Seed::from_number(1));
        let texts: Vec<_> = (0..2).map(|at| nonces.issue(Timestamp::from_millis(at))).collect();
        let read: Vec<_> = texts.iter().map(|text| nonces.read(text).unwrap()).collect();
        assert!(nonces.take(Timestamp::ZERO, read[0], 1));
        assert!(nonces.take(Timestamp::ZERO, read[1], 1));
        nonces.forget_oldest();
        assert!(!nonces.take(Timestamp::ZERO, read[0], 1));
        assert!(nonces.take(Timestamp::ZERO, read[1], 2));
        assert!(!nonces.take(Timestamp::ZERO + LIFE * 2, read[1], 3));
        assert!(nonces.used.is_empty());
    }
}
