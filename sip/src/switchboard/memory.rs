//! Ended calls, remembered for a while: a phone that wakes late must learn that it need not ring.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use callfield_domain::{CallId, DeviceId, TenantId, Timestamp, UserId};

use super::{DeviceIdentity, WokenCallState};

/// What is left of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Whose call it was.
    pub(super) owner: (TenantId, UserId),
    /// The device that answered.
    pub(super) winner: Option<DeviceId>,
    /// How it stands for any other device.
    pub(super) state: WokenCallState,
}

/// The calls that ended lately: bounded in number and in time.
pub(super) struct Memory {
    lifetime: Duration,
    size: usize,
    calls: BTreeMap<CallId, Remembered>,
    order: VecDeque<(Timestamp, CallId)>,
}

impl Memory {
    pub(super) const fn new(lifetime: Duration, size: usize) -> Self {
        Self { lifetime, size, calls: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Remembers a call, at the cost of the oldest if there are too many.
    pub(super) fn remember(&mut self, now: Timestamp, call: CallId, remembered: Remembered) {
        self.calls.insert(call, remembered);
        self.order.push_back((now + self.lifetime, call));
        if self.order.len() > self.size {
            self.forget_oldest();
        }
    }

    /// How an ended call stands for a device.
    pub(super) fn state(&self, call: CallId, device: DeviceIdentity) -> WokenCallState {
        match self.calls.get(&call) {
            Some(call) if call.owner != (device.tenant, device.user) => WokenCallState::Unknown,
            Some(call) if call.winner == Some(device.device) => WokenCallState::Over,
            Some(call) => call.state,
            None => WokenCallState::Unknown,
        }
    }

    /// Whether the call ended lately.
    pub(super) fn holds(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// Forgets what is old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.next_deadline().is_some_and(|at| at <= now) {
            self.forget_oldest();
        }
    }

    /// When the oldest may be forgotten.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.order.front().map(|(at, _)| *at)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, call)) = self.order.pop_front() {
            self.calls.remove(&call);
        }
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Random, Seed};

    use super::*;

    fn story() -> (Memory, DeviceIdentity, CallId) {
        let mut random = Random::new(Seed::from_number(1));
        let phone = DeviceIdentity {
            tenant: TenantId::new(Timestamp::ZERO, &mut random),
            user: UserId::new(Timestamp::ZERO, &mut random),
            device: DeviceId::new(Timestamp::ZERO, &mut random),
        };
        let mut memory = Memory::new(Duration::from_secs(10), 2);
        let call = CallId::new(Timestamp::ZERO, &mut random);
        let owner = (phone.tenant, phone.user);
        let remembered = Remembered { owner, winner: None, state: WokenCallState::Cancelled };
        memory.remember(Timestamp::ZERO, call, remembered);
        (memory, phone, call)
    }

    #[test]
    fn a_late_phone_learns_that_the_caller_gave_up() {
        let (memory, phone, call) = story();
        assert_eq!(memory.state(call, phone), WokenCallState::Cancelled);
    }

    #[test]
    fn a_phone_of_somebody_else_learns_nothing() {
        let (memory, phone, call) = story();
        let stranger = UserId::new(Timestamp::ZERO, &mut Random::new(Seed::from_number(2)));
        assert_eq!(memory.state(call, DeviceIdentity { user: stranger, ..phone }), WokenCallState::Unknown);
    }

    #[test]
    fn an_old_call_is_forgotten() {
        let (mut memory, phone, call) = story();
        memory.forget(Timestamp::from_millis(9_999));
        assert!(memory.holds(call));
        memory.forget(Timestamp::from_millis(10_000));
        assert_eq!(memory.state(call, phone), WokenCallState::Unknown);
        assert_eq!(memory.next_deadline(), None);
    }

    #[test]
    fn one_call_too_many_costs_the_oldest() {
        let (mut memory, phone, call) = story();
        let mut random = Random::new(Seed::from_number(3));
        let remembered = Remembered { owner: (phone.tenant, phone.user), winner: None, state: WokenCallState::Over };
        for _ in 0..2 {
            memory.remember(Timestamp::ZERO, CallId::new(Timestamp::ZERO, &mut random), remembered);
        }
        assert!(!memory.holds(call));
    }
}
