//! The media of a call that a device begins: the device offers, the trunk answers.

use bytes::Bytes;
use callfield_domain::CallId;
use callfield_media::relay::Side;
use callfield_media::sdp::{Negotiation, Offer, SdpError, Security, Wish};
use callfield_sip::switchboard::DeviceKind;

use super::{MediaRelays, named, refused};

impl MediaRelays {
    /// The SDP offer for the trunk of a call that a device begins; `None` if the device's offer cannot be used (a phone's
    /// must have a key) or no port is free.
    pub fn offer_trunk(&mut self, call: CallId, kind: DeviceKind, device_sdp: &[u8]) -> Option<Bytes> {
        let offer = usable(kind, device_sdp).inspect_err(|error| refused(call, error)).ok()?;
        if self.calls.contains_key(&call) {
            return None;
        }
        let wish = Wish::like(&offer, Security::Plain);
        self.open(call, Some(offer))?;
        let media = self.calls.get_mut(&call)?;
        let local = named(self.address, &media.towards_outside)?;
        let mut leg = Negotiation::new(local, &mut self.random);
        let sdp = leg.offer(&wish);
        media.outside_leg = Some(leg);
        Some(Bytes::from(sdp))
    }

    /// Joins the trunk that answered with the device that calls; the SDP answer for the device, `None` if they share no
    /// codec.
    pub fn answer_device(&mut self, call: CallId, trunk_sdp: &[u8]) -> Option<Bytes> {
        let media = self.calls.get_mut(&call)?;
        let leg = media.outside_leg.as_mut()?;
        let agreed = leg.receive_answer(trunk_sdp).inspect_err(|error| refused(call, error)).ok()?;
        let offer = media.first_offer.as_ref()?;
        let security = if offer.is_secure() { Security::Required } else { Security::Plain };
        let wish = Wish::new(security).codecs(&agreed.codecs()).direction(agreed.direction.reversed());
        let local = named(self.address, &media.towards_devices)?;
        let mut device_leg = Negotiation::new(local, &mut self.random);
        let (sdp, device_agreed) = device_leg.answer(offer, &wish).inspect_err(|error| refused(call, error)).ok()?;
        media.connect(&self.clock, Side::A, &agreed)?;
        media.connect(&self.clock, Side::B, &device_agreed)?;
        media.wills.set(Side::A, agreed.direction.reversed());
        media.wills.set(Side::B, offer.direction());
        media.device_leg = Some(device_leg);
        Some(Bytes::from(sdp))
    }
}

pub(super) fn usable(kind: DeviceKind, device_sdp: &[u8]) -> Result<Offer, SdpError> {
    let offer = Offer::parse(device_sdp)?;
    match (offer.has_audio(), offer.is_secure() || kind != DeviceKind::Phone) {
        (false, _) => Err(SdpError::NoAudio),
        (true, false) => Err(SdpError::NoKey),
        (true, true) => Ok(offer),
    }
}
