//! The end of a call: one outcome, one row, and only then the last word to the far end.

use callfield_domain::{CallFacts, CallState, DeviceId, Direction, Milestone, Outcome, TenantId, Timestamp};

use super::branch::BranchState;
use super::{Action, Branch, Call, Phase};
use crate::switchboard::{Missed, WokenCallState};

/// What the far end is told at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::switchboard) enum Farewell {
    /// The caller's INVITE gets this status.
    Refuse(u16),
    /// Nothing but the answers to the BYEs that came.
    HangUp,
}

/// A call that is over but not yet durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) overdue_at: Timestamp,
    farewell: Farewell,
    outcome: Outcome,
}

impl Ending {
    pub(super) const fn state_for_others(self, was_answered: bool) -> WokenCallState {
        if was_answered {
            WokenCallState::AnsweredElsewhere
        } else if matches!(self.outcome, Outcome::Canceled) {
            WokenCallState::Cancelled
        } else {
            WokenCallState::Over
        }
    }
}

impl Call {
    /// The caller gave up before anybody answered.
    pub(super) fn cancel(&mut self, now: Timestamp) {
        match &mut self.phase {
            Phase::Routing { caller_gone } => *caller_gone = true,
            Phase::Ringing | Phase::Joining(_) | Phase::Dialling { .. } => {
                self.mark(now, Milestone::CallerGone, None, None);
                self.end(now, Outcome::Canceled, Farewell::Refuse(487));
            }
            Phase::Talking { .. } | Phase::Passed | Phase::Ending(_) | Phase::Gone(_) => {}
        }
    }

    /// One end hung up: the caller, or a device.
    pub(super) fn hang_up(&mut self, now: Timestamp, device: Option<DeviceId>) {
        match (&self.phase, device) {
            (Phase::Talking { device: talking, .. } | Phase::Dialling { device: talking, .. }, Some(device))
                if *talking != device => {}
            (Phase::Dialling { .. }, Some(device)) => {
                self.mark(now, Milestone::HungUp, Some(device), None);
                self.end(now, Outcome::Canceled, Farewell::HangUp);
            }
            (Phase::Talking { .. }, Some(device)) if self.is_referring => self.leave(now, device, None),
            // It asked to be let go, and goes by itself.
            (Phase::Passed, Some(device)) => self.actions.push_back(Action::ReleaseDevice(device)),
            (Phase::Talking { .. } | Phase::Passed, _) => {
                self.mark(now, Milestone::HungUp, device, device.is_none().then_some("caller"));
                self.end(now, Outcome::Completed, Farewell::HangUp);
            }
            (Phase::Joining(joining), Some(device)) if *joining == device => {
                self.mark(now, Milestone::HungUp, Some(device), None);
                self.end(now, Outcome::Failed, Farewell::Refuse(480));
            }
            (Phase::Routing { .. } | Phase::Ringing | Phase::Joining(_) | Phase::Dialling { .. }, None) => {
                self.cancel(now);
            }
            (Phase::Routing { .. } | Phase::Ringing | Phase::Joining(_) | Phase::Ending(_) | Phase::Gone(_), _) => {}
        }
    }

    /// The device that answered will not come back.
    pub(super) fn lose_device(&mut self, now: Timestamp) {
        if let Some(device) = self.winner().filter(|_| self.is_referring) {
            return self.leave(now, device, Some("device_lost"));
        }
        self.mark(now, Milestone::HungUp, self.winner(), Some("device_lost"));
        let outcome = if self.is_talking() { Outcome::Completed } else { Outcome::Canceled };
        self.end(now, outcome, Farewell::HangUp);
    }

    /// The far end of a call that rings its own user first is over.
    pub(super) fn end_far(&mut self, now: Timestamp, outcome: Outcome) {
        if let Phase::Ringing | Phase::Dialling { .. } | Phase::Talking { .. } = self.phase {
            self.end(now, outcome, Farewell::HangUp);
        }
    }

    pub(super) fn lose_caller(&mut self, now: Timestamp, outcome: Outcome) {
        if let Phase::Talking { .. } | Phase::Passed = self.phase {
            self.mark(now, Milestone::HungUp, None, Some("caller_lost"));
            self.end(now, outcome, Farewell::HangUp);
        }
    }

    pub(super) fn fail_join(&mut self, now: Timestamp) {
        if let Phase::Joining(_) = self.phase {
            self.end(now, Outcome::Failed, Farewell::Refuse(488));
        }
    }

    /// Nobody answered in time.
    pub(super) fn give_up(&mut self, now: Timestamp) {
        self.mark(now, Milestone::RingLimit, None, None);
        let outcome =
            if self.has_rung() { self.unanswered(Outcome::NoAnswer) } else { Outcome::MissedDeviceUnreachable };
        self.end(now, outcome, Farewell::Refuse(480));
    }

