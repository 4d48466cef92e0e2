//! What this side wants of an offer or answer it makes.

use super::{Direction, Offer};
use crate::codec::Codec;

const PTIME_MS: u32 = 20;

/// Whether a leg is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Never: offers RTP/AVP without a key, takes no key.
    Plain,
    /// If the other side can: offers RTP/AVP with `a=crypto`, answers with a key when one is offered.
    Optional,
    /// Always: offers RTP/SAVP, refuses what has no key.
    Required,
}

/// What this side wants of an offer or answer it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub(super) security: Security,
    pub(super) codecs: Vec<Codec>,
    pub(super) direction: Direction,
    pub(super) ptime_ms: u32,
}

impl Wish {
    /// Every codec, both directions, 20 ms.
    pub fn new(security: Security) -> Self {
        Self { security, codecs: Codec::ALL.to_vec(), direction: Direction::SendReceive, ptime_ms: PTIME_MS }
    }

    /// What another leg was offered, passed on: its codecs in its order, its direction and its packet time.
    /// Audio switched off there is offered as inactive here.
    pub fn like(offer: &Offer, security: Security) -> Self {
        let wish = Self { ptime_ms: usable_ptime(offer.ptime_ms()), ..Self::new(security) };
        if !offer.has_audio() {
            return wish.direction(Direction::Inactive);
        }
        wish.codecs(&offer.codecs()).direction(offer.direction())
    }

    /// Only these codecs, in this order.
    #[must_use]
    pub fn codecs(mut self, codecs: &[Codec]) -> Self {
        self.codecs = codecs.to_vec();
        self
    }

    /// This direction, seen from this side.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }
}

/// The packet time this side sends with: what the other side asks for if it is 10 to 60 ms in tens, else 20.
pub(super) fn usable_ptime(asked_ms: Option<u32>) -> u32 {
    asked_ms.filter(|ms| (10..=60).contains(ms) && ms % 10 == 0).unwrap_or(PTIME_MS)
}
