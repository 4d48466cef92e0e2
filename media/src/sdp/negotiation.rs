//! The offer/answer machine of one leg (RFC 3264).

use std::net::SocketAddr;

use callfield_domain::{Random, Seed};
use sdp_types::Media;

use super::audio::{self, Audio};
use super::crypto::CryptoLine;
use super::formats::{Format, Formats};
use super::offer::Offer;
use super::wish::{Security, Wish, usable_ptime};
use super::writing::{Description, Line};
use super::{AgreedFormat, Agreement, Direction, EventTypes, SdpError};
use crate::codec::Codec;
use crate::srtp::{Keys, MasterKey};

/// The payload type this side asks for `telephone-event/8000` with when it offers.
const EVENT_TYPE: u8 = 101;

/// One leg's offers and answers, from the first INVITE to the BYE.
#[derive(Clone)]
pub struct Negotiation {
    local: SocketAddr,
    session_id: u64,
    version: u64,
    key: MasterKey,
    next_key: Seed,
    open: Option<Wish>,
    agreed: Option<Agreement>,
    /// The media lines of the last offer that was answered: later offers keep their number and order (RFC 3264 §8).
    lines: Vec<Media>,
    /// Which of them is ours.
    place: usize,
}

impl Negotiation {
    /// A leg that receives media at `local`, the address the other side can reach; the key comes from `random`.
    pub fn new(local: SocketAddr, random: &mut Random) -> Self {
        // Some devices read the session id as a signed 32-bit number.
        let session_id = random.below(0x7fff_ffff);
        let key = MasterKey::random(random);
        let next_key = random.seed();
        Self { local, session_id, version: 0, key, next_key, open: None, agreed: None, lines: Vec::new(), place: 0 }
    }

