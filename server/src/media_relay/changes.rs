//! Changes of a call that talks: a leg is agreed on anew, and what it means for the other one.
//!
//! What one end wants (it holds, it resumes) is told to the other as a direction. Each leg keeps its ports, its keys and
//! its codecs as far as the offers allow: the relay translates nothing, so a leg only takes a codec that the other one has.

use bytes::Bytes;
use callfield_domain::CallId;
use callfield_media::relay::Side;
use callfield_media::sdp::{Agreement, Direction, Negotiation, Offer, SdpError, Security, Wish};
use callfield_sip::switchboard::Side as CallSide;

use super::{CallMedia, MediaRelays, refused};

/// What was made of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The SDP for the leg; `None` if the two cannot agree.
    pub sdp: Option<Bytes>,
    /// Whether the other leg has to be told.
    pub renews_other: bool,
}

impl Changed {
    const NOTHING: Self = Self { sdp: None, renews_other: false };
}

/// Which way each end wants media to flow, in its own words.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wills {
    outside: Direction,
    device: Direction,
}

impl Wills {
    pub(super) const fn of(self, side: Side) -> Direction {
        match side {
            Side::A => self.outside,
            Side::B => self.device,
        }
    }

    /// Notes what an end wants; whether it is something else than before.
    pub(super) fn set(&mut self, side: Side, will: Direction) -> bool {
        let old = match side {
            Side::A => &mut self.outside,
            Side::B => &mut self.device,
        };
        std::mem::replace(old, will) != will
    }
}

impl MediaRelays {
    /// Answers an offer that came for a leg of a call that talks, or makes an offer for it.
    pub fn change(&mut self, call: CallId, side: CallSide, offer: Option<&[u8]>) -> Changed {
        let Some(media) = self.calls.get_mut(&call) else { return Changed::NOTHING };
        let Some(offer) = offer else {
            return Changed { sdp: media.offer_again(side), ..Changed::NOTHING };
        };
        match media.answer_again(side, offer) {
            Ok((sdp, will, agreed)) => {
                let is_new = media.wills.set(end(side), will);
                let sdp = media.connect(&self.clock, end(side), &agreed).map(|()| sdp);
                Changed { sdp, renews_other: is_new }
            }
            Err(error) => {
                refused(call, &error);
                Changed::NOTHING
            }
        }
    }

    /// Takes in what became of the last offer that was made for a leg: its answer, or none. The other side, if it has to
    /// be told.
    pub fn change_answered(&mut self, call: CallId, side: CallSide, answer: Option<&[u8]>) -> Option<CallSide> {
        let media = self.calls.get_mut(&call)?;
        let offered = media.wills.of(end(side.other()));
        let leg = media.leg(side)?;
        let Some(answer) = answer else {
            leg.roll_back();
            return None;
        };
        let agreed = leg.receive_answer(answer).inspect_err(|error| refused(call, error)).ok()?;
        media.connect(&self.clock, end(side), &agreed)?;
        // An answer is never wider than its offer: only to an offer of both ways it tells what its end wants.
        let is_new = offered == Direction::SendReceive && media.wills.set(end(side), agreed.direction.reversed());
        is_new.then(|| side.other())
    }
}

impl CallMedia {
    fn leg(&mut self, side: CallSide) -> Option<&mut Negotiation> {
        match side {
            CallSide::Outside => self.outside_leg.as_mut(),
            CallSide::Device => self.device_leg.as_mut(),
        }
    }

    fn answer_again(&mut self, side: CallSide, offer: &[u8]) -> Result<(Bytes, Direction, Agreement), SdpError> {
        let offer = Offer::parse(offer)?;
        let is_secure = self.leg(side).and_then(|leg| leg.agreement()).is_some_and(|agreed| agreed.keys.is_some());
        let security = match side {
            // A phone's media stays encrypted; a desk phone's was not.
            CallSide::Device if is_secure => Security::Required,
            CallSide::Outside | CallSide::Device => Security::Optional,
        };
        let wish = self.wish(side, security);
        let leg = self.leg(side).ok_or(SdpError::Unasked)?;
        let (sdp, agreed) = leg.answer(&offer, &wish)?;
        let will = if offer.has_audio() { offer.direction() } else { Direction::Inactive };
        Ok((Bytes::from(sdp), will, agreed))
    }

    fn offer_again(&mut self, side: CallSide) -> Option<Bytes> {
        let leg = self.leg(side)?;
        let is_secure = leg.agreement()?.keys.is_some();
        let own = leg.agreement()?.codecs();
        // The relay translates nothing: what the other leg does not have may not be sent here.
        let other = self.leg(side.other()).and_then(|leg| Some(leg.agreement()?.codecs()));
        let shared = own.iter().copied().filter(|codec| other.as_ref().is_none_or(|other| other.contains(codec)));
        let codecs = Some(shared.collect::<Vec<_>>()).filter(|shared| !shared.is_empty()).unwrap_or(own);
        let security = if is_secure { Security::Required } else { Security::Plain };
        let wish = self.wish(side, security).codecs(&codecs);
        self.leg(side).map(|leg| Bytes::from(leg.offer(&wish)))
    }

    /// What a leg may agree on: the way the other end wants it, in the codecs that the other leg has.
    fn wish(&mut self, side: CallSide, security: Security) -> Wish {
        let will = self.wills.of(end(side.other()));
        let wish = Wish::new(security).direction(will);
        match self.leg(side.other()).and_then(|leg| leg.agreement()) {
            Some(agreed) => wish.codecs(&agreed.codecs()),
            None => wish,
        }
    }
}

const fn end(side: CallSide) -> Side {
    match side {
        CallSide::Outside => Side::A,
        CallSide::Device => Side::B,
    }
}
