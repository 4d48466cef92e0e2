//! One leg's packets: whom to believe, what they mean, where to send, and the counting of it all.

mod inbound;
mod latch;
mod statistics;

use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::Timestamp;

use crate::rtp::reports::Block;
use crate::rtp::{Arrival, Kind, Meaning, Packet, Reception, reports};
use crate::sdp::Agreement;
use crate::srtp::{MasterKey, Protector, SrtpError};
use inbound::Inbound;

pub use latch::Latching;
pub use statistics::LegStatistics;

/// A valid packet of the other side, in the clear.
pub(crate) enum Received {
    Rtp(Meaning, Packet),
    Rtcp(Bytes),
}

/// A leg with an agreement.
pub(crate) struct Leg {
    agreement: Agreement,
    latching: Latching,
    inbound: Inbound,
    protector: Option<Protector>,
    reception: Reception,
    statistics: LegStatistics,
    last_heard: Timestamp,
}

impl Leg {
    pub(crate) fn new(now: Timestamp, agreement: &Agreement, latching: Latching) -> Result<Self, SrtpError> {
        Ok(Self {
            inbound: Inbound::new(agreement, latching)?,
            protector: agreement.keys.as_ref().map(|keys| Protector::new(&keys.send)).transpose()?,
            agreement: agreement.clone(),
            latching,
            reception: Reception::default(),
            statistics: LegStatistics::default(),
            last_heard: now,
        })
    }

    pub(crate) fn renegotiate(&mut self, now: Timestamp, agreement: &Agreement) -> Result<(), SrtpError> {
        let sending = agreement.keys.as_ref().map(|keys| &keys.send);
        if self.sending_key() != sending {
            self.protector = sending.map(Protector::new).transpose()?;
        }
        // On old-style hold there is no address; the one before still holds when the call is resumed.
        let has_moved = agreement.remote.is_some() && agreement.remote != self.inbound.signalled();
        match (&mut self.inbound, &agreement.keys) {
            (Inbound::Secure(unprotector, follower), Some(keys)) if *unprotector.key() == keys.receive => {
                if has_moved {
                    follower.restart(agreement.remote);
                }
            }
            (Inbound::Plain(_), None) if !has_moved => {}
            _ => self.inbound = Inbound::new(agreement, self.latching)?,
        }
        self.agreement = agreement.clone();
        self.last_heard = now;
        Ok(())
    }

    /// Checks, unprotects and counts one datagram; true beside it when it proves that the other side has moved.
    pub(crate) fn receive(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) -> Option<(Received, bool)> {
        self.statistics.packets_received += 1;
        self.statistics.bytes_received += datagram.len() as u64;
        let received = match Kind::of(datagram) {
            Some(Kind::Rtp) => self.receive_rtp(now, from, datagram),
            Some(Kind::Rtcp) => self.receive_rtcp(from, datagram),
            None => {
                self.statistics.malformed += 1;
                None
            }
        };
        if received.is_some() {
            self.last_heard = now;
        }
        received
    }

