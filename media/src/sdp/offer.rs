//! What the other side offers, before it is answered.

use sdp_types::Session;

use super::audio::{self, Audio};
use super::direction::Direction;
use super::{Agreement, SdpError};
use crate::codec::Codec;

/// A session description that asks for an answer.
///
/// Of several audio lines one is chosen: with a usable key before one without.
#[derive(Debug, Clone)]
pub struct Offer {
    pub(super) session: Session,
    /// Which media line the answer takes.
    pub(super) chosen: usize,
    pub(super) audio: Audio,
}

impl Offer {
    /// Reads an offer and chooses its audio line.
    ///
    /// An offer whose audio is switched off (port 0) is read too: inside a call it means "no audio any more".
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        let session = audio::parse(body)?;
        let is_audio = |media: &sdp_types::Media| media.media.eq_ignore_ascii_case("audio");
        if !session.medias.iter().any(is_audio) {
            return Err(SdpError::NoAudio);
        }
        let readable = session.medias.iter().enumerate();
        let readable = readable.filter_map(|(index, media)| Some((index, Audio::read(&session, media)?)));
        let best = readable.max_by_key(|(index, audio)| (rank(audio), std::cmp::Reverse(*index)));
        let (chosen, audio) = best.ok_or(SdpError::Profile)?;
        if audio.is_on && audio.formats.codecs.is_empty() {
            return Err(SdpError::NoCodec);
        }
        Ok(Self { session, chosen, audio })
    }

    /// The codecs this crate knows, in the offer's order.
    pub fn codecs(&self) -> Vec<Codec> {
        self.audio.formats.codecs.iter().map(|format| format.codec).collect()
    }

    /// Which way the offering side wants media to flow; `c=0.0.0.0` counts as "send me nothing".
    pub fn direction(&self) -> Direction {
        self.audio.direction
    }

    /// True when the offering side wants to receive nothing: the other side is put on hold.
    pub fn is_hold(&self) -> bool {
        !self.audio.is_on || !self.audio.direction.receives()
    }

    /// True when the offered audio has a usable SRTP key.
    pub fn is_secure(&self) -> bool {
        self.audio.crypto.is_some()
    }

    /// How many milliseconds of audio the offering side wants in a packet, if it says.
    pub fn ptime_ms(&self) -> Option<u32> {
        self.audio.ptime_ms
    }

    /// True when audio is offered that is not switched off.
    pub fn has_audio(&self) -> bool {
        self.audio.is_on
    }

    /// True when it asks for the media `agreement` already has: the same address, direction, codec and key.
    pub fn repeats(&self, agreement: &Agreement) -> bool {
        let key = agreement.keys.as_ref().map(|keys| &keys.receive);
        self.audio.address == agreement.remote
            && self.audio.direction.reversed() == agreement.direction
            && self.codecs().contains(&agreement.codec())
            && self.audio.crypto.as_ref().map(|line| &line.key) == key
    }
}

fn rank(audio: &Audio) -> u8 {
    let is_usable = audio.is_on && !audio.formats.codecs.is_empty();
    let is_keyed = audio.crypto.is_some();
    match (is_usable, is_keyed, audio.is_savp) {
        (true, true, _) => 3,
        (true, false, false) => 2,
        (true, false, true) => 1,
        (false, ..) => 0,
    }
}
