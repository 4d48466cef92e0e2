//! The media of a call that rings its own user first: the device answers the edge's offer, then the far end is offered to.

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId};
use callfield_media::relay::Side;
use callfield_media::sdp::{Negotiation, Security, Wish};

use super::{MediaRelays, named, refused};

impl MediaRelays {
    /// The SDP offer for the far end, in the codecs of the device that answered; `None` if its answer is of no use.
    pub fn offer_far(&mut self, call: CallId, device: DeviceId, device_sdp: &[u8]) -> Option<Bytes> {
        let agreed = self.take_device_answer(call, device, device_sdp)?;
        let media = self.calls.get_mut(&call)?;
        let local = named(self.address, &media.towards_outside)?;
        let mut leg = Negotiation::new(local, &mut self.random);
        let wish = Wish::new(Security::Plain).codecs(&agreed.codecs()).direction(media.wills.of(Side::B));
        let sdp = leg.offer(&wish);
        media.outside_leg = Some(leg);
        Some(Bytes::from(sdp))
    }

    /// Joins the far end that answered with the device; `None` if they share no codec, else whether the device must be
    /// offered what the far end took: it may send nothing else.
    pub fn join_far(&mut self, call: CallId, far_sdp: &[u8]) -> Option<bool> {
        let media = self.calls.get_mut(&call)?;
        let leg = media.outside_leg.as_mut()?;
        let agreed = leg.receive_answer(far_sdp).inspect_err(|error| refused(call, error)).ok()?;
        media.connect(&self.clock, Side::A, &agreed)?;
        let holds = media.wills.set(Side::A, agreed.direction.reversed());
        let taken = agreed.codecs();
        let device = media.device_leg.as_ref().and_then(Negotiation::agreement)?;
        Some(holds || device.codecs().iter().any(|codec| !taken.contains(codec)))
    }
}
