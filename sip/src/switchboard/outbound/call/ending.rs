//! The end of an outbound call: one outcome, one row, and only then the last word to who waits for it.

use callfield_domain::{CallFacts, CallState, Milestone, Outcome, Timestamp};

use super::{Action, Call, Phase};
use crate::switchboard::call::{Event as Inside, Farewell};

impl Call {
    pub(super) fn refuse(&mut self, now: Timestamp, status: u16) {
        match self.phase {
            Phase::Calling { rings: false, .. } if is_of_trunk(status) => {
                self.pass_on(now, status, &status.to_string());
            }
            Phase::Calling { .. } => {
                self.mark(now, Milestone::Declined, Some(&status.to_string()));
                self.end_refused(now, status);
            }
            Phase::Routing
            | Phase::Offering
            | Phase::Joining
            | Phase::Talking
            | Phase::Passed
            | Phase::Inside
            | Phase::Ending { .. }
            | Phase::Gone => {}
        }
    }

    /// Who has called enough must not call more: it may be a thief.
    pub(super) fn cap(&mut self, now: Timestamp, cap: &str) {
        if self.phase == Phase::Routing {
            self.mark(now, Milestone::Routed, Some(cap));
            self.end(now, Outcome::Blocked, Farewell::Refuse(403));
        }
    }

    /// Ends a call that was refused with `status`.
    pub(super) fn end_refused(&mut self, now: Timestamp, status: u16) {
        self.end(now, outcome_of(status), Farewell::Refuse(told_of(status)));
    }

    /// The device gives up before the answer.
    pub(super) fn cancel(&mut self, now: Timestamp) {
        self.tell_inside(Inside::CallerCancelled);
        if let Phase::Routing | Phase::Offering | Phase::Calling { .. } | Phase::Joining = self.phase {
            if !self.is_part {
                self.mark_device(now, Milestone::CallerGone, None);
            }
            self.let_far_go(now);
            self.end(now, Outcome::Canceled, Farewell::Refuse(487));
        }
    }

    /// Nobody answered in time.
    pub(super) fn give_up(&mut self, now: Timestamp) {
        self.let_far_go(now);
        self.end(now, Outcome::NoAnswer, Farewell::Refuse(480));
    }

    pub(super) fn hang_up(&mut self, now: Timestamp, is_device: bool) {
        match self.phase {
            Phase::Inside if is_device => return self.tell_inside(Inside::CallerHungUp),
            Phase::Talking if is_device && self.is_referring => return self.leave(now, None),
            // It asked to be let go, and goes by itself.
            Phase::Passed if is_device => return self.actions.push_back(Action::ReleaseDevice),
            Phase::Talking if is_device && self.is_part => {}
            Phase::Talking if is_device => self.mark_device(now, Milestone::HungUp, None),
            Phase::Talking | Phase::Passed => self.mark(now, Milestone::HungUp, Some("callee")),
            Phase::Joining if !is_device => return self.end(now, Outcome::Failed, Farewell::Refuse(480)),
            Phase::Routing
            | Phase::Offering
            | Phase::Calling { .. }
            | Phase::Joining
            | Phase::Inside
            | Phase::Ending { .. }
            | Phase::Gone => return,
        }
        self.disconnect(now);
    }

    /// The device that calls will not come back.
    pub(super) fn lose_device(&mut self, now: Timestamp) {
        if self.phase == Phase::Inside {
            self.absent_since = None;
            return self.tell_inside(Inside::CallerGone);
        }
        if self.phase != Phase::Talking {
            return self.cancel(now);
        }
        if self.is_referring {
            return self.leave(now, Some("device_lost"));
        }
        self.mark_device(now, Milestone::HungUp, Some("device_lost"));
        self.disconnect(now);
    }

    /// The two ends cannot be joined.
    pub(super) fn fail(&mut self, now: Timestamp, status: u16) {
        self.let_far_go(now);
        self.end(now, Outcome::Failed, Farewell::Refuse(status));
    }

    /// Ends the call in whatever phase; what the far end is still owed was said before.
    pub(super) fn end(&mut self, now: Timestamp, outcome: Outcome, farewell: Farewell) {
        if self.is_part {
            self.phase = Phase::Ending { overdue_at: now + self.persist_limit, farewell };
            return self.actions.push_back(Action::Over(outcome));
        }
        if self.plan.is_some() {
            self.actions.push_back(Action::EndMedia);
        }
        let answered_at = self.answered_at.filter(|_| farewell == Farewell::HangUp);
        let (outcome, ended_at) = (Some(outcome), Some(now));
        let facts = CallFacts { outcome, answered_at, ended_at, ..self.facts(CallState::Ended) };
        self.is_referring = false;
        self.phase = Phase::Ending { overdue_at: now + self.persist_limit, farewell };
        self.actions.push_back(Action::Persist(facts));
    }

    pub(super) fn note_durable(&mut self, now: Timestamp) {
        if let Phase::Ending { .. } = self.phase {
            if !self.is_part {
                self.mark(now, Milestone::Durable, None);
            }
            self.finish();
        }
    }

    pub(super) fn finish(&mut self) {
        if let Phase::Ending { farewell, .. } = self.phase {
            self.phase = Phase::Gone;
            let finish = if self.is_part { Action::FinishInside } else { Action::Finish };
            self.actions.push_back(finish(farewell));
        }
    }

    pub(super) fn disconnect(&mut self, now: Timestamp) {
        self.actions.extend([Action::HangUpFar, Action::HangUpDevice]);
        self.end(now, Outcome::Completed, Farewell::HangUp);
    }

    fn let_far_go(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Calling { .. } => {
                self.mark(now, Milestone::Cancelled, None);
                self.actions.push_back(Action::Cancel);
            }
            Phase::Joining | Phase::Talking | Phase::Passed => self.actions.push_back(Action::HangUpFar),
            Phase::Routing | Phase::Offering | Phase::Inside | Phase::Ending { .. } | Phase::Gone => {}
        }
    }
}

/// Whether it is the trunk that refused, not a person: another trunk may take the call.
const fn is_of_trunk(status: u16) -> bool {
    matches!(status, 408 | 500..600)
}

/// What the device is told of a refusal by the far end.
///
/// A redirection is not followed, for whoever redirects would choose who is called and paid; nor is the device asked to
/// prove itself to the trunk.
const fn told_of(status: u16) -> u16 {
    match status {
        300..=399 | 401 | 407 => 503,
        _ => status,
    }
}

/// How a call ended that the far end, or the way to it, refused with `status`.
const fn outcome_of(status: u16) -> Outcome {
    match status {
        486 | 600 => Outcome::Busy,
        603 => Outcome::Rejected,
        408 | 480 | 487 => Outcome::NoAnswer,
        404 | 410 | 484 | 604 => Outcome::NoRoute,
        _ => Outcome::Failed,
    }
}
