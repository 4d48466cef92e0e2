//! What an outbound call wants done, done in SIP and asked of the shell.

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::call::{Action, Event};
use super::{Asked, Far};
use crate::message::Message;
use crate::switchboard::call::Farewell;
use crate::switchboard::memory::Remembered;
use crate::switchboard::outer::reason;
use crate::switchboard::{DeviceKind, OutboundDecision, Output, Switchboard, WokenCallState};
use crate::transaction::{ClientId, Flow, Input as Layer};

impl Switchboard {
    /// The shell decided what becomes of a call.
    pub(in crate::switchboard) fn route_outbound(&mut self, now: Timestamp, call: CallId, decision: OutboundDecision) {
        if let OutboundDecision::Reject { .. } = &decision
            && self.outbound.contains(call)
        {
            self.count("rejected");
        }
        self.tell_outbound(now, call, Event::Routed(decision));
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
        match action {
            Action::Persist(facts) => self.outputs.push_back(Output::Persist(facts)),
            Action::Changed(facts) => self.outputs.push_back(Output::CallChanged(facts)),
            Action::Timeline(event) => self.outputs.push_back(Output::Timeline { call, event }),
            Action::EndMedia => self.end_media(now, call),
            Action::AskOffer => self.ask_for_trunk_offer(call),
            Action::AskAnswer => self.ask_for_device_answer(call),
            Action::Ring => self.answer_origin(now, call, 180, None),
            Action::Accept => {
                let sdp = self.outbound.calls.get_mut(&call).and_then(|outbound| outbound.answer.take());
                self.answer_origin(now, call, 200, sdp);
            }
            Action::Invite => {
                let Some(far) = self.far(call) else { return };
                let (flow, invite) = (far.reach(), far.invite());
                self.request_far(now, call, Asked::Invite, flow, invite);
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
            Action::HangUpDevice => self.hang_up_origin(now, call),
            Action::Finish(farewell) => self.finish_outbound(now, call, farewell),
        }
    }

    fn ask_for_trunk_offer(&mut self, call: CallId) {
        let Some(outbound) = self.outbound.calls.get(&call) else { return };
        let (device, device_sdp) = (outbound.call.device().device, outbound.origin.sdp());
        let kind = if outbound.origin.desk.is_some() { DeviceKind::Desk } else { DeviceKind::Phone };
        self.outputs.push_back(Output::TrunkOfferWanted { call, device, kind, device_sdp });
    }

    fn ask_for_device_answer(&mut self, call: CallId) {
        let Some(far) = self.far(call) else { return };
        let trunk_sdp = std::mem::take(&mut far.sdp);
        self.outputs.push_back(Output::DeviceAnswerWanted { call, trunk_sdp });
    }

    pub(super) fn hang_up_origin(&mut self, now: Timestamp, call: CallId) {
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        let bye = outbound.origin.bye(now, &self.edge, &mut self.random);
        self.carry_to_origin(now, call, bye);
    }

    /// The row is durable: whoever waits for the end is told, and the call is only remembered.
    fn finish_outbound(&mut self, now: Timestamp, call: CallId, farewell: Farewell) {
        if let Farewell::Refuse(status) = farewell {
            self.answer_origin(now, call, status, None);
        }
        self.outbound.live -= 1;
        let Some(outbound) = self.outbound.calls.get_mut(&call) else { return };
        let identity = outbound.call.device();
        let own_bye = outbound.origin.bye_received.take();
        let far_byes = outbound.far.as_mut().map(|far| std::mem::take(&mut far.unanswered)).unwrap_or_default();
        if let Some(bye) = own_bye {
            let response = bye.response(200, reason(200)).build();
            self.carry_to_origin(now, call, Some(response));
        }
        for (id, bye) in far_byes {
            let response = bye.response(200, reason(200)).build();
            self.transactions.handle(now, Layer::Respond { id, response });
        }
        let owner = (identity.tenant, identity.user);
        let remembered = Remembered { owner, winner: Some(identity.device), state: WokenCallState::Over };
        self.memory.remember(now, call, remembered);
    }

    fn far_for(&mut self, call: CallId, sdp: Bytes) -> Option<Far> {
        let plan = self.outbound.calls.get(&call)?.call.plan()?.clone();
        Far::new(&plan, &self.settings, sdp, &mut self.random).ok()
    }

    fn far(&mut self, call: CallId) -> Option<&mut Far> {
        self.outbound.calls.get_mut(&call)?.far.as_mut()
    }

    /// A name for the next request.
    pub(in crate::switchboard) const fn new_client(&mut self) -> ClientId {
        self.next_client += 1;
        ClientId(self.next_client)
    }
}
