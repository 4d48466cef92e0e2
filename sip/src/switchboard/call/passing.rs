//! The caller is passed on: the device asks for it, somebody else answers, and the device leaves.

use callfield_domain::{DeviceId, Milestone, Outcome, Timestamp};

use super::{Action, Call, Farewell, Phase};
use crate::switchboard::transfer::Passing;

impl Call {
    pub(super) fn pass(&mut self, now: Timestamp, passing: Passing) {
        match passing {
            Passing::Asked => self.refer(now),
            Passing::Failed(status) => self.stay(now, status),
            Passing::Done { to } => self.hand_over(now, to),
            Passing::TargetHungUp => {
                if self.phase == Phase::Passed {
                    self.mark(now, Milestone::HungUp, None, Some("target"));
                    self.end(now, Outcome::Completed, Farewell::HangUp);
                }
            }
        }
    }

    /// The device leaves before the target answers: the caller waits for the target alone.
    pub(super) fn leave(&mut self, now: Timestamp, device: DeviceId, why: Option<&str>) {
        self.mark(now, Milestone::HungUp, Some(device), why);
        self.phase = Phase::Passed;
        self.actions.push_back(Action::ReleaseDevice(device));
    }

    fn refer(&mut self, now: Timestamp) {
        if let Phase::Talking { device, .. } = self.phase {
            self.is_referring = true;
            self.mark(now, Milestone::TransferAsked, Some(device), None);
        }
    }

    fn stay(&mut self, now: Timestamp, status: u16) {
        if !std::mem::take(&mut self.is_referring) {
            return;
        }
        self.mark(now, Milestone::TransferFailed, None, Some(&status.to_string()));
        if self.phase == Phase::Passed {
            // Nobody is left for the caller to talk with.
            self.end(now, Outcome::Completed, Farewell::HangUp);
        }
    }

    fn hand_over(&mut self, now: Timestamp, to: String) {
        if !std::mem::take(&mut self.is_referring) {
            return;
        }
        self.transferred_to = Some(to);
        self.mark(now, Milestone::Transferred, None, None);
        if let Phase::Talking { device, .. } = self.phase {
            self.phase = Phase::Passed;
            self.actions.push_back(Action::ReleaseDevice(device));
        }
    }
}
