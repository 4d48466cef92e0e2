//! One inbound call at the level of events: who is woken, who is invited, who wins, how it ends.
//!
//! No SIP is spoken here: the switchboard turns messages into [`Event`]s and [`Action`]s into messages. What must hold of
//! every call is decided in this one place: a device is invited by one INVITE at a time and never again after it declined,
//! failed or was cancelled; nobody is woken after the end; the outcome is set once; the far end hears of the end only
//! when the row is durable.

mod branch;
mod ending;
mod event;
mod passing;
mod ringing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use callfield_domain::{
    CallFacts, CallId, CallState, DeviceId, Direction, Milestone, Outcome, TenantId, TimelineEvent, Timestamp, UserId,
};

use super::{Party, RingPlan, Settings, Why, WokenCallState};
use branch::Branch;
use ending::Ending;
pub(super) use ending::Farewell;
pub(super) use event::{Action, Event};

/// How long the device that answered may be without a connection before the call is ended.
const ABSENCE_LIMIT: Duration = Duration::from_secs(60);

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// The shell decides; a caller who gives up meanwhile is remembered so that the call still gets its row.
    Routing { caller_gone: bool },
    /// Waiting for a device.
    Ringing,
    /// A device answered, the caller's SDP is being made.
    Joining(DeviceId),
    /// A device of the user who wants to call somebody answered, and the far end is called.
    Dialling { device: DeviceId, absent_since: Option<Timestamp> },
    /// Connected.
    Talking { device: DeviceId, absent_since: Option<Timestamp> },
    /// The device has left: the caller talks, or waits to talk, with somebody it was passed on to.
    Passed,
    /// Over, but not yet durable.
    Ending(Ending),
    /// Over and durable.
    Gone(Ending),
}

/// One inbound call.
pub(super) struct Call {
    id: CallId,
    direction: Direction,
    from: String,
    to: String,
    started_at: Timestamp,
    ring_ends_at: Timestamp,
    push_retries: Vec<Duration>,
    silence_limit: Duration,
    persist_limit: Duration,
    phase: Phase,
    plan: Option<RingPlan>,
    branches: BTreeMap<DeviceId, Branch>,
    progress: u16,
    winner: Option<(DeviceId, Timestamp)>,
    /// Whether somebody is being called to pass the caller on to.
    is_referring: bool,
    transferred_to: Option<String>,
    /// When the far end answered, of a call that rings its own user first.
    far_answered_at: Option<Timestamp>,
    /// The only device that may ring, if the user chose one.
    only: Option<DeviceId>,
    actions: VecDeque<Action>,
}

impl Call {
    /// A call whose INVITE has just come.
    pub(super) fn new(id: CallId, from: &str, to: &str, settings: &Settings, now: Timestamp) -> Self {
        let mut call = Self::unmarked(id, from, to, settings, now);
        call.mark(now, Milestone::Invited, None, None);
        call
    }

    /// A call of one of our users to another, whose INVITE came from a device and is on the timeline already.
    pub(super) fn of_colleague(id: CallId, settings: &Settings, started_at: Timestamp) -> Self {
        Self { direction: Direction::Internal, ..Self::unmarked(id, "", "", settings, started_at) }
    }

    /// A call that one of our users wants to make: it rings their own devices (or `only` one of them) first.
    pub(super) fn of_own_user(id: CallId, only: Option<DeviceId>, settings: &Settings, now: Timestamp) -> Self {
        let unmarked = Self::unmarked(id, "", "", settings, now);
        let mut call = Self { direction: Direction::Outbound, only, ..unmarked };
        call.mark(now, Milestone::Requested, None, None);
        call
    }

