//! Payload types: which codec or event each number of an audio line stands for.

use sdp_types::Media;

use crate::codec::Codec;

/// A codec under the payload type one side wants to receive it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) codec: Codec,
    pub(super) payload_type: u8,
}

/// The formats of one audio line that this crate knows, in the line's order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Formats {
    pub(super) codecs: Vec<Format>,
    /// The payload type of `telephone-event/8000` (RFC 4733).
    pub(super) events: Option<u8>,
}

impl Formats {
    pub(super) fn read(media: &Media) -> Self {
        let mut formats = Self::default();
        let listed = media.fmt.split_ascii_whitespace().filter_map(|fmt| fmt.parse::<u8>().ok());
        for payload_type in listed.filter(|&payload_type| payload_type < 128) {
            match meaning(media, payload_type) {
                Some(Meaning::Speech(codec)) if formats.of(codec).is_none() => {
                    formats.codecs.push(Format { codec, payload_type });
                }
                Some(Meaning::Events) => formats.events = formats.events.or(Some(payload_type)),
                Some(Meaning::Speech(_)) | None => {}
            }
        }
        formats
    }

    pub(super) fn of(&self, codec: Codec) -> Option<Format> {
        self.codecs.iter().copied().find(|format| format.codec == codec)
    }

    /// The codecs of this side that `wanted` lists, in this side's order.
    pub(super) fn common(&self, wanted: &[Codec]) -> Vec<Format> {
        self.codecs.iter().copied().filter(|format| wanted.contains(&format.codec)).collect()
    }
}

enum Meaning {
    Speech(Codec),
    Events,
}

fn meaning(media: &Media, payload_type: u8) -> Option<Meaning> {
    let mapped = media.get_attribute_values("rtpmap").flatten().find_map(|value| {
        let (number, encoding) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        (number.parse() == Ok(payload_type)).then_some(encoding.trim())
    });
    let Some(encoding) = mapped else {
        return Codec::of_static_payload_type(payload_type).map(Meaning::Speech);
    };
    let mut parts = encoding.split('/');
    let (name, clock_hz) = (parts.next()?.trim(), parts.next()?.trim().parse().ok()?);
    let is_mono = parts.next().is_none_or(|channels| channels.trim() == "1");
    if name.eq_ignore_ascii_case("telephone-event") && clock_hz == 8000 {
        return Some(Meaning::Events);
    }
    Codec::named(name, clock_hz).filter(|_| is_mono).map(Meaning::Speech)
}
