//! SDP for telephone audio: reading and writing session descriptions, and the offer/answer machine of one leg.
//!
//! A [`Negotiation`] belongs to one leg and lives as long as it does. Either side may offer:
//!
//! | who offers | calls |
//! |---|---|
//! | the other side | [`Offer::parse`], then [`Negotiation::answer`] |
//! | this side | [`Negotiation::offer`], then [`Negotiation::receive_answer`], or [`Negotiation::roll_back`] when it was refused |
//!
//! Both end in an [`Agreement`]. A caller that sends no SDP gets an offer in the answer to its INVITE and answers in its
//! ACK: the same two calls. A re-INVITE is another round on the same machine, which keeps its key and counts versions.
//! When a call rings several phones, each phone is a leg with a `Negotiation` of its own, so that no two share a key.

mod agreement;
mod audio;
mod crypto;
mod direction;
mod formats;
mod negotiation;
mod offer;
mod wish;
mod writing;

use thiserror::Error;

pub use agreement::{AgreedFormat, Agreement, EventTypes};
pub use direction::Direction;
pub use negotiation::Negotiation;
pub use offer::Offer;
pub use wish::{Security, Wish};

/// The longest session description that is read, in bytes.
pub const SDP_BYTES_MAX: usize = 16 * 1024;

/// Why an offer or answer cannot be used. A caller gets 400 for [`Self::TooLong`] and [`Self::Syntax`], else 488.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SdpError {
    /// The text is longer than [`SDP_BYTES_MAX`].
    #[error("the session description is too long")]
    TooLong,
    /// The text is not SDP.
    #[error("not a session description")]
    Syntax,
    /// There is no audio line, or all are switched off (port 0).
    #[error("no audio is offered")]
    NoAudio,
    /// The transport is neither RTP/AVP nor RTP/SAVP (with or without F).
    #[error("the transport profile is not supported")]
    Profile,
    /// No codec is common to both sides.
    #[error("no codec in common")]
    NoCodec,
    /// Encryption is wanted but no usable key was offered or answered.
    #[error("no usable SRTP key")]
    NoKey,
    /// The answer switches the offered audio off (port 0).
    #[error("the audio was refused")]
    Refused,
    /// An answer came while no offer was open.
    #[error("an answer without an offer")]
    Unasked,
}
