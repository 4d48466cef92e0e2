//! What a machine answers to an event.

use std::time::Duration;

use super::{Ended, Why};

/// What a client machine hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientEvent {
    Start,
    Provisional,
    Success,
    Failure,
    /// CANCEL is on its way.
    Cancelled,
    Due(Why),
}

/// What a server machine hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEvent {
    Start,
    /// The same request again.
    Again,
    /// The user answers 1xx.
    Provisional,
    /// The user answers 2xx.
    Success,
    /// The user answers 300 to 699.
    Failure,
    Ack,
    Due(Why),
}

/// What a machine wants done. A machine has at most two clocks: one to repeat, one to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) send: Send,
    /// The user of the layer hears of the event.
    pub(super) deliver: bool,
    pub(super) repeat: Clock,
    pub(super) end: Clock,
    pub(super) ended: Option<Ended>,
}

/// What a machine sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Send {
    #[default]
    Nothing,
    /// The stored bytes.
    Stored,
    /// The ACK to the refusal that just came; it becomes the stored bytes.
    Ack,
    /// 100 Trying; it becomes the stored bytes.
    Trying,
    /// CANCEL, in a transaction of its own.
    Cancel,
}

/// What happens to a clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Clock {
    #[default]
    Keep,
    Stop,
    In(Duration, Why),
}

impl Step {
    /// Nothing happens.
    pub(super) const NOTHING: Self =
        Self { send: Send::Nothing, deliver: false, repeat: Clock::Keep, end: Clock::Keep, ended: None };

    pub(super) fn ended(ended: Ended) -> Self {
        Self { ended: Some(ended), ..Self::NOTHING }
    }

    pub(super) fn send(mut self, send: Send) -> Self {
        self.send = send;
        self
    }

    pub(super) fn deliver(mut self) -> Self {
        self.deliver = true;
        self
    }

    pub(super) fn repeat_in(mut self, delay: Duration, why: Why) -> Self {
        self.repeat = Clock::In(delay, why);
        self
    }

    pub(super) fn stop_repeating(mut self) -> Self {
        self.repeat = Clock::Stop;
        self
    }

    pub(super) fn end_in(mut self, delay: Duration, why: Why) -> Self {
        self.end = Clock::In(delay, why);
        self
    }

    /// Waits before the end on a transport that loses or repeats packets; else ends at once.
    pub(super) fn linger(self, is_reliable: bool, delay: Duration, why: Why) -> Self {
        if is_reliable { Self { ended: Some(Ended::Done), ..self } } else { self.end_in(delay, why) }
    }
}
