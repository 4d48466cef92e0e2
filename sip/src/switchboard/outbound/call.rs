//! One outbound call at the level of events: routed, offered to the far end, ringing there, connected, over.
//!
//! No SIP is spoken here. What must hold of every outbound call is decided in this one place: the far end is called once,
//! the outcome is set once, and whoever waits for the end hears of it only when the row is durable.

mod ending;
mod event;
mod hops;
mod inside;
mod passing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use callfield_domain::{CallFacts, CallId, CallState, Direction, Milestone, TimelineEvent, Timestamp};

use crate::extension::WokenCallState;
use crate::switchboard::call::Farewell;
use crate::switchboard::{DeviceIdentity, DialPlan, OutboundDecision, RING_CAP, Settings, Why};
pub(in crate::switchboard) use event::{Action, Event};

/// How long the device that calls may be without a connection before its call is ended.
const ABSENCE_LIMIT: Duration = Duration::from_secs(60);

/// Where an outbound call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The shell decides.
    Routing,
    /// The offer for the trunk is being made.
    Offering,
    /// The INVITE is out; until when the trunk may be silent.
    Calling { rings: bool, silent_until: Option<Timestamp> },
    /// The far end answered, the device's SDP is being made.
    Joining,
    /// Connected.
    Talking,
    /// The device has left: the far end talks, or waits to talk, with somebody it was passed on to.
    Passed,
    /// A colleague is called: the call of the colleague's devices decides, and hears what the device that calls does.
    Inside,
    /// Over, but not yet durable.
    Ending { overdue_at: Timestamp, farewell: Farewell },
    /// Over and durable.
    Gone,
}

/// One outbound call.
pub(super) struct Call {
    id: CallId,
    device: DeviceIdentity,
    dialled: String,
    phase: Phase,
    plan: Option<DialPlan>,
    /// Whether it is only the far half of a call that rings its own user first: that call has the row.
    is_part: bool,
    /// Which of the plan's trunks has its turn.
    turn: usize,
    started_at: Timestamp,
    answered_at: Option<Timestamp>,
    absent_since: Option<Timestamp>,
    /// Whether somebody is being called to pass the far end on to.
    is_referring: bool,
    transferred_to: Option<String>,
    persist_limit: Duration,
    actions: VecDeque<Action>,
}

impl Call {
    /// A call whose INVITE has just come from a device.
    pub(super) fn new(id: CallId, device: DeviceIdentity, dialled: &str, settings: &Settings, now: Timestamp) -> Self {
        let mut call = Self {
            id,
            device,
            dialled: dialled.to_owned(),
            phase: Phase::Routing,
            plan: None,
            is_part: false,
            turn: 0,
            started_at: now,
            answered_at: None,
            absent_since: None,
            is_referring: false,
            transferred_to: None,
            persist_limit: settings.persist_limit,
            actions: VecDeque::new(),
        };
        call.mark_device(now, Milestone::Invited, None);
        call
    }

    /// The far half of a call that rings its own user first; it waits until a device of theirs has answered.
    pub(super) fn part(id: CallId, device: DeviceIdentity, settings: &Settings, now: Timestamp) -> Self {
        let mut call = Self { is_part: true, ..Self::new(id, device, "", settings, now) };
        call.actions.clear();
        call
    }

