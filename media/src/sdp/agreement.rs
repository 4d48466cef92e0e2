//! What both sides of a leg have agreed on.

use std::net::SocketAddr;

use super::Direction;
use crate::codec::Codec;
use crate::srtp::Keys;

/// The outcome of one round of offer and answer: all a relay or a media session needs of SDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Where this side receives.
    pub local: SocketAddr,
    /// Where the other side says it receives; `None` on old-style hold or when it names a host.
    pub remote: Option<SocketAddr>,
    /// Which way media flows, seen from this side.
    pub direction: Direction,
    /// The common codecs, the one to send with first; never empty.
    pub formats: Vec<AgreedFormat>,
    /// The payload types of `telephone-event/8000`, if both sides know it.
    pub events: Option<EventTypes>,
    /// How many milliseconds of audio this side puts into a packet.
    pub ptime_ms: u32,
    /// The SRTP keys; `None` when the leg is plain RTP.
    pub keys: Option<Keys>,
    /// True when RTCP shares the port of RTP (RFC 5761). Without it no RTCP is sent on this leg.
    pub rtcp_mux: bool,
}

/// A codec with its payload type in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgreedFormat {
    /// The codec.
    pub codec: Codec,
    /// The payload type this side sends with.
    pub send: u8,
    /// The payload type this side receives.
    pub receive: u8,
}

/// The payload types of `telephone-event/8000` (RFC 4733) in each direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTypes {
    /// The payload type this side sends with.
    pub send: u8,
    /// The payload type this side receives.
    pub receive: u8,
}

impl Agreement {
    /// The codec this side sends with.
    pub fn codec(&self) -> Codec {
        self.formats.first().map_or(Codec::Pcmu, |format| format.codec)
    }

    /// Every agreed codec, the one to send with first.
    pub fn codecs(&self) -> Vec<Codec> {
        self.formats.iter().map(|format| format.codec).collect()
    }
}