    /// Ends the call if nobody is left who could answer it.
    pub(super) fn end_if_hopeless(&mut self, now: Timestamp) {
        if self.branches.values().any(Branch::is_hopeful) {
            return;
        }
        let refused = |statuses: &[u16]| {
            self.branches.values().filter_map(Branch::refusal).any(|status| statuses.contains(&status))
        };
        let (outcome, status) = if refused(&[600, 603, 607, 608]) {
            (Outcome::Rejected, 603)
        } else if refused(&[486]) {
            (Outcome::Busy, 486)
        } else if refused(&[488]) {
            (Outcome::Failed, 488)
        } else if self.has_rung() {
            (Outcome::NoAnswer, 480)
        } else if refused(&[408, 410, 430, 480, 503]) {
            (Outcome::MissedDeviceUnreachable, 480)
        } else {
            (Outcome::Failed, 480)
        };
        self.end(now, self.unanswered(outcome), Farewell::Refuse(status));
    }

    /// How a call ended that its own devices did not answer: whoever does not take up a call of their own gave it up.
    pub(super) fn unanswered(&self, outcome: Outcome) -> Outcome {
        if self.direction == Direction::Outbound { Outcome::Canceled } else { outcome }
    }

    /// Whether a device said that it rings.
    fn has_rung(&self) -> bool {
        self.branches.values().any(Branch::has_rung)
    }

    /// Ends a call that rang nobody: it has a row if it belongs to somebody.
    pub(super) fn end_unrung(&mut self, now: Timestamp, outcome: Outcome, status: u16, tenant: Option<TenantId>) {
        let facts = tenant.map(|tenant| CallFacts {
            id: self.id,
            tenant,
            direction: self.direction,
            from: self.from.clone(),
            to: self.to.clone(),
            user: None,
            device: None,
            state: CallState::Ended,
            outcome: Some(outcome),
            started_at: self.started_at,
            answered_at: None,
            ended_at: Some(now),
            transferred_to: None,
        });
        self.settle(now, outcome, Farewell::Refuse(status), facts);
    }

    /// Ends a call in whatever phase, once.
    pub(super) fn end(&mut self, now: Timestamp, outcome: Outcome, farewell: Farewell) {
        self.cancel_branches(now, false);
        self.tell_who_missed_it(outcome);
        if let Phase::Joining(device) | Phase::Dialling { device, .. } | Phase::Talking { device, .. } = self.phase {
            self.actions.push_back(Action::HangUpDevice { device, elsewhere: false });
        }
        if let Phase::Dialling { .. } | Phase::Talking { .. } | Phase::Passed = self.phase {
            self.actions.push_back(Action::HangUpCaller);
        }
        let facts = self.facts(CallState::Ended).map(|facts| CallFacts {
            outcome: Some(outcome),
            answered_at: facts.answered_at.filter(|_| farewell == Farewell::HangUp),
            ended_at: Some(now),
            ..facts
        });
        if facts.is_some() {
            self.actions.push_back(Action::EndMedia);
        }
        self.settle(now, outcome, farewell, facts);
    }

    /// Tells each device of a call that nobody answered, unless it rang.
    fn tell_who_missed_it(&mut self, outcome: Outcome) {
        // A call of one's own is not missed.
        let is_missed = self.direction != Direction::Outbound
            && matches!(outcome, Outcome::Canceled | Outcome::NoAnswer | Outcome::MissedDeviceUnreachable);
        let Some(plan) = self.plan.as_ref().filter(|_| is_missed && self.winner.is_none()) else { return };
        let missed = self.branches.iter().filter(|(_, branch)| branch.has_missed()).map(|(device, _)| {
            Action::Missed(Missed {
                tenant: plan.tenant,
                call: self.id,
                device: *device,
                at: self.started_at,
                outcome,
                from: plan.caller.clone(),
                name: plan.caller_name.clone(),
                why: plan.why.clone(),
            })
        });
        self.actions.extend(missed);
    }

    /// Takes back every INVITE that is out.
    pub(super) fn cancel_branches(&mut self, now: Timestamp, elsewhere: bool) {
        let detail = elsewhere.then_some("elsewhere");
        let invited: Vec<DeviceId> =
            self.branches.iter().filter(|(_, branch)| branch.is_invited()).map(|(device, _)| *device).collect();
        for device in invited {
            self.mark(now, Milestone::Cancelled, Some(device), detail);
            self.actions.push_back(Action::Cancel { device, elsewhere });
        }
        for branch in self.branches.values_mut() {
            branch.state = BranchState::Over;
        }
    }

    fn settle(&mut self, now: Timestamp, outcome: Outcome, farewell: Farewell, facts: Option<CallFacts>) {
        self.is_referring = false;
        self.phase = Phase::Ending(Ending { overdue_at: now + self.persist_limit, farewell, outcome });
        match facts {
            Some(facts) => self.actions.push_back(Action::Persist(facts)),
            None => self.finish(),
        }
    }

    pub(super) fn note_durable(&mut self, now: Timestamp) {
        if let Phase::Ending(_) = self.phase {
            self.mark(now, Milestone::Durable, None, None);
            self.finish();
        }
    }

    pub(super) fn finish(&mut self) {
        if let Phase::Ending(ending) = self.phase {
            self.phase = Phase::Gone(ending);
            self.actions.push_back(Action::Finish(ending.farewell));
        }
    }
}