    /// A device of the user answered: the far end is called for it.
    pub(super) fn begin(&mut self, now: Timestamp, device: DeviceIdentity, plan: DialPlan) {
        (self.device, self.started_at) = (device, now);
        self.route(now, OutboundDecision::Dial(plan));
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Routed(decision) => self.route(now, decision),
            Event::Capped(cap) => self.cap(now, cap),
            Event::Offered { is_there } => self.offer(now, is_there),
            Event::Heard => self.hear(),
            Event::TrunkFull => self.pass_on(now, 503, "full"),
            Event::Rings => self.ring(now),
            Event::Answered => self.answer(now),
            Event::Refused(status) => self.refuse(now, status),
            Event::Joined { is_there } => self.join(now, is_there),
            Event::Cancelled => self.cancel(now),
            Event::DeviceHungUp => self.hang_up(now, true),
            Event::FarHungUp => self.hang_up(now, false),
            Event::ConnectionLost => self.absent_since = Some(now),
            Event::Registered { is_known: true } => self.absent_since = None,
            Event::Registered { is_known: false } | Event::DeviceLost => self.lose_device(now),
            Event::Passing(passing) => self.pass(now, passing),
            Event::Persisted => self.note_durable(now),
            Event::Over(farewell) => self.end_inside(farewell),
        }
    }

    /// Does what is due at `now`.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        let is_due = self.poll_timeout().is_some_and(|(at, _)| at <= now);
        match self.phase {
            Phase::Ending { .. } if is_due => self.finish(),
            Phase::Routing
            | Phase::Offering
            | Phase::Calling { .. }
            | Phase::Joining
            | Phase::Talking
            | Phase::Inside
                if self.absence_ends_at().is_some_and(|at| at <= now) =>
            {
                self.lose_device(now);
            }
            Phase::Routing | Phase::Offering | Phase::Joining if is_due => {
                self.fail(now, 500);
            }
            Phase::Calling { .. } if is_due && self.ring_ends_at() <= now => self.give_up(now),
            Phase::Calling { .. } if is_due => self.pass_on(now, 408, "silent"),
            Phase::Routing
            | Phase::Offering
            | Phase::Calling { .. }
            | Phase::Joining
            | Phase::Talking
            | Phase::Passed
            | Phase::Inside
            | Phase::Ending { .. }
            | Phase::Gone => {}
        }
    }

    /// The earliest deadline, and why.
    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        let absence = self.absence_ends_at().map(|at| (at, Why::DeviceLost(self.id)));
        let ring_limit = (self.ring_ends_at(), Why::RingLimit(self.id));
        match self.phase {
            Phase::Calling { silent_until, .. } => {
                let silence = silent_until.map(|at| (at, Why::TrunkSilence(self.id)));
                absence.into_iter().chain([ring_limit]).chain(silence).min()
            }
            Phase::Routing | Phase::Offering | Phase::Joining => absence.into_iter().chain([ring_limit]).min(),
            Phase::Talking | Phase::Inside => absence,
            Phase::Ending { overdue_at, .. } => Some((overdue_at, Why::PersistLimit(self.id))),
            Phase::Passed | Phase::Gone => None,
        }
    }

    /// The next thing to do.
    pub(super) fn poll_output(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether nothing is left to do for this call.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Gone
    }

    /// Whether the shell has still to decide.
    pub(super) fn is_routing(&self) -> bool {
        self.phase == Phase::Routing
    }

    /// Whether the far end was called and has not answered.
    pub(super) const fn is_calling(&self) -> bool {
        matches!(self.phase, Phase::Calling { .. })
    }

    /// Whether the two ends are connected.
    pub(super) fn is_talking(&self) -> bool {
        self.phase == Phase::Talking
    }

    /// Whether the device has left the far end to somebody else.
    pub(super) fn has_passed(&self) -> bool {
        self.phase == Phase::Passed
    }

    /// Whether it is only the far half of a call that rings its own user first.
    pub(super) const fn is_part(&self) -> bool {
        self.is_part
    }

    /// Whether a colleague is called.
    pub(super) fn is_inside(&self) -> bool {
        self.phase == Phase::Inside
    }

    /// When the INVITE came.
    pub(super) const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The device that calls.
    pub(super) const fn device(&self) -> DeviceIdentity {
        self.device
    }

    /// Whom it calls, and over what.
    pub(super) const fn plan(&self) -> Option<&DialPlan> {
        self.plan.as_ref()
    }

    /// How the call stands for a device that names it.
    pub(super) fn woken_state(&self, device: DeviceIdentity) -> WokenCallState {
        match self.phase {
            _ if self.device != device => WokenCallState::Unknown,
            Phase::Passed | Phase::Ending { .. } | Phase::Gone => WokenCallState::Over,
            Phase::Routing
            | Phase::Offering
            | Phase::Calling { .. }
            | Phase::Joining
            | Phase::Talking
            | Phase::Inside => WokenCallState::Ringing,
        }
    }

    fn route(&mut self, now: Timestamp, decision: OutboundDecision) {
        if self.phase != Phase::Routing {
            return;
        }
        match decision {
            OutboundDecision::Dial(plan) => {
                self.mark(now, Milestone::Routed, Some(&plan.why));
                self.plan = Some(plan);
                self.phase = Phase::Offering;
                self.actions.push_back(Action::AskOffer);
                self.show(CallState::Queued);
            }
            OutboundDecision::Colleague(decision) => {
                self.phase = Phase::Inside;
                self.actions.push_back(Action::CallColleague(decision));
            }
            OutboundDecision::Reject { status, outcome } => {
                self.mark(now, Milestone::Routed, Some("rejected"));
                self.end(now, outcome, Farewell::Refuse(status));
            }
        }
    }

    fn offer(&mut self, now: Timestamp, is_there: bool) {
        if self.phase != Phase::Offering {
            return;
        }
        if !is_there {
            return self.fail(now, 488);
        }
        self.phase = Phase::Calling { rings: false, silent_until: self.silent_until(now) };
        self.actions.push_back(Action::Invite);
    }

    fn ring_ends_at(&self) -> Timestamp {
        self.started_at + RING_CAP
    }

    fn ring(&mut self, now: Timestamp) {
        let Phase::Calling { rings: false, .. } = self.phase else { return };
        self.phase = Phase::Calling { rings: true, silent_until: None };
        self.mark(now, Milestone::DeviceRinging, None);
        self.actions.push_back(Action::Ring);
        self.show(CallState::Ringing);
    }

    fn answer(&mut self, now: Timestamp) {
        match self.phase {
            Phase::Calling { .. } => {
                self.phase = Phase::Joining;
                self.answered_at = Some(now);
                self.mark(now, Milestone::Answered, None);
                self.actions.push_back(Action::AskAnswer);
            }
            // The answer and the CANCEL crossed.
            Phase::Ending { .. } | Phase::Gone => self.actions.push_back(Action::HangUpFar),
            Phase::Routing | Phase::Offering | Phase::Joining | Phase::Talking | Phase::Passed | Phase::Inside => {}
        }
    }

    fn join(&mut self, now: Timestamp, is_there: bool) {
        if self.phase != Phase::Joining {
            return;
        }
        if !is_there {
            return self.fail(now, 488);
        }
        self.phase = Phase::Talking;
        self.actions.push_back(Action::Accept);
        self.show(CallState::InProgress);
    }

    fn absence_ends_at(&self) -> Option<Timestamp> {
        self.absent_since.map(|at| at + ABSENCE_LIMIT)
    }

    fn show(&mut self, state: CallState) {
        if self.is_part {
            return;
        }
        self.actions.push_back(Action::Changed(self.facts(state)));
    }

    fn facts(&self, state: CallState) -> CallFacts {
        let plan = self.plan.as_ref();
        CallFacts {
            id: self.id,
            tenant: self.device.tenant,
            direction: Direction::Outbound,
            from: plan.map(|plan| plan.caller.clone()).unwrap_or_default(),
            to: plan.map_or_else(|| self.dialled.clone(), |plan| plan.called.clone()),
            user: Some(self.device.user),
            device: Some(self.device.device),
            state,
            outcome: None,
            started_at: self.started_at,
            answered_at: self.answered_at,
            ended_at: None,
            transferred_to: self.transferred_to.clone(),
        }
    }

    fn mark(&mut self, at: Timestamp, milestone: Milestone, detail: Option<&str>) {
        let event = TimelineEvent { at, milestone, device: None, detail: detail.map(str::to_owned) };
        self.actions.push_back(Action::Timeline(event));
    }

    fn mark_device(&mut self, at: Timestamp, milestone: Milestone, detail: Option<&str>) {
        let device = Some(self.device.device);
        let event = TimelineEvent { at, milestone, device, detail: detail.map(str::to_owned) };
        self.actions.push_back(Action::Timeline(event));
    }
}
