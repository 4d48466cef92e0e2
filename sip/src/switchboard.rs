//! The edge's side: bindings, parked calls, wake, fork, two legs as one call.
//!
//! A [`Switchboard`] is a B2BUA without sockets. A call has one *outer leg* (the trunk that sent the INVITE) and an
//! *inner leg* for each device it rings. A shell feeds [`Input`]s, drains [`Output`]s and sleeps until the next deadline.
//!
//! What belongs to the shell is asked for: the route ([`Output::RouteWanted`]), the SDP bodies
//! ([`Output::BranchOfferWanted`], [`Output::AnswerWanted`]) and durability ([`Output::Persist`]). Each question carries
//! the call's id and is answered by the input named in its documentation, at once or later.

mod agenda;
mod bindings;
mod call;
mod flow;
mod input;
mod memory;
mod output;
mod settings;

pub use crate::extension::WokenCallState;
pub use flow::{ConnectionId, DeviceIdentity, Flow, Peer};
pub use input::{Decision, DeclinePolicy, Input, RingPlan, Target, WakeReport, WakeResult};
pub use output::{Output, RouteQuestion, Wake};
pub use settings::{RING_CAP, Settings};

use std::collections::VecDeque;

use callfield_domain::{CallId, DeviceId, Random, Seed, Timestamp};

/// Why a [`Switchboard`] wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A transaction retransmits or gives up (RFC 3261 §17).
    Transaction,
    /// A call rang long enough.
    RingLimit(CallId),
    /// A device that was pushed has not come.
    PushRetry(CallId, DeviceId),
    /// A device on a live connection has not said that it rings.
    Silence(CallId, DeviceId),
    /// The device that answered has been without a connection for too long.
    DeviceLost(CallId),
    /// A 200 was not acknowledged yet (RFC 3261 §13.3.1.4).
    AnswerRetransmit(CallId),
    /// A row is not durable yet.
    PersistLimit(CallId),
    /// A registration runs out.
    BindingExpiry,
    /// An ended call need not be remembered longer.
    Forget,
}

/// The edge: every trunk, every device and every call of one node.
pub struct Switchboard {
    settings: Settings,
    random: Random,
    outputs: VecDeque<Output>,
}

impl Switchboard {
    /// A switchboard without calls. The seed makes call ids, tags and branches: nobody may guess it.
    pub fn new(settings: Settings, seed: Seed, _now: Timestamp) -> Self {
        Self { settings, random: Random::new(seed), outputs: VecDeque::new() }
    }

    /// Takes in what happened.
    pub fn handle(&mut self, _now: Timestamp, _input: Input) {
        let _ = (&self.settings, &mut self.random);
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

    /// How `call` stands for `device`, which was woken for it (and, having asked, is on the timeline).
    pub fn woken_call_state(&mut self, _now: Timestamp, _device: DeviceIdentity, _call: CallId) -> WokenCallState {
        WokenCallState::Unknown
    }

    /// How often something was refused or dropped, by reason (`malformed`, `unknown_source`, `flooded`…), in order of reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        std::iter::empty()
    }

    /// How many calls live now.
    pub fn live_calls(&self) -> usize {
        0
    }
}
