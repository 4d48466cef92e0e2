//! What the loop does for a call: show it, answer its offer, carry its audio, end it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use callfield_domain::{CallId, Direction, Outcome, Random};
use callfield_media::sdp::{Agreement, Negotiation, Offer, Security, Wish};
use callfield_sip::agent::{EndReason as SipEnd, Input, WokenCallState};
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Command, EventLoop};
use crate::audio::CallAudio;
use crate::events::{EndReason, Event};
use crate::journal::{self, SipCall};
use crate::push::Known;
use crate::session::shared::Shared;
use crate::transport::api::RemoteCallState;
use crate::transport::{Endpoint, TransportError};

/// What the loop holds for a call that is not over.
#[derive(Default)]
pub(super) struct LiveCall {
    is_established: bool,
    /// Dropped with the call, which stops its audio.
    audio: Option<DropGuard>,
}

impl EventLoop {
    pub(super) fn ask_state(&self, call: CallId) {
        let Some(line) = &self.line else { return };
        let (api, node, own) = (line.api.clone(), line.node.clone(), self.own.clone());
        tokio::spawn(async move {
            let state = api.call_state(&node, call).await.ok();
            tell(&own, Command::StateKnown(call, state)).await;
        });
    }

    /// The INVITE is here. The screen is shown already if a push came first.
    pub(super) fn ring(&mut self, call: CallId, number: String, name: Option<String>) {
        self.calls.entry(call).or_default();
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
            });
            shared.note_call(call, Known::Live);
        }
    }

    /// Opens the call's socket and answers the offer; the audio starts at once, so that the relay learns the address.
    pub(super) fn make_sdp(&mut self, call: CallId, offer: Bytes) {
        let Some(line) = &self.line else { return };
        let stop = CancellationToken::new();
        let live = self.calls.entry(call).or_default();
        live.audio = Some(stop.clone().drop_guard());
        let (shared, node, own) = (Arc::clone(&self.shared), line.node.clone(), self.own.clone());
        tokio::spawn(async move {
            let answered = answer_offer(&shared, &node, &offer).await;
            let (sdp, agreed) = match answered {
                Ok((sdp, agreement, socket)) => (Some(Bytes::from(sdp)), Some((agreement, socket))),
                Err(reason) => {
                    tracing::info!(%reason, "an offer could not be answered");
                    (None, None)
                }
            };
            tell(&own, Command::SdpMade(call, sdp)).await;
            if let Some((agreement, socket)) = agreed {
                carry_audio(&shared, call, &agreement, socket, stop).await;
                tell(&own, Command::AudioOver).await;
            }
        });
    }

    pub(super) fn establish(&mut self, call: CallId) {
        self.calls.entry(call).or_default().is_established = true;
        let now = self.shared.clock.now();
        self.keep(self.shared.store.write(|tx| journal::sip_call_answered(tx, call, now)));
        self.shared.tell(Event::Established { call });
    }

    pub(super) fn end(&mut self, call: CallId, reason: SipEnd) {
        let live = self.calls.remove(&call).unwrap_or_default();
        let (reason, outcome) = ended(reason, live.is_established);
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

    fn keep(&self, written: Result<(), crate::store::StoreError>) {
        if let Err(error) = written {
            tracing::warn!(%error, "the journal could not be written");
        }
    }
}

/// Answers to the loop's own questions; lost once the session is dropped.
async fn tell(own: &tokio::sync::mpsc::WeakSender<Command>, command: Command) {
    if let Some(own) = own.upgrade() {
        let _ = own.send(command).await;
    }
}

#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Sdp(#[from] callfield_media::sdp::SdpError),
}

async fn answer_offer(
    shared: &Shared,
    node: &Endpoint,
    offer: &[u8],
) -> Result<(Vec<u8>, Agreement, Arc<UdpSocket>), NoAnswer> {
    let offer = Offer::parse(offer)?;
    let socket = shared.network.datagrams().await?;
    let port = socket.local_addr().map_err(TransportError::from)?.port();
    let local = SocketAddr::new(own_address(node).await?, port);
    let mut random = Random::new(shared.seed());
    // The phone's leg is always encrypted: its packets cross networks nobody knows.
    let (sdp, agreement) = Negotiation::new(local, &mut random).answer(&offer, &Wish::new(Security::Required))?;
    Ok((sdp, agreement, Arc::new(socket)))
}

/// The address that packets to the node leave from; nothing is sent to learn it.
async fn own_address(node: &Endpoint) -> Result<IpAddr, TransportError> {
    let probe = UdpSocket::bind(("0.0.0.0", 0)).await?;
    probe.connect((node.host.as_str(), node.port)).await?;
    Ok(probe.local_addr()?.ip())
}

async fn carry_audio(
    shared: &Shared,
    call: CallId,
    agreement: &Agreement,
    socket: Arc<UdpSocket>,
    stop: CancellationToken,
) {
    let device = shared.audio.open(call);
    let parts = (shared.network.clone(), shared.clock.clone());
    let audio = match CallAudio::new(agreement, shared.seed(), socket, device, parts) {
        Ok(audio) => audio,
        Err(error) => return tracing::warn!(%error, "the agreed keys cannot be used"),
    };
    shared.tell(Event::AudioStarted { call, is_encrypted: agreement.keys.is_some() });
    let statistics = audio.run(stop).await;
    shared.tell(Event::AudioEnded {
        call,
        packets_sent: statistics.leg.packets_sent,
        packets_received: statistics.leg.packets_received,
    });
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

/// The end of an inbound call in the app's words and in the journal's.
fn ended(reason: SipEnd, was_established: bool) -> (EndReason, Outcome) {
    let unless_talked = |outcome| if was_established { Outcome::Completed } else { outcome };
    match reason {
        SipEnd::AnsweredElsewhere => (EndReason::AnsweredElsewhere, Outcome::AnsweredElsewhere),
        SipEnd::Cancelled => (EndReason::Cancelled, Outcome::Canceled),
        SipEnd::Over => (EndReason::Over, Outcome::NoAnswer),
        SipEnd::Declined => (EndReason::Declined, Outcome::Rejected),
        SipEnd::HungUp => (EndReason::HungUp, unless_talked(Outcome::Rejected)),
        SipEnd::RemoteHungUp => (EndReason::RemoteHungUp, unless_talked(Outcome::Canceled)),
        SipEnd::Unreachable => (EndReason::Unreachable, Outcome::MissedDeviceUnreachable),
        SipEnd::Failed => (EndReason::Failed, unless_talked(Outcome::Failed)),
    }
}
