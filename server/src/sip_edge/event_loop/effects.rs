//! What the switchboard wants done: sent, asked, joined, written.

use std::time::Instant;

use bytes::Bytes;
use callfield_domain::{CallFacts, CallId, Milestone, TimelineEvent, TrunkId};
use callfield_sip::switchboard::{
    DeviceIdentity, Flow, Input, OutboundDecision, OutboundQuestion, Output, PushOffer, RegistrationState,
    RouteQuestion,
};
use callfield_sip::transaction::ServerId;
use tokio::sync::oneshot;

use super::super::{callback, logins, outbound, route, softphones};
use super::EventLoop;
use crate::app::edge_port::{CallbackAsk, CallbackError};
use crate::app::wake_port::{PushRequest, WakeReport, WakeRequest as Wake, WakeResult};
use crate::media_relay::Changed;

impl EventLoop {
    /// Does one thing; what can be answered at once is returned.
    pub(super) fn perform(&mut self, output: Output, came_in: Instant) -> Option<Input> {
        match output {
            Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
            Output::CloseConnection { connection } => self.streams.close(connection),
            Output::RouteWanted(question) => self.ask_route(question, came_in),
            Output::BranchOfferWanted { call, device, kind, caller_sdp, caller_kind } => {
                let sdp = self.media.offer_device(call, device, kind, caller_sdp.as_deref(), caller_kind);
                return Some(Input::BranchOffered { call, device, sdp });
            }
            Output::AnswerWanted { call, device, device_sdp } => {
                self.parked.end(call);
                let sdp = self.media.join(call, device, &device_sdp);
                return Some(Input::CallerAnswer { call, sdp });
            }
            Output::CallerAccepted { call, sdp } => self.media.caller_accepted(call, &sdp),
            Output::OutboundRouteWanted(question) => return self.ask_outbound(question),
            Output::TrunkOfferWanted { call, device: _, kind, device_sdp } => {
                let sdp = self.media.offer_trunk(call, kind, &device_sdp);
                return Some(Input::TrunkOffered { call, sdp });
            }
            Output::DeviceAnswerWanted { call, trunk_sdp } => {
                let sdp = self.media.answer_device(call, &trunk_sdp);
                return Some(Input::DeviceAnswer { call, sdp });
            }
            Output::FarOfferWanted { call, device, device_sdp } => {
                let sdp = self.media.offer_far(call, device, &device_sdp);
                return Some(Input::FarOffered { call, sdp });
            }
            Output::FarAnswered { call, far_sdp } => {
                let joined = self.media.join_far(call, &far_sdp);
                let (is_joined, renews_device) = (joined.is_some(), joined == Some(true));
                return Some(Input::FarJoined { call, is_joined, renews_device });
            }
            Output::CallbackBegun { call, refused } => {
                let tenant = self.callbacks.tell(call, refused.map(callback::told))?;
                return Some(Input::EndCallback { call, tenant, user: None });
            }
            Output::CallbackEnded { call: _, is_found } => self.tell_ended(is_found),
            Output::CredentialsWanted { login, user } => self.look_up(login, user),
            Output::PushOffered { login, identity, offer } => self.keep_offer(login, identity, offer),
            Output::RefreshWanted { tenant, device, attempt: _ } => self.push(PushRequest::Remind { tenant, device }),
            Output::Proven { flow } => self.welcome(flow),
            Output::ChangeWanted { call, side, offer } => {
                let Changed { sdp, renews_other } = self.media.change(call, side, offer.as_deref());
                return Some(Input::ChangeMade { call, side, sdp, renews_other });
            }
            Output::ChangeAnswered { call, side, answer } => {
                let renew = self.media.change_answered(call, side, answer.as_deref());
                return renew.map(|side| Input::Renew { call, side });
            }
            Output::TransferOfferWanted { call } => {
                let sdp = self.media.offer_target(call);
                return Some(Input::TransferOffered { call, sdp });
            }
            Output::TransferAnswerWanted { call, target_sdp } => {
                let is_joined = self.media.join_target(call, &target_sdp);
                return Some(Input::TransferAnswered { call, is_joined });
            }
            Output::TransferEnded { call } => self.media.end_target(call),
            Output::MediaEnded { call } => {
                self.parked.end(call);
                self.media.end(call);
            }
            Output::Wake(wake) => return self.wake(wake),
            Output::Missed(missed) => self.push(PushRequest::Missed(missed)),
            Output::Persist(facts) => return self.persist(facts),
            Output::CallChanged(facts) => self.write(facts, false),
            Output::TrunkRegistration { trunk, state } => self.trunk_stands(trunk, state),
            Output::Timeline { call, event } => self.timeline(call, event, came_in),
        }
        None
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        metrics::counter!("callfield_sip_sent_total").increment(1);
        match flow {
            Flow::Stream(connection) => self.streams.send(connection, bytes),
            Flow::Udp(to) => {
                let is_request = !bytes.starts_with(b"SIP/2.0 ");
                if is_request {
                    self.strangers.call_upon(to.ip(), Instant::now());
                }
                // A datagram that does not fit into the socket's buffer is lost, as on any link: it is sent again.
                if let Some(udp) = &self.udp
                    && udp.try_send_to(&bytes, to).is_err()
                {
                    metrics::counter!("callfield_sip_unsent_total").increment(1);
                }
            }
        }
    }

