//! Calls that ring their own user first (P8, P9; RFC 3725): the user's devices like a call that comes in, then the far end.
//!
//! The call of the devices (`switchboard::call`) decides and has the row; the outbound call is its far half. The edge anchors
//! media, so each leg has an offer and an answer of its own at once: the device gets a full offer and is acknowledged before
//! the far end is called, and neither has to wait for the other's SDP.

use callfield_domain::{CallId, DeviceId, TenantId, Timestamp, UserId};

use super::call::{Call, Event};
use super::{Outbound, Outbounds};
use crate::switchboard::call::{Call as Rung, Event as Inner, Farewell};
use crate::switchboard::{CallBack, CallbackRefusal, Decision, DeviceIdentity, Output, RingPlan, Switchboard};

impl Outbounds {
    /// Whether a call is the far half of one that rings its own user first.
    pub(in crate::switchboard) fn is_part(&self, call: CallId) -> bool {
        self.calls.get(&call).is_some_and(|outbound| outbound.call.is_part())
    }
}

impl Switchboard {
    /// Rings the devices of a user who wants to call somebody.
    pub(in crate::switchboard) fn call_back(&mut self, now: Timestamp, wish: CallBack) {
        let CallBack { call, ring, only, dial } = wish;
        let devices = self.devices_to_ring(&ring, only);
        let refused = self.reason_not_to_call_back(now, call, &ring, &devices);
        if let Some(CallbackRefusal::Capped(reason)) = refused {
            self.count(reason);
        }
        self.outputs.push_back(Output::CallbackBegun { call, refused });
        let Some(device) = devices.first().copied().filter(|_| refused.is_none()) else { return };
        let identity = DeviceIdentity { tenant: ring.tenant, user: ring.user, device };
        let mut outbound = Outbound::new(Call::part(call, identity, &self.settings, now), None);
        (outbound.is_metered, outbound.prepared) = (true, Some(dial));
        self.outbound.calls.insert(call, outbound);
        self.calls.insert(call, Rung::of_own_user(call, only, &self.settings, now));
        self.act(now, call);
        self.route(now, call, Decision::Ring(ring));
    }

    /// Ends a call that rang its own user first, whatever its state.
    pub(in crate::switchboard) fn end_callback(
        &mut self,
        now: Timestamp,
        call: CallId,
        tenant: TenantId,
        user: Option<UserId>,
    ) {
        let owner = self.calls.get(&call).filter(|_| self.outbound.is_part(call)).and_then(Rung::owner);
        let is_found = owner.is_some_and(|(of, by)| of == tenant && user.is_none_or(|user| user == by));
        if is_found {
            self.tell(now, call, Inner::CallerHungUp);
        }
        self.outputs.push_back(Output::CallbackEnded { call, is_found });
    }

    /// A device of the user answered: the far end is called.
    pub(in crate::switchboard) fn dial_far(&mut self, now: Timestamp, device: DeviceId, call: CallId) {
        let Some(leg) = self.inner.leg(device, call) else { return };
        let ack = leg.ack(&self.edge, None, &mut self.random);
        self.carry(now, device, call, ack);
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        let identity = DeviceIdentity { device, ..outbound.call.device() };
        if let Some(plan) = outbound.prepared.take() {
            outbound.call.begin(now, identity, plan);
        }
        self.act_on_outbound(now, call);
    }

    /// Asks for the offer to the far end.
    pub(super) fn ask_for_far_offer(&mut self, device: DeviceId, call: CallId) {
        let Some(leg) = self.inner.leg(device, call) else { return };
        let device_sdp = std::mem::take(&mut leg.sdp);
        self.outputs.push_back(Output::FarOfferWanted { call, device, device_sdp });
    }

    /// The call is over for the user: so it is for the far end.
    pub(in crate::switchboard) fn let_far_half_go(&mut self, now: Timestamp, call: CallId) {
        if self.outbound.is_part(call) {
            let event = if self.outbound.is_talking(call) { Event::DeviceHungUp } else { Event::Cancelled };
            self.tell_outbound(now, call, event);
        }
    }

    /// The row is durable: a far half that was never begun is forgotten, any other hears of it.
    pub(in crate::switchboard) fn finish_far_half(&mut self, now: Timestamp, call: CallId, farewell: Farewell) {
        if self.outbound.is_part(call) {
            self.tell_outbound(now, call, Event::Over(farewell));
            self.tell_outbound(now, call, Event::Persisted);
        }
    }

    /// The devices that are there or can be woken, of those that may ring.
    fn devices_to_ring(&self, ring: &RingPlan, only: Option<DeviceId>) -> Vec<DeviceId> {
        let is_there = |device: DeviceId| self.bindings.binding(device).is_some();
        let targets = ring.targets.iter().filter(|target| target.has_push || is_there(target.device));
        let bound = self.bindings.of_user(ring.tenant, ring.user);
        let devices = targets.map(|target| target.device).chain(bound);
        devices.filter(|device| only.is_none_or(|only| only == *device)).collect()
    }

    fn reason_not_to_call_back(
        &mut self,
        now: Timestamp,
        call: CallId,
        ring: &RingPlan,
        devices: &[DeviceId],
    ) -> Option<CallbackRefusal> {
        if self.is_known(call) {
            return Some(CallbackRefusal::Reused);
        }
        if devices.is_empty() {
            return Some(CallbackRefusal::NoDevice);
        }
        if self.live_calls() >= self.settings.max_calls {
            return Some(CallbackRefusal::Full);
        }
        let taken = self.outbound.meter.take(now, (ring.tenant, ring.user), &self.settings.outbound_caps);
        taken.err().map(|cap| CallbackRefusal::Capped(cap.reason()))
    }
}
