//! One call to the phone at the level of events: awaited, ringing, answered, ended; each told to the app once.
//!
//! The user may act before the INVITE is there, the push may come before or after it, the connection may be replaced at
//! any moment. SIP is spoken by the [`Leg`](leg::Leg) of the call; what is said, and when, is decided here.

pub(super) mod leg;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use callfield_domain::{CallId, Timestamp};

use super::{EndReason, Why, WokenCallState};

/// How long the INVITE may take after a push before the edge is asked again.
const INVITE_LIMIT: Duration = Duration::from_secs(10);
/// How long the INVITE may take at all.
const EXPECT_LIMIT: Duration = Duration::from_secs(60);
/// The longest a phone rings, whatever the edge says.
const RING_CAP: Duration = Duration::from_secs(120);
/// T1 of RFC 3261: the first pause between two copies of a 200.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
/// T2 of RFC 3261: the longest pause between two copies of a 200.
const LONGEST_REPEAT: Duration = Duration::from_secs(4);
/// 64·T1: how long an answer from the edge is waited for.
const PATIENCE: Duration = Duration::from_secs(32);

/// Something that happened to a call on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A push named the call.
    Woken,
    /// Its INVITE came, valid for so long.
    Invited { ring_for: Option<Duration> },
    /// The phone is registered on another connection than before.
    Reconnected,
    /// The user answers.
    Answer,
    /// The app made the SDP answer, or could not.
    Sdp { is_there: bool },
    /// The user declines.
    Decline,
    /// The user hangs up.
    HangUp,
    /// The phone has as many calls as it takes: the INVITE is refused.
    NoRoom,
    /// The edge took the INVITE back.
    Cancelled(EndReason),
    /// The edge acknowledged the 200; if it was too late, only to end the call at once.
    Acknowledged { too_late: Option<EndReason> },
    /// The edge acknowledged a refusal.
    RefusalAcknowledged,
    /// The edge ended the dialog.
    ByeReceived(EndReason),
    /// The phone's own BYE was answered.
    ByeAnswered,
    /// The edge said how the call stands; `None` if it could not be asked.
    StateKnown(Option<WokenCallState>),
}

/// What is to be done for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Tell the app that it rings.
    Ring,
    /// Ask how the call stands.
    AskState,
    /// Ask the app for the SDP answer.
    AskSdp,
    /// Answer the INVITE.
    Respond(u16),
    /// Send again what the edge has not answered.
    Repeat,
    /// End the dialog.
    Bye,
    /// Tell the app that the two talk.
    Establish,
    /// Tell the app that the call is over.
    End(EndReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// A push came; the INVITE did not. The user may have decided already.
    Expected { ask_at: Timestamp, until: Timestamp, wish: Option<Wish> },
    /// The INVITE is here; the SDP answer may be in the making.
    Ringing { until: Timestamp, is_answering: bool },
    /// The 200 is out, its ACK is not here.
    Answered { repeat_at: Timestamp, pause: Duration, until: Timestamp },
    /// Connected.
    Talking,
    /// Said the last word, waits for the edge's.
    Closing { until: Timestamp },
    /// Nothing is left to do.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Answer,
    Decline,
}

/// One call on the phone.
#[derive(Debug)]
pub(super) struct Call {
    id: CallId,
    stage: Stage,
    ended: Option<EndReason>,
    actions: VecDeque<Action>,
}

