//! What an outbound call wants done, done in SIP and asked of the shell.

use bytes::Bytes;
use callfield_domain::{CallId, Milestone, TimelineEvent, Timestamp};

use super::call::{Action, Event};
use super::{Asked, Far};
use crate::message::Message;
use crate::switchboard::call::{Event as Inner, Farewell};
use crate::switchboard::memory::Remembered;
use crate::switchboard::outer::reason;
use crate::switchboard::{DeviceIdentity, OutboundDecision, Output, Side, Switchboard, WokenCallState};
use crate::transaction::{ClientId, Flow, Input as Layer};

impl Switchboard {
    /// The shell decided what becomes of a call.
    pub(in crate::switchboard) fn route_outbound(&mut self, now: Timestamp, call: CallId, decision: OutboundDecision) {
        let decision = self.outbound.for_target(call, decision);
        if let OutboundDecision::Reject { .. } = &decision
            && self.outbound.contains(call)
        {
            self.count("rejected");
        }
        let capped = matches!(decision, OutboundDecision::Dial(_)).then(|| self.meter(now, call)).flatten();
        let event = capped.map_or(Event::Routed(decision), Event::Capped);
        self.tell_outbound(now, call, event);
    }

    /// Counts a call that may go out; what it ran into if its user or company has called enough.
    fn meter(&mut self, now: Timestamp, call: CallId) -> Option<&'static str> {
        let outbound = self.outbound.calls.get_mut(&call).filter(|outbound| outbound.call.is_routing())?;
        let DeviceIdentity { tenant, user, .. } = outbound.call.device();
        let taken = self.outbound.meter.take(now, (tenant, user), &self.settings.outbound_caps);
        outbound.is_metered = taken.is_ok();
        let reason = taken.err()?.reason();
        self.count(reason);
        Some(reason)
    }

    /// The shell made the offer for the trunk: the INVITE goes out.
    pub(in crate::switchboard) fn offer_to_trunk(&mut self, now: Timestamp, call: CallId, sdp: Option<Bytes>) {
        let far = sdp.and_then(|sdp| self.far_for(call, sdp));
        let (Some(outbound), is_there) = (self.outbound.calls.get_mut(&call), far.is_some()) else { return };
        if outbound.far.is_some() {
            return;
        }
        if let Some(far) = &far {
            self.outbound.by_far.insert(far.call_id().to_owned(), call);
        }
        outbound.far = far;
        self.tell_outbound(now, call, Event::Offered { is_there });
    }

    /// The shell made the answer for the device.
    pub(in crate::switchboard) fn answer_device_of(&mut self, now: Timestamp, call: CallId, sdp: Option<Bytes>) {
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        let is_there = sdp.is_some();
        outbound.answer = sdp;
        self.tell_outbound(now, call, Event::Joined { is_there });
    }

    /// Does what a call wants until it wants nothing more.
    pub(super) fn act_on_outbound(&mut self, now: Timestamp, call: CallId) {
        while let Some(action) = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.call.poll_output()) {
            self.perform_outbound(now, call, action);
        }
        self.settle_outbound(now, call);
    }

    /// Sends a request to the far end, in a transaction of its own.
    pub(super) fn request_far(&mut self, now: Timestamp, call: CallId, asked: Asked, flow: Flow, request: Message) {
        let id = self.new_client();
        self.outbound.by_client.insert(id, (call, asked));
        let far = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.far.as_mut());
        match (asked, far) {
            (Asked::Invite, Some(far)) => far.client = Some(id),
            (Asked::Bye, Some(far)) => far.bye = Some(id),
            (Asked::Invite | Asked::Bye | Asked::OriginBye | Asked::StrayBye, _) => {}
        }
        self.transactions.handle(now, Layer::Request { id, flow, request });
    }

    fn perform_outbound(&mut self, now: Timestamp, call: CallId, action: Action) {
        if let Some(passes) = self.outbound.passed_to(call) {
            return self.perform_for_target(now, call, passes, action);
        }
        match action {
            Action::Persist(facts) => self.outputs.push_back(Output::Persist(facts)),
            Action::Changed(facts) => self.outputs.push_back(Output::CallChanged(facts)),
            Action::Timeline(event) => self.outputs.push_back(Output::Timeline { call, event }),
            Action::EndMedia => self.end_media(now, call),
            Action::CallColleague(decision) => self.call_colleague(now, call, decision),
            Action::TellInside(event) => self.tell(now, call, event),
            Action::AskOffer => self.ask_for_trunk_offer(call),
            Action::AskAnswer => self.ask_for_device_answer(call),
            Action::Over(outcome) => self.tell(now, call, Inner::FarOver(outcome)),
            Action::Accept if self.outbound.is_part(call) => {
                self.tell(now, call, Inner::Joined);
                self.watch_session(now, (call, Side::Outside));
            }
            Action::Ring => self.answer_origin(now, call, 180, None),
            Action::Accept => {
                let sdp = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.answer.take());
                self.answer_origin(now, call, 200, sdp);
                self.watch_session(now, (call, Side::Outside));
            }
            Action::HangUpDevice => self.hang_up_origin(now, call),
            Action::ReleaseDevice => {
                let device = self.outbound.calls.get(&call).map(|outbound| outbound.call.device().device);
                device.into_iter().for_each(|device| self.release_device(now, call, device));
            }
            Action::Finish(farewell) => self.finish_outbound(now, call, farewell),
            Action::FinishInside(farewell) => drop(self.say_farewell(now, call, farewell)),
            Action::Invite | Action::InviteNext | Action::Cancel | Action::HangUpFar => {
                self.perform_at_far(now, call, &action);
            }
        }
    }

    /// Does what a call wants of its far end.
    pub(super) fn perform_at_far(&mut self, now: Timestamp, call: CallId, action: &Action) {
        match action {
            Action::Invite => self.invite_far(now, call),
            Action::InviteNext => {
                self.leave_far(now, call);
                self.invite_far(now, call);
            }
            Action::Cancel => {
                if let Some(id) = self.far(call).and_then(|far| far.client) {
                    self.transactions.handle(now, Layer::Cancel { id, reason: None });
                }
            }
            Action::HangUpFar => {
                let bye = self.far(call).and_then(|far| Some((far.reach(), far.bye()?)));
                if let Some((flow, bye)) = bye {
                    self.request_far(now, call, Asked::Bye, flow, bye);
                }
            }
            Action::CallColleague(_)
            | Action::TellInside(_)
            | Action::AskOffer
            | Action::Ring
            | Action::AskAnswer
            | Action::Accept
            | Action::HangUpDevice
            | Action::ReleaseDevice
            | Action::EndMedia
            | Action::Over(_)
            | Action::Persist(_)
            | Action::Changed(_)
            | Action::Timeline(_)
            | Action::Finish(_)
            | Action::FinishInside(_) => {}
        }
    }

    /// Calls the far end over the trunk whose turn it is, unless that has enough calls.
    fn invite_far(&mut self, now: Timestamp, call: CallId) {
        let Some(outbound) = self.outbound.calls.get(&call) else { return };
        let (Some(hop), Some(far)) = (outbound.call.hop(), &outbound.far) else { return };
        if self.outbound.is_full(hop) {
            self.count("trunk_full");
            return self.tell_outbound(now, call, Event::TrunkFull);
        }
        let (trunk, flow, invite) = (hop.trunk, far.reach(), far.invite());
        self.outbound.hold(call, Some(trunk));
        let (milestone, detail) = (Milestone::InviteForwarded, Some(trunk.to_string()));
        let event = TimelineEvent { at: now, milestone, device: None, detail };
        let shown = self.outbound.passed_to(call).unwrap_or(call);
        self.outputs.push_back(Output::Timeline { call: shown, event });
        self.request_far(now, call, Asked::Invite, flow, invite);
    }

    /// Leaves the trunk that was tried and makes the leg over the next one, with the same offer.
    fn leave_far(&mut self, now: Timestamp, call: CallId) {
        self.outbound.hold(call, None);
        let Some(left) = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.far.take()) else { return };
        if let Some(id) = left.client {
            self.transactions.handle(now, Layer::Cancel { id, reason: None });
        }
        let next = self.far_for(call, left.offer());
        if let Some(next) = &next {
            self.outbound.by_far.insert(next.call_id().to_owned(), call);
        }
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        outbound.former.push(left);
        outbound.far = next;
    }

    fn ask_for_trunk_offer(&mut self, call: CallId) {
        let Some(outbound) = self.outbound.calls.get(&call) else { return };
        let device = outbound.call.device().device;
        let Some(origin) = &outbound.origin else { return self.ask_for_far_offer(device, call) };
        let (device_sdp, kind) = (origin.sdp(), origin.kind());
        self.outputs.push_back(Output::TrunkOfferWanted { call, device, kind, device_sdp });
    }

    fn ask_for_device_answer(&mut self, call: CallId) {
        let Some(far) = self.far(call) else { return };
        let trunk_sdp = std::mem::take(&mut far.sdp);
        let is_part = self.outbound.is_part(call);
        self.outputs.push_back(match is_part {
            true => Output::FarAnswered { call, far_sdp: trunk_sdp },
            false => Output::DeviceAnswerWanted { call, trunk_sdp },
        });
    }

    pub(super) fn hang_up_origin(&mut self, now: Timestamp, call: CallId) {
        let Some(origin) = self.outbound.origin(call) else { return };
        let bye = origin.bye(now, &self.edge, &mut self.random);
        self.carry_to_origin(now, call, bye);
    }

    /// The row is durable: whoever waits for the end is told, and the call is only remembered.
    fn finish_outbound(&mut self, now: Timestamp, call: CallId, farewell: Farewell) {
        self.outbound.live -= 1;
        let Some(identity) = self.say_farewell(now, call, farewell) else { return };
        self.finish_transfer(now, call);
        let owner = (identity.tenant, identity.user);
        let remembered = Remembered { owner, winner: Some(identity.device), state: WokenCallState::Over };
        self.memory.remember(now, call, remembered);
    }

    /// Tells both ends what they wait for; the device that called.
    fn say_farewell(&mut self, now: Timestamp, call: CallId, farewell: Farewell) -> Option<DeviceIdentity> {
        if let Farewell::Refuse(status) = farewell {
            self.answer_origin(now, call, status, None);
        }
        let outbound = self.outbound.calls.get_mut(&call)?;
        let identity = outbound.call.device();
        if let Some(bye) = outbound.origin().and_then(|origin| origin.bye_received.take()) {
            let response = bye.response(200, reason(200)).build();
            self.carry_to_origin(now, call, Some(response));
        }
        self.finish_far(now, call);
        Some(identity)
    }

    /// The far end is told at last, and neither its trunk nor the meter counts the call any more.
    pub(super) fn finish_far(&mut self, now: Timestamp, call: CallId) {
        self.outbound.hold(call, None);
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        if std::mem::take(&mut outbound.is_metered) {
            let DeviceIdentity { tenant, user, .. } = outbound.call.device();
            self.outbound.meter.release((tenant, user));
        }
        let byes = outbound.far.as_mut().map(|far| std::mem::take(&mut far.unanswered)).unwrap_or_default();
        for (id, bye) in byes {
            let response = bye.response(200, reason(200)).build();
            self.transactions.handle(now, Layer::Respond { id, response });
        }
    }

    fn far_for(&mut self, call: CallId, sdp: Bytes) -> Option<Far> {
        let machine = &self.outbound.calls.get(&call)?.call;
        Far::new(machine.plan()?, machine.hop()?, &self.settings, sdp, &mut self.random).ok()
    }

    pub(super) fn far(&mut self, call: CallId) -> Option<&mut Far> {
        self.outbound.calls.get_mut(&call)?.far.as_mut()
    }

    /// A name for the next request.
    pub(in crate::switchboard) const fn new_client(&mut self) -> ClientId {
        self.next_client += 1;
        ClientId(self.next_client)
    }
}