    /// The last agreement, if there is one.
    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreed.as_ref()
    }

    /// Moves the leg to another local address, which the next offer or answer states.
    pub fn set_local(&mut self, local: SocketAddr) {
        self.local = local;
    }

    /// Makes an offer; an earlier open one is forgotten.
    pub fn offer(&mut self, wish: &Wish) -> Vec<u8> {
        let line = Line {
            proto: if wish.security == Security::Required { "RTP/SAVP" } else { "RTP/AVP" }.to_owned(),
            port: self.local.port(),
            formats: offered_formats(wish),
            crypto: (wish.security != Security::Plain).then(|| CryptoLine { tag: 1, key: self.key.clone() }),
            direction: wish.direction,
            ptime_ms: wish.ptime_ms,
            rtcp_mux: true,
        };
        self.open = Some(wish.clone());
        self.describe(Some(line))
    }

    /// Reads the answer to the open offer. After an error the offer is still open, for another fork's answer.
    pub fn receive_answer(&mut self, body: &[u8]) -> Result<Agreement, SdpError> {
        let wish = self.open.as_ref().ok_or(SdpError::Unasked)?;
        let session = audio::parse(body)?;
        let media = session.medias.get(self.place).ok_or(SdpError::NoAudio)?;
        let audio = Audio::read(&session, media).ok_or(SdpError::Profile)?;
        if !audio.is_on {
            return Err(SdpError::Refused);
        }
        let ours = offered_formats(wish);
        let formats = agreed_formats(&audio.formats.common(&wish.codecs), &audio.formats, &ours)?;
        let keys = self.keys(wish.security, &audio)?;
        let agreement = Agreement {
            local: self.local,
            remote: audio.address,
            direction: wish.direction.and(audio.direction.reversed()),
            formats,
            events: events(&audio.formats, &ours),
            ptime_ms: usable_ptime(audio.ptime_ms),
            keys,
            rtcp_mux: audio.rtcp_mux,
        };
        self.settle(&agreement);
        Ok(agreement)
    }

    /// Forgets the open offer: it was refused (488, 491) or withdrawn. The last agreement stays.
    pub fn roll_back(&mut self) {
        self.open = None;
    }

    /// Answers an offer: the text of the answer and what is agreed by it.
    ///
    /// The answer takes the first codec of the offer that the wish lists. Audio switched off by a later offer is
    /// answered with port 0 and an inactive agreement; in a first offer it is [`SdpError::NoAudio`].
    pub fn answer(&mut self, offer: &Offer, wish: &Wish) -> Result<(Vec<u8>, Agreement), SdpError> {
        let audio = &offer.audio;
        if !audio.is_on {
            return self.answer_silence(offer);
        }
        let chosen = *audio.formats.common(&wish.codecs).first().ok_or(SdpError::NoCodec)?;
        let ours = Formats { codecs: vec![chosen], events: audio.formats.events };
        let keys = self.keys(wish.security, audio)?;
        let agreement = Agreement {
            local: self.local,
            remote: audio.address,
            direction: wish.direction.and(audio.direction.reversed()),
            formats: agreed_formats(&[chosen], &audio.formats, &ours)?,
            events: events(&audio.formats, &ours),
            ptime_ms: usable_ptime(audio.ptime_ms),
            keys,
            rtcp_mux: audio.rtcp_mux,
        };
        let tag = audio.crypto.as_ref().map_or(1, |line| line.tag);
        let line = Line {
            proto: offer.session.medias[offer.chosen].proto.clone(),
            port: self.local.port(),
            formats: ours,
            crypto: agreement.keys.as_ref().map(|_| CryptoLine { tag, key: self.key.clone() }),
            direction: agreement.direction,
            ptime_ms: agreement.ptime_ms,
            rtcp_mux: agreement.rtcp_mux,
        };
        Ok((self.conclude(offer, Some(line), &agreement), agreement))
    }

    fn answer_silence(&mut self, offer: &Offer) -> Result<(Vec<u8>, Agreement), SdpError> {
        let mut agreement = self.agreed.clone().ok_or(SdpError::NoAudio)?;
        agreement.remote = None;
        agreement.direction = Direction::Inactive;
        Ok((self.conclude(offer, None, &agreement), agreement))
    }

    fn conclude(&mut self, offer: &Offer, line: Option<Line>, agreement: &Agreement) -> Vec<u8> {
        self.lines.clone_from(&offer.session.medias);
        self.place = offer.chosen;
        let body = self.describe(line);
        self.settle(agreement);
        body
    }

    fn settle(&mut self, agreement: &Agreement) {
        self.open = None;
        self.agreed = Some(agreement.clone());
        if agreement.keys.is_none() {
            // Whoever encrypts after a plain phase starts counting packets anew, so it must not be with the same key.
            let mut random = Random::new(self.next_key);
            self.key = MasterKey::random(&mut random);
            self.next_key = random.seed();
        }
    }

    fn keys(&self, security: Security, remote: &Audio) -> Result<Option<Keys>, SdpError> {
        match (security, &remote.crypto) {
            (Security::Optional | Security::Required, Some(line)) => {
                Ok(Some(Keys { send: self.key.clone(), receive: line.key.clone() }))
            }
            (Security::Required, None) => Err(SdpError::NoKey),
            (Security::Plain | Security::Optional, _) if remote.is_savp => Err(SdpError::NoKey),
            (Security::Plain | Security::Optional, _) => Ok(None),
        }
    }

    /// Our audio line in its place, every other line refused as it came.
    fn describe(&mut self, audio: Option<Line>) -> Vec<u8> {
        self.version += 1;
        let mut lines: Vec<_> = self.lines.iter().cloned().map(Description::Refused).collect();
        match (audio.map(Description::Audio), lines.get_mut(self.place)) {
            (Some(audio), Some(place)) => *place = audio,
            (Some(audio), None) => lines.push(audio),
            (None, _) => {}
        }
        super::writing::write(self.local.ip(), self.session_id, self.version, lines)
    }
}

/// What an offer of ours lists: each codec under its static payload type, and events.
fn offered_formats(wish: &Wish) -> Formats {
    let format = |&codec: &Codec| Format { codec, payload_type: codec.static_payload_type() };
    Formats { codecs: wish.codecs.iter().map(format).collect(), events: Some(EVENT_TYPE) }
}

fn agreed_formats(common: &[Format], theirs: &Formats, ours: &Formats) -> Result<Vec<AgreedFormat>, SdpError> {
    let agree = |format: &Format| {
        let (send, receive) = (theirs.of(format.codec)?, ours.of(format.codec)?);
        Some(AgreedFormat { codec: format.codec, send: send.payload_type, receive: receive.payload_type })
    };
    let agreed: Vec<_> = common.iter().filter_map(agree).collect();
    if agreed.is_empty() { Err(SdpError::NoCodec) } else { Ok(agreed) }
}

fn events(theirs: &Formats, ours: &Formats) -> Option<EventTypes> {
    Some(EventTypes { send: theirs.events?, receive: ours.events? })
}