    /// An office whose phones log in is no stranger, however busy it is.
    fn welcome(&mut self, flow: Flow) {
        let source = match flow {
            Flow::Udp(from) => Some(from.ip()),
            Flow::Stream(connection) => self.streams.source_of(connection),
        };
        if let Some(source) = source {
            self.strangers.call_upon(source, Instant::now());
        }
    }

    fn ask_route(&mut self, question: RouteQuestion, came_in: Instant) {
        self.latencies.invited(question.call, came_in);
        let (app, answers) = (self.app.clone(), self.answers.clone());
        tokio::spawn(async move {
            let decision = route::decide(&app, &question).await;
            let _ = answers.send(Input::Routed { call: question.call, decision }).await;
        });
    }

    fn ask_outbound(&mut self, question: OutboundQuestion) -> Option<Input> {
        let call = question.call;
        // The leg of a transfer is no call of its own: its id was made here.
        if question.transfers.is_none() && self.known.begin(call) {
            return Some(Input::OutboundRouted { call, decision: outbound::REUSED });
        }
        let (app, answers) = (self.app.clone(), self.answers.clone());
        tokio::spawn(async move {
            let decision = outbound::decide(&app, &question).await;
            let _ = answers.send(Input::OutboundRouted { call, decision }).await;
        });
        None
    }

    /// Has looked up what a call needs that rings its own user first.
    pub(super) fn prepare_callback(&self, ask: CallbackAsk, reply: oneshot::Sender<Result<CallId, CallbackError>>) {
        let call = CallId::new(self.app.now(), &mut self.app.random());
        self.callbacks.add(call, ask.tenant, reply);
        let (app, answers, callbacks) = (self.app.clone(), self.answers.clone(), self.callbacks.clone());
        tokio::spawn(async move {
            match callback::prepare(&app, call, &ask).await {
                Ok(wish) => drop(answers.send(Input::CallBack(Box::new(wish))).await),
                Err(error) => drop(callbacks.tell(call, Some(error))),
            }
        });
    }

    fn tell_ended(&mut self, is_found: bool) {
        if let Some(reply) = self.ending.take() {
            // Who no longer waits sees it in the list of calls.
            let _ = reply.send(is_found);
        }
    }

    fn look_up(&self, login: ServerId, user: String) {
        let (app, answers) = (self.app.clone(), self.answers.clone());
        tokio::spawn(async move {
            if let Some(answer) = logins::find(&app, login, user).await {
                let _ = answers.send(answer).await;
            }
        });
    }

    /// Has written what waited for the decision about a phone's call; answers what [`Self::persist`] does.
    pub(super) fn decided(&mut self, call: CallId, decision: &OutboundDecision) -> Option<Input> {
        match self.known.decided(call, *decision == outbound::REUSED)? {
            (facts, true) => self.persist(facts),
            (facts, false) => {
                self.write(facts, false);
                None
            }
        }
    }

    /// Has the last facts of a call written; at once done for a call that is refused because of its id.
    fn persist(&mut self, facts: CallFacts) -> Option<Input> {
        let call = facts.id;
        if self.known.is_reused(call) {
            return Some(Input::Persisted { call });
        }
        self.latencies.ended(call);
        self.write(facts, true);
        None
    }

    fn write(&mut self, facts: CallFacts, last: bool) {
        for entry in self.known.facts(facts, last) {
            self.journal.put(entry);
        }
    }

    fn trunk_stands(&self, trunk: TrunkId, state: RegistrationState) {
        if let RegistrationState::Failing { status, .. } = state {
            tracing::warn!(%trunk, status, "a trunk does not take the registration");
            metrics::counter!("callfield_trunk_registrations_failed_total").increment(1);
        }
        self.app.registrations.note(trunk, state);
    }

    /// Has a device woken; answers at once that it failed if push takes nothing.
    fn wake(&mut self, wake: Wake) -> Option<Input> {
        let (call, device, attempt) = (wake.call, wake.device, wake.attempt);
        let over = self.parked.over(call);
        if self.app.wakes.try_send(PushRequest::Wake { wake, over }).is_ok() {
            return None;
        }
        tracing::error!(%call, %device, "push is not taking wakes");
        metrics::counter!("callfield_wakes_lost_total").increment(1);
        let (at, result) = (self.app.now(), WakeResult::Failed("push is not taking wakes".to_owned()));
        Some(Input::WakeReported(WakeReport { call, device, attempt, at, result }))
    }

    /// Asks for a push that no call waits for.
    fn push(&self, request: PushRequest) {
        if self.app.wakes.try_send(request).is_err() {
            tracing::error!("push is not taking anything");
            metrics::counter!("callfield_wakes_lost_total").increment(1);
        }
    }

    fn keep_offer(&self, login: ServerId, identity: DeviceIdentity, offer: Option<PushOffer>) {
        let (app, answers) = (self.app.clone(), self.answers.clone());
        tokio::spawn(async move {
            let verdict = softphones::keep(&app, identity, offer).await;
            let _ = answers.send(Input::PushStored { login, verdict }).await;
        });
    }

    fn timeline(&mut self, call: CallId, event: TimelineEvent, came_in: Instant) {
        match (event.milestone, event.device) {
            (Milestone::Registered, Some(device)) => self.latencies.registered(device, came_in),
            (Milestone::InviteForwarded, Some(device)) => self.latencies.invite_forwarded(device),
            _ => {}
        }
        if let Some(entry) = self.known.event(call, event) {
            self.journal.put(entry);
        }
    }
}
