//! Outbound calls: a device calls somebody over a trunk.
//!
//! Each has an *origin*, the leg of the device, and a *far* leg, an INVITE of the edge's own. As with inbound calls, messages
//! become events of a [`call::Call`], which alone decides, and its actions become messages: `from_device` and `from_far` read
//! what comes, `perform` does what a call wants.

mod call;
mod callback;
mod caps;
mod colleague;
mod desk;
mod far;
mod from_device;
mod from_far;
mod origin;
mod perform;
mod target;

use std::collections::BTreeMap;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Timestamp, TrunkId};

use super::{Alarm, DeviceIdentity, DialPlan, Hop, Side, Switchboard, TrunkAccount, Why, WokenCallState};
use crate::dialog::Dialog;
use crate::message::Message;
use crate::session::Terms;
use crate::transaction::{ClientId, Flow, ServerId};
use call::{Call, Event};
use caps::Meter;
use far::Far;
use origin::Origin;

/// A device's call, with both of its legs. It outlives its end until both sides have heard of it.
struct Outbound {
    call: Call,
    /// The leg of the device that calls; none if the device was rung first: then it has an inner leg. None either of a leg
    /// to which somebody is passed on.
    origin: Option<Origin>,
    /// The call whose end is passed on to this leg.
    passes: Option<CallId>,
    /// Whom to call once the own user has answered, of a call that rings them first.
    prepared: Option<DialPlan>,
    /// The leg over the trunk whose turn it is.
    far: Option<Far>,
    /// Legs over trunks that were left for the next one, until they are over.
    former: Vec<Far>,
    /// The trunk that counts this call among its own.
    held: Option<TrunkId>,
    /// Whether the meter counts this call.
    is_metered: bool,
    /// The SDP answer for the device.
    answer: Option<Bytes>,
}

impl Outbound {
    fn new(call: Call, origin: Option<Origin>) -> Self {
        Self {
            call,
            origin,
            passes: None,
            prepared: None,
            far: None,
            former: Vec::new(),
            held: None,
            is_metered: false,
            answer: None,
        }
    }

    /// The leg of the device that calls.
    const fn origin(&mut self) -> Option<&mut Origin> {
        self.origin.as_mut()
    }

    /// The leg with this Call-ID.
    fn far_named(&mut self, call_id: &str) -> Option<&mut Far> {
        self.far.iter_mut().chain(&mut self.former).find(|far| far.call_id() == call_id)
    }

    fn fars(&self) -> impl Iterator<Item = &Far> {
        self.far.iter().chain(&self.former)
    }

    fn is_former(&self, call_id: &str) -> bool {
        self.former.iter().any(|far| far.call_id() == call_id)
    }
}

/// What a request to the far end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Invite,
    Bye,
    /// To the desk phone that called.
    OriginBye,
    /// Of a branch of a fork that is not wanted: nobody waits for its end.
    StrayBye,
}

/// The outbound calls of one node.
#[derive(Default)]
pub(super) struct Outbounds {
    calls: BTreeMap<CallId, Outbound>,
    /// How many are not over.
    live: usize,
    /// By the Call-ID that the device chose.
    by_origin: BTreeMap<(DeviceId, String), CallId>,
    /// By the Call-ID that the edge chose.
    by_far: BTreeMap<String, CallId>,
    by_client: BTreeMap<ClientId, (CallId, Asked)>,
    /// How many calls each trunk has now.
    on_trunk: BTreeMap<TrunkId, u32>,
    meter: Meter,
    /// By the INVITE of a desk phone.
    by_server: BTreeMap<ServerId, CallId>,
    /// The desk phones that call, by what names their dialogs.
    desks: BTreeMap<(String, String), DeviceId>,
}

