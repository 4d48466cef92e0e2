//! The leg to the target of a transfer: an outbound call without a device.
//!
//! Its machine is that of any outbound call; where that would speak with a device, the call is told whose end is passed on.
//! It has no row, and its steps are shown with those of that call.

use callfield_domain::{CallId, Milestone, Outcome, TimelineEvent, Timestamp};

use super::call::{Action, Call, Event};
use super::{Origin, Outbound, Outbounds};
use crate::switchboard::call::Farewell;
use crate::switchboard::transfer::Passing;
use crate::switchboard::{DeviceIdentity, OutboundDecision, Output, Switchboard};

impl Outbounds {
    /// The number that a leg calls.
    pub(in crate::switchboard) fn called(&self, leg: CallId) -> Option<String> {
        Some(self.calls.get(&leg)?.call.plan()?.called.clone())
    }

    /// The call whose end is passed on to this leg.
    pub(in crate::switchboard) fn passed_to(&self, leg: CallId) -> Option<CallId> {
        self.calls.get(&leg)?.passes
    }

    /// What the shell decided of a call, unless it cannot be done: nobody is passed on to a colleague yet.
    pub(super) fn for_target(&self, leg: CallId, decision: OutboundDecision) -> OutboundDecision {
        match decision {
            OutboundDecision::Colleague(_) if self.passed_to(leg).is_some() => {
                OutboundDecision::Reject { status: 501, outcome: Outcome::Failed }
            }
            OutboundDecision::Dial(_) | OutboundDecision::Colleague(_) | OutboundDecision::Reject { .. } => decision,
        }
    }
}

impl Switchboard {
    /// Begins a leg to somebody to whom the end of `passes` is to be passed on.
    pub(in crate::switchboard) fn begin_target(
        &mut self,
        now: Timestamp,
        leg: CallId,
        passes: CallId,
        device: DeviceIdentity,
        to: &str,
    ) {
        let machine = Call::new(leg, device, to, &self.settings, now);
        let outbound = Outbound { passes: Some(passes), ..Outbound::new(machine, None) };
        self.outbound.calls.insert(leg, outbound);
        self.act_on_outbound(now, leg);
    }

    /// Whether the target and who is passed on could be joined.
    pub(in crate::switchboard) fn note_target_joined(&mut self, now: Timestamp, leg: CallId, is_there: bool) {
        self.tell_outbound(now, leg, Event::Joined { is_there });
    }

    /// Nobody is there any more to be passed on: the target is let go, whatever it does.
    pub(in crate::switchboard) fn let_target_go(&mut self, now: Timestamp, leg: CallId) {
        let is_talking = self.outbound.is_talking(leg);
        self.tell_outbound(now, leg, if is_talking { Event::DeviceHungUp } else { Event::Cancelled });
    }

    /// Tells an outbound call whose far end is passed on how that goes.
    pub(in crate::switchboard) fn pass_outbound(&mut self, now: Timestamp, call: CallId, passing: Passing) {
        self.tell_outbound(now, call, Event::Passing(passing));
    }

    /// The device of a call whose far end is passed on is let go; whether it hung up itself.
    pub(in crate::switchboard) fn release_origin(&mut self, now: Timestamp, call: CallId) -> bool {
        let Some(response) = self.outbound.origin(call).and_then(Origin::release) else {
            self.hang_up_origin(now, call);
            return false;
        };
        self.carry_to_origin(now, call, Some(response));
        true
    }

    /// Does what the leg to a target wants; what concerns a device concerns the call whose end is passed on.
    pub(super) fn perform_for_target(&mut self, now: Timestamp, leg: CallId, passes: CallId, action: Action) {
        match action {
            Action::Timeline(event) => self.show_step(passes, event),
            Action::AskOffer => self.outputs.push_back(Output::TransferOfferWanted { call: passes }),
            Action::AskAnswer => {
                if let Some(far) = self.far(leg) {
                    let target_sdp = std::mem::take(&mut far.sdp);
                    self.outputs.push_back(Output::TransferAnswerWanted { call: passes, target_sdp });
                }
            }
            Action::Ring => self.notify(now, passes, 180, false),
            Action::Accept => self.complete_transfer(now, passes),
            Action::HangUpDevice => self.lose_target(now, passes),
            Action::EndMedia => self.outputs.push_back(Output::TransferEnded { call: passes }),
            // There is one row, that of the call: it is waited for if the call is over too.
            Action::Persist(_) if self.transfers.is_over(passes) => {}
            Action::Persist(_) => self.tell_outbound(now, leg, Event::Persisted),
            Action::Finish(farewell) => {
                self.finish_far(now, leg);
                if let Farewell::Refuse(status) = farewell {
                    self.fail_transfer(now, passes, status);
                }
            }
            Action::Changed(_)
            | Action::ReleaseDevice
            | Action::CallColleague(_)
            | Action::TellInside(_)
            | Action::Over(_)
            | Action::FinishInside(_) => {}
            Action::Invite | Action::InviteNext | Action::Cancel | Action::HangUpFar => {
                self.perform_at_far(now, leg, &action);
            }
        }
    }

    /// Shows a step of the leg with those of the call: where it was sent, that it rings, that it answered.
    fn show_step(&mut self, call: CallId, event: TimelineEvent) {
        let is_shown = matches!(
            event.milestone,
            Milestone::Routed
                | Milestone::DeviceRinging
                | Milestone::Answered
                | Milestone::Declined
                | Milestone::Cancelled
        );
        if is_shown {
            self.outputs.push_back(Output::Timeline { call, event });
        }
    }
}
