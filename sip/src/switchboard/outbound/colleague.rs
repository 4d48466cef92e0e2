//! Calls to a colleague: they ring like a call that comes in, and the device that calls is the caller.
//!
//! The call of the colleague's devices (`switchboard::call`) decides; here is what stands in for its outer leg.

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Timestamp};

use super::Outbounds;
use super::call::Event;
use crate::switchboard::call::{Call, Farewell};
use crate::switchboard::{Decision, DeviceKind, Side, Switchboard};

impl Outbounds {
    /// Whether a call is one to a colleague.
    pub(in crate::switchboard) fn is_inside(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|outbound| outbound.call.is_inside())
    }

    /// The side of a call on which the device that began it is.
    pub(in crate::switchboard) fn side_of_origin(&self, call: CallId) -> Side {
        if self.is_inside(call) { Side::Outside } else { Side::Device }
    }

    /// The device that calls a colleague.
    pub(in crate::switchboard) fn calling_colleague(&self, call: CallId) -> Option<DeviceId> {
        let outbound = self.calls.get(&call).filter(|outbound| outbound.call.is_inside())?;
        Some(outbound.call.device().device)
    }

    /// What the device that calls a colleague offers.
    pub(in crate::switchboard) fn offer_of_colleague(&self, call: CallId) -> Option<(Bytes, DeviceKind)> {
        let outbound = self.calls.get(&call).filter(|outbound| outbound.call.is_inside())?;
        let origin = outbound.origin.as_ref()?;
        Some((origin.sdp(), origin.kind()))
    }
}

impl Switchboard {
    /// Rings the devices of a colleague, unless they do not want that.
    pub(super) fn call_colleague(&mut self, now: Timestamp, call: CallId, decision: Decision) {
        let Some(outbound) = self.outbound.calls.get(&call) else { return };
        let started_at = outbound.call.started_at();
        // From now on it is counted among the calls that ring devices.
        self.outbound.live -= 1;
        self.calls.insert(call, Call::of_colleague(call, &self.settings, started_at));
        self.route(now, call, decision);
    }

    /// Answers the INVITE of the device that calls a colleague.
    pub(in crate::switchboard) fn answer_colleague(
        &mut self,
        now: Timestamp,
        call: CallId,
        status: u16,
        sdp: Option<Bytes>,
    ) {
        if self.outbound.is_inside(call) {
            self.answer_origin(now, call, status, sdp);
            self.settle_outbound(now, call);
        }
    }

    /// Ends the dialog with the device that calls a colleague.
    pub(in crate::switchboard) fn hang_up_colleague(&mut self, now: Timestamp, call: CallId) {
        if self.outbound.is_inside(call) {
            self.hang_up_origin(now, call);
        }
    }

    /// The row of a call to a colleague is durable: the device that calls hears of the end.
    pub(in crate::switchboard) fn finish_colleague(&mut self, now: Timestamp, call: CallId, farewell: Farewell) {
        if self.outbound.is_inside(call) {
            self.tell_outbound(now, call, Event::Over(farewell));
        }
    }
}
