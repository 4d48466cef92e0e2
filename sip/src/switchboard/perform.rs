//! What a call wants done, done in SIP and asked of the shell.

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Milestone, TimelineEvent, Timestamp};

use super::call::{Action, Event, Farewell};
use super::caller::address_of;
use super::inner::Carrier;
use super::memory::Remembered;
use super::outer::{DEVICE_ALLOW, OuterLeg, reason};
use super::push_offer::without_push;
use super::softphone::softphone_call_id;
use super::{Alarm, Decision, Output, Party, Switchboard, Why};
use crate::extension::{CALL_HEADER, Ending};
use crate::message::{Message, Method, NameAddr, RequestBuilder};
use crate::transaction::Input as Layer;
use crate::uri::Uri;

impl Switchboard {
    /// Tells a call what happened, and does what it wants.
    pub(super) fn tell(&mut self, now: Timestamp, call: CallId, event: Event) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        live.handle(now, event);
        self.act(now, call);
    }

    /// Tells every call that has a leg with a device that it is not registered any more.
    pub(super) fn lose_device(&mut self, now: Timestamp, device: DeviceId) {
        for call in self.inner.calls_of(device) {
            self.tell(now, call, Event::ConnectionLost(device));
        }
        self.lose_caller_device(now, device);
    }

    pub(super) fn wake_call(&mut self, now: Timestamp, call: CallId) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        live.handle_timeout(now);
        self.act(now, call);
    }

    /// The shell decided whom the call rings.
    pub(super) fn route(&mut self, now: Timestamp, call: CallId, decision: Decision) {
        if !self.calls.contains_key(&call) {
            return;
        }
        let mut bound = Vec::new();
        match &decision {
            Decision::Ring(plan) => {
                bound = self.bindings.of_user(plan.tenant, plan.user);
                let targets = plan.targets.iter().map(|target| target.device);
                let registered: Vec<DeviceId> =
                    targets.clone().filter(|device| self.bindings.binding(*device).is_some()).collect();
                bound.extend(registered);
                bound.sort();
                bound.dedup();
                self.calls_of.entry(Party::User(plan.tenant, plan.user)).or_default().insert(call);
                for device in targets {
                    self.calls_of.entry(Party::Device(device)).or_default().insert(call);
                }
            }
            Decision::Spare { .. } => self.count("not_wanted"),
            Decision::Reject { tenant: None, .. } => self.count("unknown_source"),
            Decision::Reject { tenant: Some(_), .. } => self.count("rejected"),
        }
        self.tell(now, call, Event::Routed { decision, bound });
    }

    /// The shell made the SDP offer for a device: the INVITE goes out.
    pub(super) fn offer(&mut self, now: Timestamp, call: CallId, device: DeviceId, sdp: Option<Bytes>) {
        if self.inner.leg(device, call).is_none_or(|leg| leg.is_invited()) {
            return;
        }
        let invite = sdp.and_then(|sdp| self.invite_for(now, call, device, sdp));
        let (Some(invite), Some(leg)) = (invite, self.inner.leg(device, call)) else {
            self.drop_inner(device, call);
            return self.tell(now, call, Event::OfferFailed(device));
        };
        leg.invite(invite.clone());
        self.inner.name(invite.call_id(), device, call);
        self.carry(now, device, call, Some(invite));
        let milestone = Milestone::InviteForwarded;
        let event = TimelineEvent { at: now, milestone, device: Some(device), detail: None };
        self.outputs.push_back(Output::Timeline { call, event });
    }

    /// The shell made the caller's SDP of the device's answer.
    pub(super) fn join(&mut self, now: Timestamp, call: CallId, sdp: Option<Bytes>) {
        if !self.calls.get(&call).is_some_and(super::Call::is_joining) {
            return;
        }
        let Some(sdp) = sdp else { return self.tell(now, call, Event::JoinFailed) };
        if let Some(leg) = self.outer.get_mut(&call) {
            let id = leg.server;
            if let Some(response) = leg.accept(now, sdp) {
                self.transactions.handle(now, Layer::Respond { id, response });
            }
        } else {
            self.answer_colleague(now, call, 200, Some(sdp));
        }
        self.tell(now, call, Event::Joined);
        self.settle_outer(call);
    }

    /// Does what a call wants until it wants nothing more.
    pub(super) fn act(&mut self, now: Timestamp, call: CallId) {
        while let Some(action) = self.calls.get_mut(&call).and_then(super::Call::poll_output) {
            self.perform(now, call, action);
        }
        let deadline = self.calls.get(&call).and_then(super::Call::poll_timeout);
        self.agenda.set(Alarm::Call(call), deadline);
    }

    fn perform(&mut self, now: Timestamp, call: CallId, action: Action) {
        match action {
            Action::Wake(wake) => self.outputs.push_back(Output::Wake(wake)),
            Action::Missed(missed) => self.outputs.push_back(Output::Missed(missed)),
            Action::Persist(facts) => self.outputs.push_back(Output::Persist(facts)),
            Action::Changed(facts) => self.outputs.push_back(Output::CallChanged(facts)),
            Action::Timeline(event) => self.outputs.push_back(Output::Timeline { call, event }),
            Action::EndMedia => self.end_media(now, call),
            Action::Invite(device) => {
                let (carrier, kind) = self.carrier_to(device);
                self.begin_leg(device, call, carrier, kind);
            }
            Action::Cancel { device, elsewhere } => self.cancel_device(now, device, call, elsewhere),
            Action::HangUpDevice { device, elsewhere } => self.hang_up_device(now, device, call, elsewhere),
            Action::ReleaseDevice(device) => self.release_device(now, call, device),
            Action::Progress(status) => {
                let progress = self.outer.get(&call).and_then(|leg| Some((leg.server, leg.progress(status)?)));
                if let Some((id, response)) = progress {
                    self.transactions.handle(now, Layer::Respond { id, response });
                }
                self.answer_colleague(now, call, status, None);
            }
            Action::Join(device) => self.ask_for_answer(now, device, call),
            Action::Dial(device) => self.dial_far(now, device, call),
            Action::HangUpCaller => {
                let bye = self.outer.get_mut(&call).and_then(OuterLeg::bye);
                if let Some(bye) = bye {
                    self.send_bye(now, call, bye);
                }
                self.hang_up_colleague(now, call);
                self.let_far_half_go(now, call);
            }
            Action::Finish(farewell) => self.finish(now, call, farewell),
        }
    }

    /// Nothing of a call is changed any more, and no media flows.
    pub(super) fn end_media(&mut self, now: Timestamp, call: CallId) {
        self.end_transfer(now, call);
        self.end_changes(now, call);
        self.outputs.push_back(Output::MediaEnded { call });
    }

    fn ask_for_answer(&mut self, now: Timestamp, device: DeviceId, call: CallId) {
        let Some(leg) = self.inner.leg(device, call) else { return };
        let ack = leg.ack(&self.edge, None, &mut self.random);
        let device_sdp = std::mem::take(&mut leg.sdp);
        self.carry(now, device, call, ack);
        self.outputs.push_back(Output::AnswerWanted { call, device, device_sdp });
    }

    fn cancel_device(&mut self, now: Timestamp, device: DeviceId, call: CallId, elsewhere: bool) {
        let Some(leg) = self.inner.leg(device, call) else { return };
        if !leg.is_invited() {
            return self.inner.remove(device, call);
        }
        let cancel = leg.cancel(now, elsewhere);
        self.watch_inner(device, call);
        self.carry(now, device, call, cancel);
    }

    /// Ends the dialog with a device that answered: ACK, if none went out, then BYE.
    pub(super) fn hang_up_device(&mut self, now: Timestamp, device: DeviceId, call: CallId, elsewhere: bool) {
        let Some(leg) = self.inner.leg(device, call) else { return };
        let was_joined = leg.is_acknowledged();
        let too_late = if elsewhere || leg.was_elsewhere() { Ending::Elsewhere } else { Ending::Over };
        let ending = (!was_joined).then_some(too_late);
        let ack = if was_joined { None } else { leg.ack(&self.edge, ending, &mut self.random) };
        let bye = leg.bye(now, &self.edge, ending, &mut self.random);
        self.watch_inner(device, call);
        self.carry(now, device, call, ack);
        self.carry(now, device, call, bye);
    }

    fn watch_inner(&mut self, device: DeviceId, call: CallId) {
        let gone_at = self.inner.leg(device, call).and_then(|leg| leg.gone_at());
        let deadline = gone_at.map(|at| (at, Why::Closing(call, device)));
        self.agenda.set(Alarm::Inner(device, call), deadline);
    }

    pub(super) fn drop_inner(&mut self, device: DeviceId, call: CallId) {
        self.agenda.set(Alarm::Inner(device, call), None);
        self.inner.remove(device, call);
    }

    /// The row is durable: whoever waits for the end is told, and the call is only remembered.
    fn finish(&mut self, now: Timestamp, call: CallId, farewell: Farewell) {
        if let Farewell::Refuse(status) = farewell {
            let refusal = self.outer.get_mut(&call).and_then(|leg| Some((leg.server, leg.refuse(status)?)));
            if let Some((id, response)) = refusal {
                self.transactions.handle(now, Layer::Respond { id, response });
            }
        }
        let byes = self.outer.get_mut(&call).map(|leg| std::mem::take(&mut leg.unanswered)).unwrap_or_default();
        for (id, bye) in byes {
            let response = bye.response(200, reason(200)).build();
            self.transactions.handle(now, Layer::Respond { id, response });
        }
        self.finish_transfer(now, call);
        let Some(ended) = self.calls.remove(&call) else { return };
        if let Some(device) = ended.winner() {
            self.confirm_hang_up(now, device, call);
        }
        for party in ended.parties() {
            if let Some(calls) = self.calls_of.get_mut(&party) {
                calls.remove(&call);
                if calls.is_empty() {
                    self.calls_of.remove(&party);
                }
            }
        }
        if let Some(owner) = ended.owner() {
            let remembered = Remembered { owner, winner: ended.winner(), state: ended.state_for_others() };
            self.memory.remember(now, call, remembered);
        }
        self.settle_outer(call);
        self.finish_colleague(now, call, farewell);
        self.finish_far_half(now, call, farewell);
    }

    /// Answers the BYE of the device that hung up.
    pub(super) fn confirm_hang_up(&mut self, now: Timestamp, device: DeviceId, call: CallId) {
        let Some(bye) = self.inner.leg(device, call).and_then(|leg| leg.bye_received.take()) else { return };
        let response = bye.response(200, reason(200)).build();
        self.carry(now, device, call, Some(response));
        self.drop_inner(device, call);
    }

    fn invite_for(&mut self, now: Timestamp, call: CallId, device: DeviceId, sdp: Bytes) -> Option<Message> {
        let live = self.calls.get(&call)?;
        let plan = live.plan()?;
        let binding = self.bindings.binding(device)?;
        let domain = &self.settings.domain;
        let carrier = self.inner.leg(device, call)?.carrier;
        let user = binding.desk.clone().unwrap_or_else(|| binding.identity.user.to_string());
        let user = Uri::sip(Some(&user), domain, None).ok()?;
        let from = address_of(&plan.caller, plan.caller_name.as_deref(), domain)?;
        // Rounded up: the phone must not stop before the edge does.
        let left_s = live.ring_ends_at().since(now).as_millis().div_ceil(1_000).max(1);
        let start = RequestBuilder::new(Method::Invite, &without_push(&Uri::parse(&binding.contact).ok()?));
        let contact = match carrier {
            Carrier::Connection => format!("sip:edge@{domain};transport=ws"),
            Carrier::Transactions { flow, .. } => self.contact_at(flow),
        };
        let is_woken = binding.push.is_some();
        let start = carrier.with_via(start, &self.edge, &mut self.random);
        let call_id = if is_woken { softphone_call_id(call, device) } else { self.random.token(32) };
        let invite = start
            .from(&from.with_tag(&self.random.token(16)))
            .to(&NameAddr::new(None, &user))
            .call_id(&call_id)
            .cseq(1)
            .header("Contact", format!("<{contact}>"))
            .header("Allow", DEVICE_ALLOW)
            .header("Expires", left_s)
            .body("application/sdp", sdp);
        // What is ours stays between us and our own phones.
        let invite = if carrier == Carrier::Connection { invite.header(CALL_HEADER, call) } else { invite };
        Some(invite.build())
    }
}
