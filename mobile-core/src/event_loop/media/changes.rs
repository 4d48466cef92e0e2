//! Changes of a call while its audio flows: the user holds it, the far end holds it, the edge offers anew.

use bytes::Bytes;
use callfield_media::sdp::{Agreement, Direction, Negotiation, Offer, SdpError};

use super::{AudioTask, wish};
use crate::audio::CallAudio;
use crate::event_loop::Command;
use crate::events::Event;

/// What the agent wants of a call's audio.
#[derive(Debug)]
pub(in crate::event_loop) enum MediaChange {
    /// An offer, or the answer to one of the edge's; it says whether the user holds the call.
    Wanted { offer: Option<Bytes>, is_holding: bool },
    /// What became of the last offer of this phone.
    Answered(Option<Bytes>),
}

/// Who holds the call now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    by_user: bool,
    by_far_end: bool,
}

/// The negotiation of a call that talks.
pub(super) struct Changes {
    negotiation: Negotiation,
    is_holding: bool,
    held: Held,
}

impl Changes {
    pub(super) fn new(negotiation: Negotiation) -> Self {
        Self { negotiation, is_holding: false, held: Held::default() }
    }

    /// Makes what is wanted and lets the audio follow what was agreed.
    pub(super) async fn take(&mut self, task: &AudioTask, audio: &mut CallAudio, change: MediaChange) {
        match change {
            MediaChange::Wanted { offer, is_holding } => {
                self.is_holding = is_holding;
                let sdp = match &offer {
                    Some(offer) => self.answer(task, audio, offer).inspect_err(refused).ok(),
                    None => Some(self.negotiation.offer(&wish().direction(self.direction()))),
                };
                task.tell(Command::ChangeMade(task.call, sdp.map(Bytes::from))).await;
            }
            MediaChange::Answered(None) => self.negotiation.roll_back(),
            MediaChange::Answered(Some(answer)) => match self.negotiation.receive_answer(&answer) {
                Ok(agreement) => {
                    let by_far_end = if self.is_holding { self.held.by_far_end } else { is_held(agreement.direction) };
                    self.follow(task, audio, &agreement, by_far_end);
                }
                Err(reason) => refused(&reason),
            },
        }
    }

    fn answer(&mut self, task: &AudioTask, audio: &mut CallAudio, offer: &[u8]) -> Result<Vec<u8>, SdpError> {
        let offer = Offer::parse(offer)?;
        let (sdp, agreement) = self.negotiation.answer(&offer, &wish().direction(self.direction()))?;
        self.follow(task, audio, &agreement, offer.is_hold());
        Ok(sdp)
    }

    /// Who holds a call neither speaks nor listens.
    const fn direction(&self) -> Direction {
        if self.is_holding { Direction::Inactive } else { Direction::SendReceive }
    }

    fn follow(&mut self, task: &AudioTask, audio: &mut CallAudio, agreement: &Agreement, by_far_end: bool) {
        if let Err(error) = audio.renegotiate(agreement) {
            tracing::warn!(%error, "the newly agreed keys cannot be used");
        }
        let held = Held { by_user: self.is_holding, by_far_end };
        if std::mem::replace(&mut self.held, held) != held {
            let Held { by_user, by_far_end } = held;
            task.shared.tell(Event::HoldChanged { call: task.call, by_user, by_far_end });
        }
    }
}

/// Whether the far end wants to hear nothing.
const fn is_held(own: Direction) -> bool {
    !own.sends()
}

fn refused(reason: &SdpError) {
    tracing::info!(%reason, "a change of a call cannot be agreed");
}
