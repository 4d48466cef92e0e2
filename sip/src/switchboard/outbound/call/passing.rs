//! The far end is passed on: the device asks for it, somebody else answers, and the device leaves.

use callfield_domain::{Milestone, Timestamp};

use super::{Action, Call, Phase};
use crate::switchboard::transfer::Passing;

impl Call {
    pub(super) fn pass(&mut self, now: Timestamp, passing: Passing) {
        match passing {
            Passing::Asked => self.refer(now),
            Passing::Failed(status) => self.stay(now, status),
            Passing::Done { to } => self.hand_over(now, to),
            Passing::TargetHungUp => {
                if self.phase == Phase::Passed {
                    self.mark(now, Milestone::HungUp, Some("target"));
                    self.disconnect(now);
                }
            }
        }
    }

    /// The device leaves before the target answers: the far end waits for the target alone.
    pub(super) fn leave(&mut self, now: Timestamp, why: Option<&str>) {
        self.mark_device(now, Milestone::HungUp, why);
        self.phase = Phase::Passed;
        self.actions.push_back(Action::ReleaseDevice);
    }

    fn refer(&mut self, now: Timestamp) {
        if self.phase == Phase::Talking {
            self.is_referring = true;
            self.mark_device(now, Milestone::TransferAsked, None);
        }
    }

    fn stay(&mut self, now: Timestamp, status: u16) {
        if !std::mem::take(&mut self.is_referring) {
            return;
        }
        self.mark(now, Milestone::TransferFailed, Some(&status.to_string()));
        if self.phase == Phase::Passed {
            // Nobody is left for the far end to talk with.
            self.disconnect(now);
        }
    }

    fn hand_over(&mut self, now: Timestamp, to: String) {
        if !std::mem::take(&mut self.is_referring) {
            return;
        }
        self.transferred_to = Some(to);
        self.mark(now, Milestone::Transferred, None);
        if self.phase == Phase::Talking {
            self.phase = Phase::Passed;
            self.actions.push_back(Action::ReleaseDevice);
        }
    }
}
