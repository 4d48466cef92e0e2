//! What a relay is told and what it says.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::Timestamp;

use crate::leg::Latching;

/// The two sides of a relayed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The side that is there first, mostly the caller.
    A,
    /// The side that answers.
    B,
}

impl Side {
    /// The side a packet goes on to.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// How a relay behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a side may send nothing before [`Output::Idle`] says so.
    pub idle_limit: Duration,
    /// Whom a plain leg may learn as its source.
    pub latching: Latching,
}

impl Default for Settings {
    fn default() -> Self {
        Self { idle_limit: Duration::from_secs(30), latching: Latching::AnySource }
    }
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send `bytes` to `to` from the socket of `side`.
    Transmit {
        /// The side whose socket sends.
        side: Side,
        /// Where to.
        to: SocketAddr,
        /// One datagram.
        bytes: Bytes,
    },
    /// The media of `side` comes from another address: a phone changed its network.
    Moved {
        /// The side that moved.
        side: Side,
    },
    /// Nothing valid has come from `side` since `since`, although it may send. Said once per silence.
    Idle {
        /// The silent side.
        side: Side,
        /// When it was last heard, or connected.
        since: Timestamp,
    },
}

/// Why the relay wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A side may have been silent for too long.
    Idle,
}