    fn unmarked(id: CallId, from: &str, to: &str, settings: &Settings, now: Timestamp) -> Self {
        Self {
            id,
            direction: Direction::Inbound,
            from: from.to_owned(),
            to: to.to_owned(),
            started_at: now,
            ring_ends_at: now + settings.ring_limit.min(super::RING_CAP),
            push_retries: settings.push_retries.clone(),
            silence_limit: settings.silence_limit,
            persist_limit: settings.persist_limit,
            phase: Phase::Routing { caller_gone: false },
            plan: None,
            branches: BTreeMap::new(),
            progress: 0,
            winner: None,
            is_referring: false,
            transferred_to: None,
            far_answered_at: None,
            only: None,
            actions: VecDeque::new(),
        }
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Routed { decision, bound } => self.route(now, decision, &bound),
            Event::Registered(device) => self.register(now, device),
            Event::Refreshed(device) => self.refresh(now, device),
            Event::Forgotten(device) if self.is_on(device) => self.lose_device(now),
            Event::Forgotten(_) => {}
            Event::ConnectionLost(device) => self.lose_connection(now, device),
            Event::StateAsked(device) => self.note_awake(now, device),
            Event::Progressed { device, rings } => self.progress(now, device, rings),
            Event::Answered(device) => self.answer(now, device),
            Event::Refused { device, status } => self.refuse(now, device, status),
            Event::Unreached { device, status } => self.miss(now, device, status),
            Event::OfferFailed(device) => self.fail_branch(now, device, 488),
            Event::Joined => self.join(now),
            Event::FarOver(outcome) => self.end_far(now, outcome),
            Event::JoinFailed => self.fail_join(now),
            Event::CallerCancelled => self.cancel(now),
            Event::CallerHungUp => self.hang_up(now, None),
            Event::CallerLost => self.lose_caller(now, Outcome::Failed),
            Event::CallerGone if self.is_talking() => self.lose_caller(now, Outcome::Completed),
            Event::CallerGone => self.cancel(now),
            Event::DeviceHungUp(device) => self.hang_up(now, Some(device)),
            Event::Passing(passing) => self.pass(now, passing),
            Event::Persisted => self.note_durable(now),
        }
    }

    /// Does what is due at `now`.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        match &self.phase {
            Phase::Routing { .. } | Phase::Joining(_) if self.ring_ends_at <= now => {
                self.mark(now, Milestone::RingLimit, None, None);
                self.end(now, Outcome::Failed, Farewell::Refuse(500));
            }
            Phase::Ringing if self.ring_ends_at <= now => self.give_up(now),
            Phase::Ringing => self.push_what_is_due(now),
            Phase::Talking { absent_since: Some(since), .. } | Phase::Dialling { absent_since: Some(since), .. }
                if *since + ABSENCE_LIMIT <= now =>
            {
                self.lose_device(now);
            }
            Phase::Ending(ending) if ending.overdue_at <= now => self.finish(),
            Phase::Routing { .. }
            | Phase::Joining(_)
            | Phase::Dialling { .. }
            | Phase::Talking { .. }
            | Phase::Passed
            | Phase::Ending(_)
            | Phase::Gone(_) => {}
        }
    }

    /// The earliest deadline, and why.
    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        let ring_limit = (self.ring_ends_at, Why::RingLimit(self.id));
        match &self.phase {
            Phase::Routing { .. } | Phase::Joining(_) => Some(ring_limit),
            Phase::Ringing => {
                let pushes = self.branches.iter().filter_map(|(device, branch)| branch.deadline(self.id, *device));
                pushes.chain([ring_limit]).min()
            }
            Phase::Talking { absent_since, .. } | Phase::Dialling { absent_since, .. } => {
                absent_since.map(|at| (at + ABSENCE_LIMIT, Why::DeviceLost(self.id)))
            }
            Phase::Ending(ending) => Some((ending.overdue_at, Why::PersistLimit(self.id))),
            Phase::Passed | Phase::Gone(_) => None,
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether nothing is left to do for this call.
    #[cfg(test)]
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone(_))
    }

    /// Whose call it is, once the shell decided.
    pub(super) fn owner(&self) -> Option<(TenantId, UserId)> {
        self.plan.as_ref().map(|plan| (plan.tenant, plan.user))
    }

    /// The device that answered.
    pub(super) fn winner(&self) -> Option<DeviceId> {
        self.winner.map(|(device, _)| device)
    }

    /// How the call stands for devices that did not answer it, once it is over.
    pub(super) fn state_for_others(&self) -> WokenCallState {
        match &self.phase {
            Phase::Ending(ending) | Phase::Gone(ending) => ending.state_for_others(self.winner.is_some()),
            Phase::Routing { .. }
            | Phase::Ringing
            | Phase::Joining(_)
            | Phase::Dialling { .. }
            | Phase::Talking { .. }
            | Phase::Passed => WokenCallState::Ringing,
        }
    }

    /// Whom the call rings, and as what.
    pub(super) const fn plan(&self) -> Option<&RingPlan> {
        self.plan.as_ref()
    }

    /// When it has rung long enough.
    pub(super) const fn ring_ends_at(&self) -> Timestamp {
        self.ring_ends_at
    }

    /// Whether the call is connected to this device.
    pub(super) fn is_talking_on(&self, device: DeviceId) -> bool {
        matches!(&self.phase, Phase::Talking { device: talking, .. } if *talking == device)
    }

    /// The device that answered, unless it has left the caller to somebody else.
    pub(super) fn talker(&self) -> Option<DeviceId> {
        self.winner().filter(|_| self.phase != Phase::Passed)
    }

    /// Whether this device answered and has not hung up.
    pub(super) fn is_on(&self, device: DeviceId) -> bool {
        self.is_talking_on(device)
            || matches!(self.phase, Phase::Dialling { device: dialling, .. } if dialling == device)
    }

    /// Whether a device has answered, and the two ends are not connected yet.
    pub(super) const fn is_early(&self) -> bool {
        matches!(self.phase, Phase::Joining(_) | Phase::Dialling { .. })
    }

    /// Whether the call is connected.
    const fn is_talking(&self) -> bool {
        matches!(self.phase, Phase::Talking { .. })
    }

    /// Whether the caller's SDP is being made.
    pub(super) const fn is_joining(&self) -> bool {
        matches!(self.phase, Phase::Joining(_))
    }

    /// Everybody under whose name the call can be found.
    pub(super) fn parties(&self) -> Vec<Party> {
        let plan = self.plan.iter();
        plan.flat_map(|plan| {
            let devices = plan.targets.iter().map(|target| Party::Device(target.device));
            devices.chain([Party::User(plan.tenant, plan.user)])
        })
        .collect()
    }

    /// Whether the call is for a device of `user` of `tenant`, or for this device in particular.
    pub(super) fn concerns(&self, tenant: TenantId, user: UserId, device: DeviceId) -> bool {
        let of_user = self.plan.as_ref().is_some_and(|plan| plan.tenant == tenant && plan.user == user);
        of_user || self.branches.contains_key(&device)
    }

    /// Whether a device was pushed for this call.
    pub(super) fn was_pushed(&self, device: DeviceId) -> bool {
        self.branches.get(&device).is_some_and(Branch::was_pushed)
    }

    /// How the call stands for a device that was woken for it.
    pub(super) fn woken_state(&self, device: DeviceId) -> WokenCallState {
        match &self.phase {
            Phase::Routing { .. } => WokenCallState::Ringing,
            Phase::Ringing if self.branches.get(&device).is_some_and(Branch::is_over) => WokenCallState::Over,
            Phase::Ringing => WokenCallState::Ringing,
            Phase::Joining(winner) | Phase::Dialling { device: winner, .. } | Phase::Talking { device: winner, .. } => {
                elsewhere_unless(*winner == device, WokenCallState::Ringing)
            }
            Phase::Passed => elsewhere_unless(self.winner() == Some(device), WokenCallState::Over),
            Phase::Ending(ending) | Phase::Gone(ending) => match self.winner {
                Some((winner, _)) => elsewhere_unless(winner == device, WokenCallState::Over),
                None => ending.state_for_others(false),
            },
        }
    }

    fn join(&mut self, now: Timestamp) {
        let (device, absent_since) = match self.phase {
            Phase::Joining(device) => (device, None),
            Phase::Dialling { device, absent_since } => (device, absent_since),
            Phase::Routing { .. }
            | Phase::Ringing
            | Phase::Talking { .. }
            | Phase::Passed
            | Phase::Ending(_)
            | Phase::Gone(_) => return,
        };
        self.far_answered_at = Some(now);
        self.phase = Phase::Talking { device, absent_since };
        self.actions.extend(self.facts(CallState::InProgress).map(Action::Changed));
    }

    fn tell_caller(&mut self, status: u16) {
        // 180 outranks 182: who hears ringing must not be put back into a queue.
        if self.progress != 180 && self.progress != status {
            self.progress = status;
            self.actions.push_back(Action::Progress(status));
        }
    }

    fn mark(&mut self, at: Timestamp, milestone: Milestone, device: Option<DeviceId>, detail: Option<&str>) {
        let event = TimelineEvent { at, milestone, device, detail: detail.map(str::to_owned) };
        self.actions.push_back(Action::Timeline(event));
    }

    fn facts(&self, state: CallState) -> Option<CallFacts> {
        let plan = self.plan.as_ref()?;
        let (from, to, answered_at) = match self.direction {
            Direction::Inbound | Direction::Internal => (&plan.caller, &plan.called, self.winner.map(|(_, at)| at)),
            // The plan is that of the own user's devices, which are shown the far end.
            Direction::Outbound => (&plan.called, &plan.caller, self.far_answered_at),
        };
        Some(CallFacts {
            id: self.id,
            tenant: plan.tenant,
            direction: self.direction,
            from: from.clone(),
            to: to.clone(),
            user: Some(plan.user),
            device: self.winner(),
            state,
            outcome: None,
            started_at: self.started_at,
            answered_at,
            ended_at: None,
            transferred_to: self.transferred_to.clone(),
        })
    }
}

const fn elsewhere_unless(own: bool, state: WokenCallState) -> WokenCallState {
    if own { state } else { WokenCallState::AnsweredElsewhere }
}
