//! The call as long as nobody has answered: routed, parked, waking and inviting devices, and what they say to it.

use callfield_domain::{CallState, DeviceId, Direction, Milestone, Outcome, TimelineEvent, Timestamp};

use super::branch::BranchState;
use super::{Action, Branch, Call, Farewell, Phase};
use crate::switchboard::{Decision, DeclinePolicy, RingPlan, Wake};

impl Call {
    pub(super) fn route(&mut self, now: Timestamp, decision: Decision, bound: &[DeviceId]) {
        let Phase::Routing { caller_gone } = self.phase else { return };
        match decision {
            Decision::Ring(plan) => self.ring(now, plan, bound, caller_gone),
            Decision::Spare { plan, status, outcome } => {
                self.mark(now, Milestone::Routed, None, Some(&plan.why));
                self.plan = Some(plan);
                let (outcome, status) = if caller_gone { (Outcome::Canceled, 487) } else { (outcome, status) };
                self.end(now, outcome, Farewell::Refuse(status));
            }
            Decision::Reject { status, outcome, tenant } => {
                self.mark(now, Milestone::Routed, None, Some("rejected"));
                let (outcome, status) = if caller_gone { (Outcome::Canceled, 487) } else { (outcome, status) };
                self.end_unrung(now, outcome, status, tenant);
            }
        }
    }

    fn ring(&mut self, now: Timestamp, plan: RingPlan, bound: &[DeviceId], caller_gone: bool) {
        self.mark(now, Milestone::Routed, None, Some(&plan.why));
        let targets = plan.targets.iter().filter(|target| self.only.is_none_or(|only| only == target.device));
        self.branches = targets.map(|target| (target.device, Branch::new(target.has_push))).collect();
        self.plan = Some(plan);
        self.phase = Phase::Ringing;
        if caller_gone {
            return self.end(now, Outcome::Canceled, Farewell::Refuse(487));
        }
        if self.branches.is_empty() && bound.is_empty() {
            self.mark(now, Milestone::NoDevice, None, None);
            return self.end(now, Outcome::MissedDeviceUnreachable, Farewell::Refuse(480));
        }
        for device in bound {
            self.release(now, *device);
        }
        self.push_what_is_due(now);
        if self.branches.values().all(Branch::is_waiting) {
            self.tell_caller(182);
        }
        self.actions.extend(self.facts(CallState::Ringing).map(Action::Changed));
    }

    pub(super) fn register(&mut self, now: Timestamp, device: DeviceId) {
        if let Phase::Talking { device: talking, absent_since } | Phase::Dialling { device: talking, absent_since } =
            &mut self.phase
            && *talking == device
        {
            *absent_since = None;
        }
        if self.phase == Phase::Ringing {
            self.mark(now, Milestone::Registered, Some(device), None);
            self.release(now, device);
        }
    }

    /// A device that was given up where it is registered is there after all.
    pub(super) fn refresh(&mut self, now: Timestamp, device: DeviceId) {
        if self.branches.get(&device).is_some_and(Branch::is_waiting) {
            self.register(now, device);
        }
    }

    /// Lets a waiting branch go; any other has had its INVITE.
    fn release(&mut self, now: Timestamp, device: DeviceId) {
        if self.only.is_some_and(|only| only != device) {
            return;
        }
        let branch = self.branches.entry(device).or_insert_with(|| Branch::new(false));
        if branch.is_waiting() {
            branch.state = BranchState::Invited { silent_at: Some(now + self.silence_limit) };
            self.actions.push_back(Action::Invite(device));
        }
    }

    pub(super) fn lose_connection(&mut self, now: Timestamp, device: DeviceId) {
        if let Phase::Talking { device: talking, absent_since } | Phase::Dialling { device: talking, absent_since } =
            &mut self.phase
            && *talking == device
        {
            *absent_since = Some(now);
        }
        let Some(branch) = self.branches.get_mut(&device) else { return };
        if let BranchState::Invited { silent_at } = &mut branch.state {
            // The INVITE may be lost with the connection: push at once, the same INVITE goes out again on the next one.
            *silent_at = None;
            self.push_what_is_due(now);
        }
    }

    pub(super) fn note_awake(&mut self, now: Timestamp, device: DeviceId) {
        self.mark(now, Milestone::StateAsked, Some(device), None);
        if let Some(branch) = self.branches.get_mut(&device) {
            branch.note_awake();
        }
    }