impl Outbounds {
    /// How many are not over.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// Whether no call is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.by_far.is_empty() && self.on_trunk.is_empty()
    }

    pub(super) fn contains(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    /// Whether a call is one of these that goes out, or the far half of one.
    pub(super) fn goes_out(&self, call: CallId) -> bool {
        self.contains(call) && !self.is_inside(call)
    }

    /// How a call stands for a device that names it; `None` if it is no outbound call.
    pub(super) fn state(&self, call: CallId, device: DeviceIdentity) -> Option<WokenCallState> {
        let outbound = self.calls.get(&call)?;
        // Whom it rings is known to the call of the colleague's devices.
        let is_theirs = outbound.call.is_inside() && outbound.call.device() != device;
        (!is_theirs && !outbound.call.is_part()).then(|| outbound.call.woken_state(device))
    }

    /// Whether a trunk has as many calls as it may.
    fn is_full(&self, hop: &Hop) -> bool {
        let calls = self.on_trunk.get(&hop.trunk).copied().unwrap_or_default();
        hop.max_calls.is_some_and(|limit| calls >= limit)
    }

    /// Counts a call at this trunk, and at no other.
    fn hold(&mut self, call: CallId, trunk: Option<TrunkId>) {
        let Some(outbound) = self.calls.get_mut(&call) else { return };
        let before = std::mem::replace(&mut outbound.held, trunk);
        if let Some(left) = before.and_then(|before| self.on_trunk.get_mut(&before)) {
            *left -= 1;
        }
        if let Some(trunk) = trunk {
            *self.on_trunk.entry(trunk).or_default() += 1;
        }
        self.on_trunk.retain(|_, calls| *calls > 0);
    }

    /// The device that began a call that goes out, unless it has left the far end to somebody else.
    pub(super) fn device_of(&self, call: CallId) -> Option<DeviceId> {
        let is_elsewhere = |call: &Call| call.is_inside() || call.is_part() || call.has_passed();
        let outbound = self.calls.get(&call)?;
        let is_own = outbound.passes.is_none() && !is_elsewhere(&outbound.call);
        is_own.then(|| outbound.call.device().device)
    }

    /// Whether a call is one of these and its two ends are connected.
    pub(super) fn is_talking(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|outbound| outbound.call.is_talking())
    }

    /// Whether the device has confirmed the answer to its INVITE.
    pub(super) fn is_confirmed(&self, call: CallId) -> bool {
        let origin = self.calls.get(&call).and_then(|outbound| outbound.origin.as_ref());
        origin.is_none_or(Origin::is_confirmed)
    }

    /// The dialog of a leg.
    pub(super) fn dialog_with(&mut self, call: CallId, side: Side) -> Option<&mut Dialog> {
        let outbound = self.calls.get_mut(&call)?;
        match side {
            Side::Outside if !outbound.call.is_inside() => outbound.far.as_mut()?.dialog(),
            Side::Outside | Side::Device => Some(outbound.origin.as_mut()?.dialog()),
        }
    }

    /// The leg of the device that began a call.
    fn origin(&mut self, call: CallId) -> Option<&mut Origin> {
        self.calls.get_mut(&call)?.origin()
    }

    /// What the edge proves itself to the trunk of a call with.
    pub(super) fn account(&self, call: CallId) -> Option<TrunkAccount> {
        self.calls.get(&call)?.far.as_ref()?.account.clone()
    }

    /// What was agreed on with an end of a call by its first INVITE.
    pub(super) fn terms(&self, call: CallId, side: Side) -> Option<&Terms> {
        let outbound = self.calls.get(&call)?;
        match (side, outbound.call.is_inside()) {
            (Side::Outside, false) => outbound.far.as_ref().map(Far::terms),
            (Side::Outside, true) | (Side::Device, false) => outbound.origin.as_ref().map(Origin::terms),
            (Side::Device, true) => None,
        }
    }

    /// Where requests to the far end go.
    pub(super) fn reach(&self, call: CallId) -> Option<Flow> {
        self.calls.get(&call)?.far.as_ref().map(Far::reach)
    }

    /// The call whose Call-ID a message of its far end has.
    pub(super) fn call_of_far(&self, message: &Message) -> Option<CallId> {
        self.by_far.get(message.call_id()).copied()
    }

    /// The calls that a device began.
    pub(super) fn of_device(&self, device: DeviceId) -> Vec<CallId> {
        let begin = (device, String::new());
        let own = self.by_origin.range(begin..).take_while(|((of, _), _)| *of == device);
        own.map(|(_, call)| *call).collect()
    }
}

