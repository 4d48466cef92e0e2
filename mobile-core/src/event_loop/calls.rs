//! What the loop does for a call: begin or show it, connect its audio, end it.

use std::sync::Arc;

use bytes::Bytes;
use callfield_domain::{CallId, Direction};
use callfield_sip::agent::{EndReason as SipEnd, Input, WokenCallState};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::media::{AudioTask, MediaChange};
use super::{Command, EventLoop, endings, tell};
use crate::events::{EndReason, Event};
use crate::journal::{self, SipCall};
use crate::push::Known;
use crate::transport::api::RemoteCallState;

/// Changes of one call that wait for its audio; there is only one at a time, and its end.
const CHANGES_MAX: usize = 8;

/// What the loop holds for a call that is not over.
pub(super) struct LiveCall {
    direction: Direction,
    is_established: bool,
    /// Dropped with the call, which stops its audio.
    audio: Option<DropGuard>,
    /// To the task of the audio.
    changes: Option<mpsc::Sender<MediaChange>>,
    /// Of a call that this phone begins: what is left to do before the audio flows.
    begun: Option<Begun>,
    /// The two ends could not agree on audio, so the phone hangs up.
    is_broken: bool,
}

enum Begun {
    /// The offer is in the making; the agent does not know of the call.
    Offering { number: String, answer: oneshot::Sender<Bytes> },
    /// The agent calls; the far end's answer goes to the task of the audio.
    Calling { answer: oneshot::Sender<Bytes> },
}

impl LiveCall {
    const fn new(direction: Direction) -> Self {
        Self { direction, is_established: false, audio: None, changes: None, begun: None, is_broken: false }
    }
}

impl EventLoop {
    /// Makes the offer of a call that this phone begins. Without a network there is none, and the call is over.
    pub(super) fn dial(&mut self, call: CallId, number: String) {
        let (answer, answered) = oneshot::channel();
        let mut live = LiveCall::new(Direction::Outbound);
        live.begun = Some(Begun::Offering { number, answer });
        self.calls.insert(call, live);
        if self.wire.is_none()
            && let Some(line) = &mut self.line
        {
            // The node that the last push named need not be there any more.
            line.node = line.api.server.clone();
        }
        let Some(task) = self.audio_task(call) else { return self.end(call, SipEnd::Unreachable) };
        tokio::spawn(task.offer(answered));
    }

    /// The offer is made, or cannot be; the user may have hung up meanwhile.
    pub(super) fn call_with(&mut self, call: CallId, sdp: Option<Bytes>) {
        let Some(live) = self.calls.get_mut(&call) else { return };
        let Some(Begun::Offering { number, answer }) = live.begun.take() else { return };
        let Some(sdp) = sdp else { return self.end(call, SipEnd::Unreachable) };
        live.begun = Some(Begun::Calling { answer });
        self.feed(Input::Dial { call, to: number, sdp });
    }

    /// The far end of a call that this phone began answered.
    pub(super) fn take_answer(&mut self, call: CallId, sdp: Bytes) {
        if let Some(Begun::Calling { answer }) = self.calls.get_mut(&call).and_then(|live| live.begun.take()) {
            // The task of the audio is gone only with the call.
            let _ = answer.send(sdp);
        }
    }

    /// The two ends are connected and cannot hear each other.
    pub(super) fn give_up(&mut self, call: CallId) {
        if let Some(live) = self.calls.get_mut(&call) {
            live.is_broken = true;
            self.feed(Input::HangUp { call });
        }
    }

    /// The user wants no more of a call. One that this phone began is ended in either way.
    pub(super) fn stop(&mut self, call: CallId, is_decline: bool) {
        let live = self.calls.get(&call);
        let is_own = live.is_some_and(|live| live.direction == Direction::Outbound);
        if live.is_some_and(|live| matches!(live.begun, Some(Begun::Offering { .. }))) {
            self.end(call, SipEnd::HungUp);
        } else if is_decline && !is_own {
            self.feed(Input::Decline { call });
        } else {
            self.feed(Input::HangUp { call });
        }
    }

    /// A call that talks changes. Without audio that could change, it stays as it is.
    pub(super) fn change(&mut self, call: CallId, change: MediaChange) {
        let is_wanted = matches!(change, MediaChange::Wanted { .. });
        let changes = self.calls.get(&call).and_then(|live| live.changes.as_ref());
        let is_taken = changes.is_some_and(|changes| changes.try_send(change).is_ok());
        if is_wanted && !is_taken {
            self.feed(Input::ChangeMade { call, sdp: None });
        }
    }