impl Call {
    /// A call that a push or an INVITE named for the first time; the event itself follows.
    pub(super) fn new(id: CallId, now: Timestamp) -> Self {
        let stage = Stage::Expected { ask_at: now + INVITE_LIMIT, until: now + EXPECT_LIMIT, wish: None };
        Self { id, stage, ended: None, actions: VecDeque::new() }
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Woken => self.wake(),
            Event::Invited { ring_for } => self.invite(now, ring_for),
            Event::Reconnected => self.reconnect(),
            Event::Answer => self.answer(),
            Event::Sdp { is_there } => self.take_sdp(now, is_there),
            Event::Decline | Event::HangUp => self.stop(now, event),
            Event::NoRoom => {
                self.end(EndReason::Busy);
                self.stage = Stage::Gone;
            }
            Event::Cancelled(reason) => self.cancel(now, reason),
            Event::Acknowledged { too_late } => self.acknowledge(now, too_late),
            Event::RefusalAcknowledged | Event::ByeAnswered => self.close(),
            Event::ByeReceived(reason) => {
                self.end(reason);
                self.stage = Stage::Gone;
            }
            Event::StateKnown(state) => self.learn(now, state),
        }
    }

    /// Does what is due at `now`.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        match &mut self.stage {
            Stage::Expected { until, .. } if *until <= now => {
                self.stage = Stage::Gone;
                self.end(EndReason::Unreachable);
            }
            Stage::Expected { ask_at, .. } if *ask_at <= now => {
                *ask_at = now + INVITE_LIMIT;
                self.actions.push_back(Action::AskState);
            }
            Stage::Ringing { until, .. } if *until <= now => self.refuse(now, 480, EndReason::Cancelled),
            Stage::Answered { until, .. } if *until <= now => {
                self.end(EndReason::Failed);
                self.say_bye(now);
            }
            Stage::Answered { repeat_at, pause, .. } if *repeat_at <= now => {
                *pause = (*pause * 2).min(LONGEST_REPEAT);
                *repeat_at = now + *pause;
                self.actions.push_back(Action::Repeat);
            }
            Stage::Closing { until } if *until <= now => self.stage = Stage::Gone,
            Stage::Expected { .. }
            | Stage::Ringing { .. }
            | Stage::Answered { .. }
            | Stage::Talking
            | Stage::Closing { .. }
            | Stage::Gone => {}
        }
    }

    /// The earliest deadline, and why.
    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        match self.stage {
            Stage::Expected { ask_at, until, .. } => Some((ask_at.min(until), Why::InviteWatchdog(self.id))),
            Stage::Ringing { until, .. } => Some((until, Why::RingLimit(self.id))),
            Stage::Answered { repeat_at, until, .. } => Some((repeat_at.min(until), Why::AnswerRetransmit(self.id))),
            Stage::Closing { until } => Some((until, Why::Closing(self.id))),
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

    fn wake(&mut self) {
        match (self.stage, self.ended) {
            // The push came again after the end: its call screen must be ended as well.
            (_, Some(reason)) => self.actions.push_back(Action::End(reason)),
            (Stage::Expected { .. }, None) => self.actions.push_back(Action::AskState),
            (_, None) => {}
        }
    }

    fn invite(&mut self, now: Timestamp, ring_for: Option<Duration>) {
        let Stage::Expected { wish, .. } = self.stage else {
            return self.actions.push_back(Action::Repeat);
        };
        if wish == Some(Wish::Decline) {
            return self.refuse(now, 603, EndReason::Declined);
        }
        let until = now + ring_for.unwrap_or(RING_CAP).min(RING_CAP);
        self.stage = Stage::Ringing { until, is_answering: false };
        self.actions.extend([Action::Respond(180), Action::Ring]);
        if wish == Some(Wish::Answer) {
            self.answer();
        }
    }

    fn reconnect(&mut self) {
        match self.stage {
            Stage::Answered { .. } | Stage::Closing { .. } => self.actions.push_back(Action::Repeat),
            Stage::Expected { .. } | Stage::Ringing { .. } | Stage::Talking | Stage::Gone => {}
        }
    }

    fn answer(&mut self) {
        match &mut self.stage {
            Stage::Expected { wish: wish @ None, .. } => *wish = Some(Wish::Answer),
            Stage::Ringing { is_answering, .. } if !*is_answering => {
                *is_answering = true;
                self.actions.push_back(Action::AskSdp);
            }
            Stage::Expected { .. }
            | Stage::Ringing { .. }
            | Stage::Answered { .. }
            | Stage::Talking
            | Stage::Closing { .. }
            | Stage::Gone => {}
        }
    }

    fn take_sdp(&mut self, now: Timestamp, is_there: bool) {
        if !matches!(self.stage, Stage::Ringing { is_answering: true, .. }) {
            return;
        }
        if !is_there {
            return self.refuse(now, 488, EndReason::Failed);
        }
        self.stage = Stage::Answered { repeat_at: now + FIRST_REPEAT, pause: FIRST_REPEAT, until: now + PATIENCE };
        self.actions.push_back(Action::Respond(200));
    }

    /// The user wants no more of it: a decline before the answer, a hang-up after it.
    fn stop(&mut self, now: Timestamp, event: Event) {
        let before_answer = if event == Event::HangUp { EndReason::HungUp } else { EndReason::Declined };
        match &mut self.stage {
            Stage::Expected { wish, .. } => {
                *wish = Some(Wish::Decline);
                self.end(before_answer);
            }
            Stage::Ringing { .. } => self.refuse(now, 603, before_answer),
            // BYE has to wait for the ACK (RFC 3261 §15).
            Stage::Answered { .. } => self.end(EndReason::HungUp),
            Stage::Talking => {
                self.end(EndReason::HungUp);
                self.say_bye(now);
            }
            Stage::Closing { .. } | Stage::Gone => {}
        }
    }

    fn cancel(&mut self, now: Timestamp, reason: EndReason) {
        if let Stage::Ringing { .. } = self.stage {
            self.refuse(now, 487, reason);
        }
    }

    fn acknowledge(&mut self, now: Timestamp, too_late: Option<EndReason>) {
        let Stage::Answered { .. } = self.stage else { return };
        if let Some(reason) = too_late {
            self.end(reason);
            self.stage = Stage::Closing { until: now + PATIENCE };
        } else if self.ended.is_some() {
            self.say_bye(now);
        } else {
            self.stage = Stage::Talking;
            self.actions.push_back(Action::Establish);
        }
    }

    fn close(&mut self) {
        if let Stage::Closing { .. } = self.stage {
            self.stage = Stage::Gone;
        }
    }

    fn learn(&mut self, now: Timestamp, state: Option<WokenCallState>) {
        let reason = match state {
            None | Some(WokenCallState::Ringing) => return,
            Some(WokenCallState::Cancelled) => EndReason::Cancelled,
            Some(WokenCallState::AnsweredElsewhere) => EndReason::AnsweredElsewhere,
            Some(WokenCallState::Over | WokenCallState::Unknown) => EndReason::Over,
        };
        match self.stage {
            Stage::Ringing { .. } => self.refuse(now, 487, reason),
            Stage::Expected { .. } | Stage::Answered { .. } => {
                self.stage = Stage::Gone;
                self.end(reason);
            }
            // It ended while the phone was away.
            Stage::Talking => {
                self.stage = Stage::Gone;
                self.end(EndReason::RemoteHungUp);
            }
            Stage::Closing { .. } | Stage::Gone => {}
        }
    }

    fn refuse(&mut self, now: Timestamp, status: u16, reason: EndReason) {
        self.stage = Stage::Closing { until: now + PATIENCE };
        self.actions.push_back(Action::Respond(status));
        self.end(reason);
    }

    fn say_bye(&mut self, now: Timestamp) {
        self.stage = Stage::Closing { until: now + PATIENCE };
        self.actions.push_back(Action::Bye);
    }

    fn end(&mut self, reason: EndReason) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.actions.push_back(Action::End(reason));
        }
    }
}
