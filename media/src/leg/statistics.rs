//! What has come and gone on a leg.

use crate::srtp::SrtpError;

/// Counters of one leg since it was connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LegStatistics {
    /// Datagrams that came in, valid or not.
    pub packets_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Datagrams handed out for sending to this leg.
    pub packets_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// RTP packets of this leg that never came, by their sequence numbers.
    pub packets_lost: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: u32,
    /// Datagrams that are neither RTP nor RTCP.
    pub malformed: u64,
    /// SRTP packets that did not authenticate.
    pub unauthentic: u64,
    /// SRTP packets that came a second time, or too late to tell.
    pub replayed: u64,
    /// Plain packets from a source that is not believed.
    pub strays: u64,
    /// Packets with a payload type that was not agreed on, on this leg or for it.
    pub unknown_formats: u64,
    /// Packets that came before this side, or the other, was connected.
    pub early_packets: u64,
    /// Packets not sent to this leg: it is on hold, has no known address, or takes no RTCP.
    pub withheld: u64,
    /// How often the source moved to another address and was followed.
    pub address_changes: u64,
}

impl LegStatistics {
    pub(super) fn count_error(&mut self, error: SrtpError) {
        match error {
            SrtpError::Malformed => self.malformed += 1,
            SrtpError::Replayed => self.replayed += 1,
            SrtpError::Unauthentic | SrtpError::TooManySources => self.unauthentic += 1,
            SrtpError::KeyUsedUp | SrtpError::BadKey => self.withheld += 1,
        }
    }
}