impl Switchboard {
    /// Tells the calls that a device began that it is not registered any more.
    pub(super) fn lose_caller_device(&mut self, now: Timestamp, device: DeviceId) {
        for call in self.outbound.of_device(device) {
            self.tell_outbound(now, call, Event::ConnectionLost);
        }
    }

    /// A device has a new connection: sends what it has missed, and ends the calls it does not know any more.
    pub(super) fn resume_outbound(&mut self, now: Timestamp, device: DeviceId, named: &[CallId]) {
        for call in self.outbound.of_device(device) {
            let origin = self.outbound.calls.get(&call).and_then(|outbound| outbound.origin.as_ref());
            for bytes in origin.map(Origin::unconfirmed).unwrap_or_default() {
                self.transmit_to(device, Some(bytes));
            }
            self.tell_outbound(now, call, Event::Registered { is_known: named.contains(&call) });
        }
    }

    /// The row of a call is on disk.
    pub(super) fn note_outbound_durable(&mut self, now: Timestamp, call: CallId) {
        self.tell_outbound(now, call, Event::Persisted);
    }

    /// One end of a call is gone; both are told.
    pub(super) fn lose_outbound_leg(&mut self, now: Timestamp, call: CallId, side: Side) {
        let event = match side {
            Side::Outside => Event::FarHungUp,
            Side::Device => Event::DeviceHungUp,
        };
        self.tell_outbound(now, call, event);
    }

    /// Tells a call what happened, and does what it wants.
    fn tell_outbound(&mut self, now: Timestamp, call: CallId, event: Event) {
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        outbound.call.handle(now, event);
        self.act_on_outbound(now, call);
    }

    pub(super) fn wake_outbound(&mut self, now: Timestamp, call: CallId) {
        self.repeat_to_desk(now, call);
        if let Some(outbound) = self.outbound.calls.get_mut(&call) {
            outbound.call.handle_timeout(now);
        }
        self.act_on_outbound(now, call);
    }

    /// Lets a call go when it is over and both ends have heard of it; else sets its next deadline.
    fn settle_outbound(&mut self, now: Timestamp, call: CallId) {
        let Some(outbound) = self.outbound.calls.get(&call) else { return };
        let origin = outbound.origin.as_ref();
        let is_done = origin.is_none_or(|origin| origin.is_done(now)) && outbound.fars().all(|far| far.is_done(now));
        if !(outbound.call.is_gone() && is_done) {
            let device = outbound.call.device().device;
            let gone_at = origin.and_then(Origin::gone_at);
            let expected = gone_at.into_iter().chain(outbound.fars().filter_map(Far::lingers_until));
            let closing = expected.filter(|at| *at > now).map(|at| (at, Why::Closing(call, device)));
            let repetition = origin.and_then(|origin| origin.desk.as_ref()?.repetition.as_ref());
            let repeated = repetition.map(|repetition| (repetition.deadline(), Why::AnswerRetransmit(call)));
            let deadline = outbound.call.poll_timeout().into_iter().chain(closing).chain(repeated).min();
            return self.agenda.set(Alarm::Outbound(call), deadline);
        }
        self.agenda.set(Alarm::Outbound(call), None);
        let Some(gone) = self.outbound.calls.remove(&call) else { return };
        for far in gone.fars() {
            self.outbound.by_far.remove(far.call_id());
        }
        let Some(origin) = &gone.origin else { return };
        self.outbound.by_origin.remove(&(gone.call.device().device, origin.call_id().to_owned()));
        if let Some(desk) = &origin.desk {
            self.outbound.by_server.remove(&desk.server);
            self.outbound.desks.remove(&origin.name());
        }
    }
}
