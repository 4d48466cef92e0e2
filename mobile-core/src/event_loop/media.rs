//! The audio of a call at the loop: its socket, its offer or answer, and the task that carries it.

mod changes;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use callfield_domain::{CallId, Random};
use callfield_media::sdp::{Agreement, Negotiation, Offer, SdpError, Security, Wish};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(super) use changes::MediaChange;

use super::Command;
use crate::audio::CallAudio;
use crate::events::Event;
use crate::session::shared::Shared;
use crate::transport::{Endpoint, TransportError};
use changes::Changes;

/// The task of one call's audio. It ends with `stop`, and says so with [`Command::AudioOver`].
pub(super) struct AudioTask {
    pub(super) shared: Arc<Shared>,
    /// The node that relays the audio.
    pub(super) node: Endpoint,
    pub(super) own: mpsc::WeakSender<Command>,
    pub(super) call: CallId,
    /// Changes of the call, to be made once its audio flows.
    pub(super) changes: mpsc::Receiver<MediaChange>,
    pub(super) stop: CancellationToken,
}

#[derive(Debug, thiserror::Error)]
enum NoAudio {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Sdp(#[from] SdpError),
}

/// The phone's side of the audio before the two ends agree.
struct Leg {
    negotiation: Negotiation,
    socket: UdpSocket,
}

/// What the two ends agreed on, and the socket it is for.
struct Agreed {
    agreement: Agreement,
    negotiation: Negotiation,
    socket: UdpSocket,
}

impl AudioTask {
    /// Answers an offer; the audio starts at once, so that the relay learns the phone's address.
    pub(super) async fn answer(mut self, offer: Bytes) {
        match self.agree_to(&offer).await {
            Ok((sdp, agreed)) => {
                self.tell(Command::SdpMade(self.call, Some(sdp))).await;
                self.carry(agreed).await;
            }
            Err(reason) => {
                tracing::info!(%reason, "an offer could not be answered");
                self.tell(Command::SdpMade(self.call, None)).await;
            }
        }
        self.tell(Command::AudioOver).await;
    }

    /// Makes an offer, and starts the audio once its answer is here; `answer` is dropped when the call ends first.
    pub(super) async fn offer(mut self, answer: oneshot::Receiver<Bytes>) {
        match self.open_leg().await {
            Ok(mut leg) => {
                let sdp = Bytes::from(leg.negotiation.offer(&wish()));
                self.tell(Command::OfferMade(self.call, Some(sdp))).await;
                if let Ok(sdp) = answer.await {
                    self.take_answer(leg, &sdp).await;
                }
            }
            Err(reason) => {
                tracing::info!(%reason, "no audio can be offered");
                self.tell(Command::OfferMade(self.call, None)).await;
            }
        }
        self.tell(Command::AudioOver).await;
    }

    async fn take_answer(&mut self, mut leg: Leg, sdp: &[u8]) {
        match leg.negotiation.receive_answer(sdp) {
            Ok(agreement) => {
                let Leg { negotiation, socket } = leg;
                self.carry(Agreed { agreement, negotiation, socket }).await;
            }
            Err(reason) => {
                tracing::info!(%reason, "the answer to an offer cannot be used");
                self.tell(Command::AudioFailed(self.call)).await;
            }
        }
    }

    async fn agree_to(&self, offer: &[u8]) -> Result<(Bytes, Agreed), NoAudio> {
        let offer = Offer::parse(offer)?;
        let mut leg = self.open_leg().await?;
        let (sdp, agreement) = leg.negotiation.answer(&offer, &wish())?;
        let Leg { negotiation, socket } = leg;
        Ok((Bytes::from(sdp), Agreed { agreement, negotiation, socket }))
    }

    async fn open_leg(&self) -> Result<Leg, TransportError> {
        let socket = self.shared.network.datagrams().await?;
        let local = SocketAddr::new(own_address(&self.node).await?, socket.local_addr()?.port());
        let negotiation = Negotiation::new(local, &mut Random::new(self.shared.seed()));
        Ok(Leg { negotiation, socket })
    }

    /// Opens the device and carries audio until the call ends.
    async fn carry(&mut self, Agreed { agreement, negotiation, socket }: Agreed) {
        let (shared, call) = (Arc::clone(&self.shared), self.call);
        let device = shared.audio.open(call);
        let parts = (shared.network.clone(), shared.clock.clone());
        let mut audio = match CallAudio::new(&agreement, shared.seed(), Arc::new(socket), device, parts) {
            Ok(audio) => audio,
            Err(error) => {
                tracing::warn!(%error, "the agreed keys cannot be used");
                return self.tell(Command::AudioFailed(call)).await;
            }
        };
        shared.tell(Event::AudioStarted { call, is_encrypted: agreement.keys.is_some() });
        let mut changes = Changes::new(negotiation);
        while let Some(change) = self.carry_until_change(&mut audio).await {
            changes.take(self, &mut audio, change).await;
        }
        let statistics = audio.end().await;
        shared.tell(Event::AudioEnded {
            call,
            packets_sent: statistics.leg.packets_sent,
            packets_received: statistics.leg.packets_received,
        });
    }

    /// Carries audio until the call changes; `None` when it ends.
    async fn carry_until_change(&mut self, audio: &mut CallAudio) -> Option<MediaChange> {
        let (stop, changes) = (self.stop.clone(), &mut self.changes);
        let next = async {
            tokio::select! {
                () = stop.cancelled() => None,
                change = changes.recv() => change,
            }
        };
        audio.carry_until(next).await
    }

    /// Lost once the session is dropped.
    async fn tell(&self, command: Command) {
        super::tell(&self.own, command).await;
    }
}

/// The phone's leg is always encrypted: its packets cross networks nobody knows.
fn wish() -> Wish {
    Wish::new(Security::Required)
}

/// The address that packets to the node leave from; nothing is sent to learn it.
async fn own_address(node: &Endpoint) -> Result<IpAddr, TransportError> {
    let probe = UdpSocket::bind(("0.0.0.0", 0)).await?;
    probe.connect((node.host.as_str(), node.port)).await?;
    Ok(probe.local_addr()?.ip())
}
