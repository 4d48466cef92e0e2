//! The codecs a call can use, and how their frames become PCM.

mod g711;

/// A speech codec that both sides of a call can agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// G.711 µ-law, 8 kHz (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law, 8 kHz (RFC 3551 §4.5.14).
    Pcma,
}

impl Codec {
    /// Every codec, best first.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name of `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The RTP clock in Hz.
    pub const fn clock_hz(self) -> u32 {
        8000
    }

    /// The payload type that needs no `a=rtpmap` (RFC 3551 §6).
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The codec of an encoding name, in any case, and a clock rate in Hz.
    pub fn named(name: &str, clock_hz: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name) && codec.clock_hz() == clock_hz)
    }

    /// The codec of a payload type without `a=rtpmap`.
    pub fn of_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == payload_type)
    }

    /// Appends `pcm` (8 kHz, mono) to `payload` in this codec.
    pub fn encode(self, pcm: &[i16], payload: &mut Vec<u8>) {
        match self {
            Self::Pcmu => payload.extend(pcm.iter().map(|&sample| g711::encode_ulaw(sample))),
            Self::Pcma => payload.extend(pcm.iter().map(|&sample| g711::encode_alaw(sample))),
        }
    }

    /// Appends what `payload` says to `pcm` (8 kHz, mono).
    pub fn decode(self, payload: &[u8], pcm: &mut Vec<i16>) {
        match self {
            Self::Pcmu => pcm.extend(payload.iter().map(|&byte| g711::decode_ulaw(byte))),
            Self::Pcma => pcm.extend(payload.iter().map(|&byte| g711::decode_alaw(byte))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_only_at_their_clock() {
        assert_eq!(Codec::named("pcmu", 8000), Some(Codec::Pcmu));
        assert_eq!(Codec::named("PcMa", 8000), Some(Codec::Pcma));
        assert_eq!(Codec::named("PCMU", 16000), None);
        assert_eq!(Codec::of_static_payload_type(8), Some(Codec::Pcma));
        assert_eq!(Codec::of_static_payload_type(9), None);
    }

    #[test]
    fn a_frame_keeps_its_length_through_either_codec() {
        let tone: Vec<i16> = (0..160).map(|n| (n * 150 - 12000) as i16).collect();
        for codec in Codec::ALL {
            let (mut payload, mut pcm) = (Vec::new(), Vec::new());
            codec.encode(&tone, &mut payload);
            codec.decode(&payload, &mut pcm);
            assert_eq!((payload.len(), pcm.len()), (160, 160));
            let noise: i64 = tone.iter().zip(&pcm).map(|(a, b)| i64::from(a - b).pow(2)).sum();
            let signal: i64 = tone.iter().map(|&a| i64::from(a).pow(2)).sum();
            assert!(signal > noise * 1000, "{codec:?} is over 30 dB: {signal} / {noise}");
        }
    }
}