    /// Where packets go: the believed source, else the signalled address.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        self.inbound.target()
    }

    pub(crate) fn send_rtp(&mut self, packet: &Packet) -> Option<(SocketAddr, Bytes)> {
        if !self.agreement.direction.sends() {
            self.statistics.withheld += 1;
            return None;
        }
        self.send(packet.write(), Protector::protect_rtp)
    }

    pub(crate) fn send_rtcp(&mut self, compound: &[u8]) -> Option<(SocketAddr, Bytes)> {
        if !self.agreement.rtcp_mux {
            self.statistics.withheld += 1;
            return None;
        }
        self.send(compound.to_vec(), Protector::protect_rtcp)
    }

    /// The payload type this leg wants for `meaning`; counts what it has none for.
    pub(crate) fn payload_type(&mut self, meaning: Meaning) -> Option<u8> {
        let number = match meaning {
            Meaning::Speech(codec) => {
                self.agreement.formats.iter().find(|format| format.codec == codec).map(|format| format.send)
            }
            Meaning::Events => self.agreement.events.map(|events| events.send),
        };
        self.statistics.unknown_formats += u64::from(number.is_none());
        number
    }

    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    pub(crate) fn sending_key(&self) -> Option<&MasterKey> {
        self.protector.as_ref().map(Protector::key)
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.protector.is_some()
    }

    pub(crate) fn expects_media(&self) -> bool {
        self.agreement.direction.receives()
    }

    pub(crate) fn last_heard(&self) -> Timestamp {
        self.last_heard
    }

    pub(crate) fn count_early(&mut self) {
        self.statistics.early_packets += 1;
    }

    pub(crate) fn statistics(&self) -> LegStatistics {
        let (packets_lost, jitter_ms) = (self.reception.lost(), self.reception.jitter_ms());
        LegStatistics { packets_lost, jitter_ms, ..self.statistics }
    }

    pub(crate) fn note_sender_report(&mut self, now: Timestamp, ssrc: u32, ntp: u64) {
        self.reception.note_sender_report(now, ssrc, ntp);
    }

    pub(crate) fn report_block(&mut self, now: Timestamp) -> Option<Block> {
        self.reception.block(now)
    }

    fn receive_rtp(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) -> Option<(Received, bool)> {
        let clear = match &mut self.inbound {
            Inbound::Plain(_) => None,
            Inbound::Secure(unprotector, _) => {
                let clear = unprotector.unprotect_rtp(datagram);
                Some(clear.map_err(|error| self.statistics.count_error(error)).ok()?)
            }
        };
        let Some(packet) = Packet::parse(clear.as_deref().unwrap_or(datagram)) else {
            self.statistics.malformed += 1;
            return None;
        };
        let Some(meaning) = self.meaning(packet.payload_type) else {
            self.statistics.unknown_formats += 1;
            return None;
        };
        if let Inbound::Plain(latch) = &mut self.inbound
            && !latch.admits(from, &packet)
        {
            self.statistics.strays += 1;
            return None;
        }
        let arrival = self.reception.note(now, packet.ssrc, packet.sequence, packet.timestamp);
        let has_moved = match &mut self.inbound {
            Inbound::Plain(latch) => latch.take_moved(),
            Inbound::Secure(_, follower) => arrival != Arrival::Late && follower.follow(from),
        };
        self.statistics.address_changes += u64::from(has_moved);
        Some((Received::Rtp(meaning, packet), has_moved))
    }

    fn receive_rtcp(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<(Received, bool)> {
        let (clear, has_moved) = match &mut self.inbound {
            Inbound::Plain(latch) if latch.believes(from) => (Bytes::copy_from_slice(datagram), false),
            Inbound::Plain(_) => {
                self.statistics.strays += 1;
                return None;
            }
            Inbound::Secure(unprotector, follower) => match unprotector.unprotect_rtcp(datagram) {
                Ok(clear) => (clear, follower.follow_report(from, datagram)),
                Err(error) => {
                    self.statistics.count_error(error);
                    return None;
                }
            },
        };
        if !reports::is_compound(&clear) {
            self.statistics.malformed += 1;
            return None;
        }
        self.statistics.address_changes += u64::from(has_moved);
        Some((Received::Rtcp(clear), has_moved))
    }

    fn meaning(&self, payload_type: u8) -> Option<Meaning> {
        let speech = self.agreement.formats.iter().find(|format| format.receive == payload_type);
        let events = self.agreement.events.filter(|events| events.receive == payload_type);
        speech.map(|format| Meaning::Speech(format.codec)).or(events.map(|_| Meaning::Events))
    }

    fn send(
        &mut self,
        clear: Vec<u8>,
        protect: impl FnOnce(&mut Protector, &[u8]) -> Result<Bytes, SrtpError>,
    ) -> Option<(SocketAddr, Bytes)> {
        let Some(to) = self.target() else {
            self.statistics.withheld += 1;
            return None;
        };
        let bytes = match &mut self.protector {
            None => Bytes::from(clear),
            Some(protector) => protect(protector, &clear).map_err(|error| self.statistics.count_error(error)).ok()?,
        };
        self.statistics.packets_sent += 1;
        self.statistics.bytes_sent += bytes.len() as u64;
        Some((to, bytes))
    }
}