    pub(super) fn ask_state(&self, call: CallId) {
        let Some(line) = &self.line else { return };
        let (api, node, own) = (line.api.clone(), line.node.clone(), self.own.clone());
        tokio::spawn(async move {
            let state = api.call_state(&node, call).await.ok();
            tell(&own, Command::StateKnown(call, state)).await;
        });
    }

    /// The INVITE is here. The screen is shown already if a push came first.
    pub(super) fn ring(&mut self, call: CallId, (number, name): (String, Option<String>), is_waiting: bool) {
        self.expect(call);
        let shared = &self.shared;
        shared.tell(Event::Invited { call });
        let is_shown = shared.calls().contains_key(&call);
        let seen = SipCall { call, direction: Direction::Inbound, number, name };
        let (country, now) = (shared.country(), shared.clock.now());
        let entered = shared.store.write(|tx| journal::sip_call_began(tx, &seen, &country, now));
        let own_name = match entered {
            Ok(entry) => entry.record.and(entry.name),
            Err(error) => {
                tracing::warn!(%error, "a call could not be entered into the journal");
                None
            }
        };
        if !is_shown {
            shared.tell(Event::Ringing {
                call,
                number: seen.number,
                is_from_own_store: own_name.is_some(),
                name: own_name.or(seen.name),
                is_waiting,
            });
            shared.note_call(call, Known::Live);
        }
    }

    /// A call to this phone is coming or here.
    pub(super) fn expect(&mut self, call: CallId) -> &mut LiveCall {
        self.calls.entry(call).or_insert(LiveCall::new(Direction::Inbound))
    }

    /// Answers the offer of a call to this phone.
    pub(super) fn make_sdp(&mut self, call: CallId, offer: Bytes) {
        self.expect(call);
        if let Some(task) = self.audio_task(call) {
            tokio::spawn(task.answer(offer));
        }
    }

    pub(super) fn establish(&mut self, call: CallId) {
        if let Some(live) = self.calls.get_mut(&call) {
            live.is_established = true;
        }
        let now = self.shared.clock.now();
        self.keep(self.shared.store.write(|tx| journal::sip_call_answered(tx, call, now)));
        self.shared.tell(Event::Established { call });
    }

    pub(super) fn end(&mut self, call: CallId, reason: SipEnd) {
        let live = self.calls.remove(&call).unwrap_or(LiveCall::new(Direction::Inbound));
        let reason = if live.is_broken { EndReason::Failed } else { reason.into() };
        let outcome = endings::outcome(reason, live.direction, live.is_established);
        let known = if reason == EndReason::Cancelled || reason == EndReason::AnsweredElsewhere {
            Known::Cancelled
        } else {
            Known::Over
        };
        let now = self.shared.clock.now();
        self.shared.tell(Event::Ended { call, reason, outcome });
        self.keep(self.shared.store.write(|tx| journal::sip_call_ended(tx, call, outcome, now)));
        self.shared.note_call(call, known);
        self.shared.tell(Event::JournalChanged { call });
        if self.calls.is_empty() && !self.is_foreground {
            self.feed(Input::Sleep);
        }
    }

    /// What carries the audio of a live call; `None` without an account.
    fn audio_task(&mut self, call: CallId) -> Option<AudioTask> {
        let node = self.line.as_ref()?.node.clone();
        let stop = CancellationToken::new();
        let (to_audio, changes) = mpsc::channel(CHANGES_MAX);
        let live = self.calls.get_mut(&call)?;
        live.audio = Some(stop.clone().drop_guard());
        live.changes = Some(to_audio);
        self.audios += 1;
        Some(AudioTask { shared: Arc::clone(&self.shared), node, own: self.own.clone(), call, changes, stop })
    }

    fn keep(&self, written: Result<(), crate::store::StoreError>) {
        if let Err(error) = written {
            tracing::warn!(%error, "the journal could not be written");
        }
    }
}

pub(super) const fn woken_state(state: RemoteCallState) -> WokenCallState {
    match state {
        RemoteCallState::Ringing => WokenCallState::Ringing,
        RemoteCallState::Cancelled => WokenCallState::Cancelled,
        RemoteCallState::AnsweredElsewhere => WokenCallState::AnsweredElsewhere,
        RemoteCallState::Over => WokenCallState::Over,
        RemoteCallState::Unknown => WokenCallState::Unknown,
    }
}
