//! One call that this phone began, at the level of events: waits for the edge, calls, talks, is over; each told to the
//! app once.
//!
//! The user may hang up at any moment, the connection may be replaced at any moment: what the edge has not answered goes
//! out again on the next one. SIP is spoken by the [`Leg`](leg::Leg) of the call; what is said, and when, is decided here.

pub(super) mod leg;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use callfield_domain::{CallId, Timestamp};

use super::{EndReason, Why, WokenCallState};

/// How long the edge may take to be reached before the call is given up.
const REACH_LIMIT: Duration = Duration::from_secs(20);
/// How long a call may go without an answer: a little longer than any edge lets it ring.
const RING_LIMIT: Duration = Duration::from_secs(130);
/// 64·T1: how long an answer from the edge is waited for.
const PATIENCE: Duration = Duration::from_secs(32);

/// Something that happened to a call that this phone began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The phone is registered, maybe on another connection than before.
    Registered,
    /// The edge sent a 180.
    Rings,
    /// The edge sent a 2xx.
    Answered,
    /// The edge refused the INVITE, or does not know what was to be cancelled.
    Refused(EndReason),
    /// The user hangs up.
    HangUp,
    /// The edge ended the dialog.
    ByeReceived,
    /// The phone's own BYE was answered.
    ByeAnswered,
    /// The edge said how the call stands.
    StateKnown(WokenCallState),
}

/// What is to be done for a call that this phone began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Send the INVITE.
    Invite,
    /// Send again what the edge has not answered.
    Repeat,
    /// Acknowledge the 2xx.
    Ack,
    /// Take the INVITE back.
    Cancel,
    /// End the dialog.
    Bye,
    /// Tell the app that the far end rings.
    Ring,
    /// Tell the app that the two talk.
    Establish,
    /// Tell the app that the call is over.
    End(EndReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Not registered: nothing went out.
    Waiting { until: Timestamp },
    /// The INVITE is out.
    Calling { until: Timestamp, has_rung: bool },
    /// The user changed their mind; the edge has not said the last word.
    Cancelling { until: Timestamp },
    /// Connected.
    Talking,
    /// The BYE is out.
    Closing { until: Timestamp },
    /// Nothing is left to do.
    Gone,
}

/// One call that this phone began.
#[derive(Debug)]
pub(super) struct Call {
    id: CallId,
    stage: Stage,
    ended: Option<EndReason>,
    actions: VecDeque<Action>,
}

impl Call {
    /// A call that waits for the phone to be registered.
    pub(super) fn new(id: CallId, now: Timestamp) -> Self {
        Self { id, stage: Stage::Waiting { until: now + REACH_LIMIT }, ended: None, actions: VecDeque::new() }
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Registered => self.register(now),
            Event::Rings => self.ring(),
            Event::Answered => self.answer(now),
            Event::Refused(reason) => self.refuse(reason),
            Event::HangUp => self.stop(now, EndReason::HungUp),
            Event::ByeReceived => self.finish(EndReason::RemoteHungUp),
            Event::ByeAnswered => self.close(),
            Event::StateKnown(state) => self.learn(state),
        }
    }

    /// Does what is due at `now`.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        match self.stage {
            Stage::Waiting { until } if until <= now => self.finish(EndReason::Unreachable),
            Stage::Calling { until, .. } if until <= now => self.stop(now, EndReason::NoAnswer),
            Stage::Cancelling { until } | Stage::Closing { until } if until <= now => self.stage = Stage::Gone,
            Stage::Waiting { .. }
            | Stage::Calling { .. }
            | Stage::Cancelling { .. }
            | Stage::Talking
            | Stage::Closing { .. }
            | Stage::Gone => {}
        }
    }

    /// The earliest deadline, and why.
    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        match self.stage {
            Stage::Waiting { until } => Some((until, Why::ReachLimit(self.id))),
            Stage::Calling { until, .. } => Some((until, Why::RingLimit(self.id))),
            Stage::Cancelling { until } | Stage::Closing { until } => Some((until, Why::Closing(self.id))),
            Stage::Talking | Stage::Gone => None,
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether nothing is left to do for this call.
    pub(super) fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// Whether the two talk.
    pub(super) fn is_talking(&self) -> bool {
        self.stage == Stage::Talking
    }

    /// What the app was told of its end.
    pub(super) const fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    fn register(&mut self, now: Timestamp) {
        match self.stage {
            Stage::Waiting { .. } => {
                self.stage = Stage::Calling { until: now + RING_LIMIT, has_rung: false };
                self.actions.push_back(Action::Invite);
            }
            Stage::Calling { .. } | Stage::Cancelling { .. } | Stage::Closing { .. } => {
                self.actions.push_back(Action::Repeat);
            }
            Stage::Talking | Stage::Gone => {}
        }
    }

    fn ring(&mut self) {
        if let Stage::Calling { has_rung, .. } = &mut self.stage
            && !std::mem::replace(has_rung, true)
        {
            self.actions.push_back(Action::Ring);
        }
    }

    fn answer(&mut self, now: Timestamp) {
        match self.stage {
            Stage::Calling { .. } => {
                self.stage = Stage::Talking;
                self.actions.extend([Action::Ack, Action::Establish]);
            }
            // The answer and the change of mind crossed.
            Stage::Cancelling { .. } => {
                self.actions.push_back(Action::Ack);
                self.say_bye(now);
            }
            Stage::Talking | Stage::Closing { .. } => self.actions.push_back(Action::Ack),
            Stage::Waiting { .. } | Stage::Gone => {}
        }
    }

    fn refuse(&mut self, reason: EndReason) {
        if let Stage::Calling { .. } | Stage::Cancelling { .. } = self.stage {
            self.finish(reason);
        }
    }

    fn stop(&mut self, now: Timestamp, reason: EndReason) {
        match self.stage {
            Stage::Waiting { .. } => self.finish(reason),
            Stage::Calling { .. } => {
                self.stage = Stage::Cancelling { until: now + PATIENCE };
                self.actions.push_back(Action::Cancel);
                self.end(reason);
            }
            Stage::Talking => {
                self.end(reason);
                self.say_bye(now);
            }
            Stage::Cancelling { .. } | Stage::Closing { .. } | Stage::Gone => {}
        }
    }

    /// It ended while the phone was away. Before the answer the INVITE, sent again, gets its own answer.
    fn learn(&mut self, state: WokenCallState) {
        if self.stage == Stage::Talking && state != WokenCallState::Ringing {
            self.finish(EndReason::RemoteHungUp);
        }
    }

    fn close(&mut self) {
        if let Stage::Closing { .. } = self.stage {
            self.stage = Stage::Gone;
        }
    }

    fn say_bye(&mut self, now: Timestamp) {
        self.stage = Stage::Closing { until: now + PATIENCE };
        self.actions.push_back(Action::Bye);
    }

    fn finish(&mut self, reason: EndReason) {
        self.stage = Stage::Gone;
        self.end(reason);
    }

    fn end(&mut self, reason: EndReason) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.actions.push_back(Action::End(reason));
        }
    }
}
