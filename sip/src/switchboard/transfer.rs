//! Transfers: a device asks (REFER, RFC 3515) that whoever it talks with be passed on to somebody else.
//!
//! A REFER ends here and is never passed on. The target is called like anybody that the device calls itself: the shell
//! decides, caps count, trunks are tried in turn. That leg is an outbound call without a device (`outbound::target`); it has
//! an id of its own that nobody outside knows. When the target answers, it takes the device's place; until then
//! nothing changes for the two who talk, and nothing at all if it does not answer.
//!
//! What crosses: a device that hangs up after its REFER leaves the other end waiting for the target; who is passed on and
//! hangs up takes the target's INVITE back; an end of the call ends both.

mod notify;
mod refer;

use std::collections::BTreeMap;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Timestamp};

use super::call::Event;
use super::changes::Key;
use super::{Side, Switchboard};
use crate::message::Message;

/// What becomes of a call whose one end is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Passing {
    /// The device asks for it.
    Asked,
    /// The target could not be reached, or refused: a SIP status.
    Failed(u16),
    /// The target answered and takes the device's place.
    Done {
        /// The number that was called.
        to: String,
    },
    /// The target hung up.
    TargetHungUp,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The target is being called.
    Calling,
    /// It could not be reached; the device may ask again.
    Failed,
    /// It talks.
    Joined,
    /// The call that was passed on is over.
    Over,
}

/// The last transfer of a call.
struct Transfer {
    /// The leg to the target.
    leg: CallId,
    device: DeviceId,
    /// The number of the REFER: it names the subscription.
    cseq: u32,
    stage: Stage,
    /// Whether the device has ended its dialog.
    has_left: bool,
    /// What a phone has not answered: it goes out again on its next connection.
    unheard: Vec<Message>,
}

/// The transfers of the calls that live.
#[derive(Default)]
pub(super) struct Transfers {
    of: BTreeMap<CallId, Transfer>,
}

impl Transfers {
    /// The leg that is to take the device's place.
    fn calling(&self, call: CallId) -> Option<CallId> {
        self.of.get(&call).filter(|transfer| transfer.stage == Stage::Calling).map(|transfer| transfer.leg)
    }

    /// The leg that took the device's place.
    pub(super) fn target(&self, call: CallId) -> Option<CallId> {
        self.of.get(&call).filter(|transfer| transfer.stage == Stage::Joined).map(|transfer| transfer.leg)
    }

    /// Whether the call is over whose end was passed on.
    pub(super) fn is_over(&self, call: CallId) -> bool {
        self.of.get(&call).is_none_or(|transfer| transfer.stage == Stage::Over)
    }

    /// Whether nothing is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }
}

impl Switchboard {
    /// The shell made the offer for a target, or cannot.
    pub(super) fn offer_to_target(&mut self, now: Timestamp, call: CallId, sdp: Option<Bytes>) {
        if let Some(leg) = self.transfers.calling(call) {
            self.offer_to_trunk(now, leg, sdp);
        }
    }

    /// The shell joined the target that answered with who is passed on, or could not.
    pub(super) fn join_target(&mut self, now: Timestamp, call: CallId, is_joined: bool) {
        if let Some(leg) = self.transfers.calling(call) {
            self.note_target_joined(now, leg, is_joined);
        }
    }

    /// The target takes the device's place.
    pub(super) fn complete_transfer(&mut self, now: Timestamp, call: CallId) {
        self.end_changes_of(now, (call, Side::Device));
        self.notify(now, call, 200, true);
        if let Some(transfer) = self.transfers.of.get_mut(&call) {
            transfer.stage = Stage::Joined;
        }
        let target = self.transfers.target(call).and_then(|leg| self.outbound.called(leg));
        self.tell_passing(now, call, Passing::Done { to: target.unwrap_or_default() });
        self.watch_session(now, (call, Side::Device));
        self.renew(now, (call, Side::Outside));
    }

    /// The target cannot be reached, or refused.
    pub(super) fn fail_transfer(&mut self, now: Timestamp, call: CallId, status: u16) {
        let Some(transfer) = self.transfers.of.get_mut(&call).filter(|transfer| transfer.stage == Stage::Calling)
        else {
            return;
        };
        transfer.stage = Stage::Failed;
        self.notify(now, call, status, true);
        self.tell_passing(now, call, Passing::Failed(status));
    }

    /// The target hung up.
    pub(super) fn lose_target(&mut self, now: Timestamp, call: CallId) {
        self.tell_passing(now, call, Passing::TargetHungUp);
    }

    /// A call that may be passed on is over: its target is told.
    pub(super) fn end_transfer(&mut self, now: Timestamp, call: CallId) {
        let Some(transfer) = self.transfers.of.get_mut(&call) else { return };
        let was = std::mem::replace(&mut transfer.stage, Stage::Over);
        let leg = transfer.leg;
        match was {
            Stage::Calling => {
                self.notify(now, call, 487, true);
                self.let_target_go(now, leg);
            }
            Stage::Joined => self.let_target_go(now, leg),
            Stage::Failed | Stage::Over => {}
        }
    }

    /// The row of a call is on disk: its target's goodbye is answered too.
    pub(super) fn finish_transfer(&mut self, now: Timestamp, call: CallId) {
        if let Some(transfer) = self.transfers.of.remove(&call) {
            self.note_outbound_durable(now, transfer.leg);
        }
    }

    /// A device is let go: it has hung up itself, or is told to.
    pub(super) fn release_device(&mut self, now: Timestamp, call: CallId, device: DeviceId) {
        let has_hung_up = if self.outbound.contains(call) {
            self.release_origin(now, call)
        } else if self.inner.leg(device, call).is_some_and(|leg| leg.bye_received.is_some()) {
            self.confirm_hang_up(now, device, call);
            true
        } else {
            self.hang_up_device(now, device, call, false);
            false
        };
        if let Some(transfer) = self.transfers.of.get_mut(&call) {
            transfer.has_left |= has_hung_up;
        }
    }

    /// The call and the side that a request of a far end is about: a target stands where the device stood.
    pub(super) fn side_of_far(&self, call: CallId) -> Key {
        self.outbound.passed_to(call).map_or((call, Side::Outside), |passed| (passed, Side::Device))
    }

    fn tell_passing(&mut self, now: Timestamp, call: CallId, passing: Passing) {
        if self.outbound.contains(call) {
            self.pass_outbound(now, call, passing);
        } else {
            self.tell(now, call, Event::Passing(passing));
        }
    }
}
