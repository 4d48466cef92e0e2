//! RTP and RTCP: packets, reception statistics, reports and key presses (RFC 3550, RFC 3551, RFC 4733).

pub mod events;
mod packet;
mod reception;
pub mod reports;

use crate::codec::Codec;

pub use packet::{Kind, Packet};
pub(crate) use reception::{Arrival, Reception};

/// What a payload type stands for on a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Speech in this codec.
    Speech(Codec),
    /// Key presses (RFC 4733).
    Events,
}

/// How far `sequence` is ahead of `reference`, from -32768 to 32767: the shorter way round the 16-bit circle.
pub(crate) fn distance(sequence: u16, reference: u16) -> i32 {
    i32::from(sequence.wrapping_sub(reference).cast_signed())
}