    pub(super) fn push_what_is_due(&mut self, now: Timestamp) {
        let (Phase::Ringing, Some(plan)) = (&self.phase, &self.plan) else { return };
        for (device, branch) in &mut self.branches {
            let Some(attempt) = branch.push_if_due(now, &self.push_retries) else { continue };
            self.actions.push_back(Action::Wake(Wake {
                tenant: plan.tenant,
                call: self.id,
                device: *device,
                expires_at: self.ring_ends_at,
                attempt,
                from: plan.caller.clone(),
                name: plan.caller_name.clone(),
                why: plan.why.clone(),
            }));
            let (milestone, detail) = (Milestone::PushQueued, (attempt > 0).then(|| attempt.to_string()));
            let event = TimelineEvent { at: now, milestone, device: Some(*device), detail };
            self.actions.push_back(Action::Timeline(event));
        }
        if self.branches.values().any(Branch::was_pushed) {
            self.tell_caller(180);
        }
    }

    pub(super) fn progress(&mut self, now: Timestamp, device: DeviceId, rings: bool) {
        let Some(branch) = self.branches.get_mut(&device) else { return };
        if !branch.note_progress(rings) || self.phase != Phase::Ringing {
            return;
        }
        if rings {
            self.mark(now, Milestone::DeviceRinging, Some(device), None);
            self.tell_caller(180);
        }
    }

    pub(super) fn answer(&mut self, now: Timestamp, device: DeviceId) {
        let branch = self.branches.entry(device).or_insert_with(|| Branch::new(false));
        branch.state = BranchState::Over;
        if self.phase != Phase::Ringing {
            let elsewhere = self.winner.is_some_and(|(winner, _)| winner != device);
            self.actions.push_back(Action::HangUpDevice { device, elsewhere });
            return;
        }
        self.winner = Some((device, now));
        self.mark(now, Milestone::Answered, Some(device), None);
        if self.direction == Direction::Outbound {
            self.phase = Phase::Dialling { device, absent_since: None };
            self.actions.push_back(Action::Dial(device));
        } else {
            self.phase = Phase::Joining(device);
            self.actions.push_back(Action::Join(device));
        }
        self.cancel_branches(now, true);
    }

    pub(super) fn refuse(&mut self, now: Timestamp, device: DeviceId, status: u16) {
        // What a person answers: 486 is about this device; 6xx is about the person (RFC 3261 §21.6, RFC 8197, RFC 8688), and the
        // policy says whether it speaks for the other devices. Any other refusal is the device's own.
        if !matches!(status, 486 | 600 | 603 | 607 | 608) {
            return self.fail_branch(now, device, status);
        }
        let Some(branch) = self.branches.get_mut(&device) else { return };
        branch.close(status);
        if self.phase != Phase::Ringing {
            return;
        }
        self.mark(now, Milestone::Declined, Some(device), Some(if status == 486 { "busy" } else { "declined" }));
        let stops_all = self.plan.as_ref().is_some_and(|plan| plan.decline == DeclinePolicy::StopAll);
        if stops_all && status != 486 {
            return self.end(now, self.unanswered(Outcome::Rejected), Farewell::Refuse(603));
        }
        self.end_if_hopeless(now);
    }

    pub(super) fn fail_branch(&mut self, now: Timestamp, device: DeviceId, status: u16) {
        let Some(branch) = self.branches.get_mut(&device) else { return };
        branch.close(status);
        if self.phase == Phase::Ringing {
            self.mark(now, Milestone::DeviceFailed, Some(device), Some(&status.to_string()));
            self.end_if_hopeless(now);
        }
    }

    /// The device is not where it is registered. One with a push token is woken and waited for: its dead contact must not
    /// cost it the call.
    pub(super) fn miss(&mut self, now: Timestamp, device: DeviceId, status: u16) {
        let can_still_come = self.branches.get_mut(&device).is_some_and(Branch::note_unreached);
        if self.phase != Phase::Ringing || !can_still_come {
            return self.fail_branch(now, device, status);
        }
        self.mark(now, Milestone::DeviceFailed, Some(device), Some(&status.to_string()));
        self.push_what_is_due(now);
    }
}
