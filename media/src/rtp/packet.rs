//! One RTP packet, and telling RTP from RTCP on a shared port.

use bytes::Bytes;
use rtp_types::{RtpPacket, RtpPacketBuilder};

/// The longest datagram that is looked at, in bytes.
const PACKET_BYTES_MAX: usize = 2048;

/// What a datagram on a media port is (RFC 5761 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Media or events.
    Rtp,
    /// Reports.
    Rtcp,
}

impl Kind {
    /// Tells RTP from RTCP; `None` for what is neither (STUN, DTLS, noise).
    pub fn of(datagram: &[u8]) -> Option<Self> {
        let (&first, &second) = (datagram.first()?, datagram.get(1)?);
        match (first >> 6, second) {
            _ if datagram.len() > PACKET_BYTES_MAX => None,
            (2, 192..=223) => (datagram.len() >= 8).then_some(Self::Rtcp),
            (2, _) => (datagram.len() >= 12).then_some(Self::Rtp),
            _ => None,
        }
    }
}

/// An RTP packet without header extensions, contributing sources and padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The marker bit: the first packet after a silence, or of a key press.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// The sequence number.
    pub sequence: u16,
    /// The media time in units of the codec's clock.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
    /// The codec's bytes.
    pub payload: Bytes,
}

impl Packet {
    /// Reads a packet; `None` when it is not RTP version 2 or contradicts its own lengths.
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let packet = RtpPacket::parse(datagram).ok()?;
        Some(Self {
            marker: packet.marker_bit(),
            payload_type: packet.payload_type(),
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            ssrc: packet.ssrc(),
            payload: Bytes::copy_from_slice(packet.payload()),
        })
    }

    /// The packet as a datagram.
    pub fn write(&self) -> Vec<u8> {
        RtpPacketBuilder::<&[u8], &[u8]>::new()
            .marker_bit(self.marker)
            .payload_type(self.payload_type & 0x7f)
            .sequence_number(self.sequence)
            .timestamp(self.timestamp)
            .ssrc(self.ssrc)
            .payload(&self.payload)
            .write_vec()
            .expect("a packet without extension, padding and contributing sources breaks no limit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_written_is_read_back() {
        let packet = Packet {
            marker: true,
            payload_type: 101,
            sequence: 65535,
            timestamp: 7,
            ssrc: 0xdead_beef,
            payload: Bytes::from_static(&[1, 2, 3]),
        };
        let bytes = packet.write();
        assert_eq!((Kind::of(&bytes), Packet::parse(&bytes)), (Some(Kind::Rtp), Some(packet)));
    }

    #[test]
    fn extensions_sources_and_padding_are_left_behind() {
        let bytes = RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(0)
            .add_csrc(9)
            .extension(0xbede, &[0x10, 0xff, 0, 0])
            .payload(&[1, 2])
            .padding(4)
            .write_vec()
            .unwrap();
        assert_eq!(Packet::parse(&bytes).unwrap().payload, &[1, 2][..]);
    }

    #[test]
    fn stun_dtls_and_short_datagrams_are_neither() {
        assert_eq!(Kind::of(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0]), None);
        assert_eq!(Kind::of(&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(Kind::of(&[0x80, 0, 0, 0]), None);
        assert_eq!(Kind::of(&[0x80, 200, 0, 1, 0, 0, 0, 0]), Some(Kind::Rtcp));
    }
}
