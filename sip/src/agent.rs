//! The phone's side: registration and calls.
//!
//! An [`Agent`] is one phone without sockets. It wants one connection to the edge (SIP over WebSocket, RFC 7118) while
//! the app needs one, registers on it, and takes the calls that the edge sends. A shell feeds [`Input`]s, drains
//! [`Output`]s and sleeps until the next deadline on a clock that also runs while the phone sleeps.

mod input;
mod output;

pub use crate::switchboard::WokenCallState;
pub use input::Input;
pub use output::{EndReason, Output};

use std::collections::VecDeque;

use callfield_domain::{CallId, DeviceId, Random, Seed, Timestamp, UserId};

/// Who a phone is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The SIP domain, as enrolment told it.
    pub domain: String,
    /// Whose phone it is.
    pub user: UserId,
    /// The installation: the SIP instance.
    pub device: DeviceId,
}

/// Why an [`Agent`] wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A connection attempt took too long (5 s).
    ConnectLimit,
    /// Time to try again after a failure.
    Retry,
    /// The registration must be refreshed.
    Refresh,
    /// The connection was silent: prove that it lives.
    KeepAlive,
    /// The edge left a keep-alive or a request unanswered.
    Unanswered,
    /// No INVITE came for a call the phone was woken for.
    InviteWatchdog(CallId),
    /// A call rang long enough.
    RingLimit(CallId),
    /// A 200 was not acknowledged yet (RFC 3261 §13.3.1.4).
    AnswerRetransmit(CallId),
}

/// One phone.
pub struct Agent {
    identity: Identity,
    random: Random,
    outputs: VecDeque<Output>,
}

impl Agent {
    /// A phone that is asleep. The seed makes its tags and branches.
    pub fn new(identity: Identity, seed: Seed, _now: Timestamp) -> Self {
        Self { identity, random: Random::new(seed), outputs: VecDeque::new() }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, _now: Timestamp, _input: Input) {
        let _ = (&self.identity, &mut self.random);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, _now: Timestamp) {}

    /// The earliest deadline, and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        None
    }

    /// The next effect; to be drained to `None` after every other call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether the edge knows this phone now.
    pub fn is_registered(&self) -> bool {
        false
    }
}
