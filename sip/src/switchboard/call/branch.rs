//! One device of a call: waiting for it, invited, ringing, or done with.

use std::time::Duration;

use callfield_domain::{CallId, DeviceId, Timestamp};

use crate::switchboard::Why;

/// How far a device came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BranchState {
    /// Not registered.
    Waiting,
    /// Its INVITE is out, nothing came back; from `silent_at` on the device is pushed too (`None`: already so).
    Invited { silent_at: Option<Timestamp> },
    /// It sent a 1xx.
    Progressing,
    /// It answered, refused, failed or was cancelled.
    Over,
}

/// One device of a call.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub(super) state: BranchState,
    has_push: bool,
    first_push_at: Option<Timestamp>,
    next_push_at: Option<Timestamp>,
    pushes: u32,
    is_awake: bool,
    has_rung: bool,
    refusal: Option<u16>,
}

impl Branch {
    pub(super) const fn new(has_push: bool) -> Self {
        Self {
            state: BranchState::Waiting,
            has_push,
            first_push_at: None,
            next_push_at: None,
            pushes: 0,
            is_awake: false,
            has_rung: false,
            refusal: None,
        }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        matches!(self.state, BranchState::Waiting)
    }

    pub(super) const fn is_over(&self) -> bool {
        matches!(self.state, BranchState::Over)
    }

    /// Whether an INVITE is out and wants to be taken back when the call ends.
    pub(super) const fn is_invited(&self) -> bool {
        matches!(self.state, BranchState::Invited { .. } | BranchState::Progressing)
    }

    pub(super) const fn was_pushed(&self) -> bool {
        self.pushes > 0
    }

    pub(super) const fn has_rung(&self) -> bool {
        self.has_rung
    }

    /// The status with which the device refused or failed.
    pub(super) const fn refusal(&self) -> Option<u16> {
        self.refusal
    }

    /// Whether somebody may still answer on this device.
    pub(super) const fn is_hopeful(&self) -> bool {
        self.is_invited() || (self.is_waiting() && self.has_push)
    }

    /// The device was not reached where it is registered; false if there is no other way to it.
    pub(super) const fn note_unreached(&mut self) -> bool {
        if self.has_push && self.is_invited() {
            self.state = BranchState::Waiting;
        }
        self.is_hopeful()
    }

    /// Whether the user of the device would not learn of the call by itself: it could have been woken, did not ring, did not ask
    /// how the call stands, and did not refuse it.
    pub(super) const fn has_missed(&self) -> bool {
        let has_refused = matches!(self.refusal, Some(status) if status != 408 && status != 503);
        self.has_push && !self.has_rung && !self.is_awake && !has_refused
    }

    /// Ends the branch with the status of a final response.
    pub(super) const fn close(&mut self, status: u16) {
        self.state = BranchState::Over;
        self.refusal = Some(status);
    }

    /// Notes that the push arrived: no further one is needed.
    pub(super) const fn note_awake(&mut self) {
        self.is_awake = true;
        self.next_push_at = None;
    }

    /// Notes a 1xx; true if it told something new.
    pub(super) const fn note_progress(&mut self, rings: bool) -> bool {
        let was_invited = matches!(self.state, BranchState::Invited { .. });
        if was_invited {
            self.state = BranchState::Progressing;
        }
        let rings_first = rings && !self.has_rung && matches!(self.state, BranchState::Progressing);
        self.has_rung |= rings_first;
        was_invited || rings_first
    }

    /// Counts a push if one is due, and says which attempt it is.
    pub(super) fn push_if_due(&mut self, now: Timestamp, retries: &[Duration]) -> Option<u32> {
        if self.push_at(now)? > now {
            return None;
        }
        let attempt = self.pushes;
        let first = *self.first_push_at.get_or_insert(now);
        self.pushes += 1;
        self.next_push_at = retries.get(usize::try_from(attempt).ok()?).map(|after| first + *after);
        if let BranchState::Invited { silent_at } = &mut self.state {
            *silent_at = None;
        }
        Some(attempt)
    }

    /// The branch's own deadline.
    pub(super) fn deadline(&self, call: CallId, device: DeviceId) -> Option<(Timestamp, Why)> {
        // A push that is due at once has been sent by whatever made it due.
        let at = self.push_at(Timestamp::ZERO)?;
        let is_first = self.pushes == 0;
        Some((at, if is_first { Why::Silence(call, device) } else { Why::PushRetry(call, device) }))
    }

    /// When the next push is to go out: at `now` if there is no reason to wait.
    fn push_at(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.has_push || self.is_awake {
            return None;
        }
        match self.state {
            BranchState::Waiting | BranchState::Invited { silent_at: None } if self.pushes == 0 => Some(now),
            BranchState::Waiting | BranchState::Invited { silent_at: None } => self.next_push_at,
            BranchState::Invited { silent_at: Some(at) } if self.pushes == 0 => Some(at),
            // It was pushed before it came, and is now silent on the connection it came by: the retries go on.
            BranchState::Invited { silent_at: Some(at) } => self.next_push_at.map(|next| next.max(at)),
            BranchState::Progressing | BranchState::Over => None,
        }
    }
}
