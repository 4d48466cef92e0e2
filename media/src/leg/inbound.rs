//! The receiving half of a leg, plain or protected.

use std::net::SocketAddr;

use super::latch::{Follower, Latch, Latching};
use crate::sdp::Agreement;
use crate::srtp::{SrtpError, Unprotector};

/// Whose packets are believed, and with which key.
pub(super) enum Inbound {
    Plain(Latch),
    Secure(Unprotector, Follower),
}

impl Inbound {
    pub(super) fn new(agreement: &Agreement, latching: Latching) -> Result<Self, SrtpError> {
        Ok(match &agreement.keys {
            None => Self::Plain(Latch::new(agreement.remote, latching)),
            Some(keys) => Self::Secure(Unprotector::new(&keys.receive)?, Follower::new(agreement.remote)),
        })
    }

    pub(super) fn signalled(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(latch) => latch.signalled(),
            Self::Secure(_, follower) => follower.signalled(),
        }
    }

    pub(super) fn target(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(latch) => latch.target(),
            Self::Secure(_, follower) => follower.target(),
        }
    }
}
