//! RTCP: building and reading sender and receiver reports (RFC 3550 §6).

use callfield_domain::Timestamp;
use rtcp_types::prelude::*;
use rtcp_types::{Bye, Compound, Packet, ReceiverReport, ReportBlock, Sdes, SdesChunk, SdesItem, SenderReport};

pub use super::reception::Block;

/// Seconds from 1900 to 1970, which NTP counts from and we do.
const NTP_OFFSET_S: i64 = 2_208_988_800;

/// What this side has sent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// This side's source.
    pub ssrc: u32,
    /// The RTP time of now.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// One fact out of a compound RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A sender report of `ssrc`, with its NTP time.
    Sender {
        /// Who reports.
        ssrc: u32,
        /// 32.32 fixed point seconds since 1900.
        ntp: u64,
    },
    /// What the other side received of the source the block is about.
    Reception(Block),
    /// The other side has stopped.
    Bye,
}

/// A compound packet: SR if anything was sent, else RR; the canonical name; BYE in the last one.
pub fn build(now: Timestamp, sent: &Sent, block: Option<Block>, cname: &str, is_last: bool) -> Vec<u8> {
    let block = block.map(|block| {
        ReportBlock::builder(block.ssrc)
            .fraction_lost(block.fraction_lost)
            .cumulative_lost(block.lost & 0xff_ffff)
            .extended_sequence_number(block.highest)
            .interarrival_jitter(block.jitter)
            .last_sender_report_timestamp(block.last_report)
            .delay_since_last_sender_report_timestamp(block.delay)
    });
    let compound = Compound::builder();
    let compound = if sent.packets > 0 {
        let report = SenderReport::builder(sent.ssrc)
            .ntp_timestamp(ntp(now))
            .rtp_timestamp(sent.timestamp)
            .packet_count(sent.packets)
            .octet_count(sent.octets);
        compound.add_packet(block.into_iter().fold(report, |report, block| report.add_report_block(block)))
    } else {
        let report = ReceiverReport::builder(sent.ssrc);
        compound.add_packet(block.into_iter().fold(report, |report, block| report.add_report_block(block)))
    };
    let name = SdesChunk::builder(sent.ssrc).add_item(SdesItem::builder(SdesItem::CNAME, cname));
    let mut compound = compound.add_packet(Sdes::builder().add_chunk(name));
    if is_last {
        compound = compound.add_packet(Bye::builder().add_source(sent.ssrc));
    }
    let size = compound.calculate_size().expect("one block and a short name break no limit");
    let mut bytes = vec![0; size];
    compound.write_into_unchecked(&mut bytes);
    bytes
}

/// True when the lengths inside a compound packet add up.
pub(crate) fn is_compound(bytes: &[u8]) -> bool {
    Compound::parse(bytes).is_ok()
}

/// The facts of a compound packet that this crate uses; nothing when it is malformed.
pub fn parse(compound: &[u8]) -> Vec<Report> {
    let Ok(packets) = Compound::parse(compound) else {
        return Vec::new();
    };
    let mut reports = Vec::new();
    for packet in packets.map_while(Result::ok) {
        match packet {
            Packet::Sr(report) => {
                reports.push(Report::Sender { ssrc: report.ssrc(), ntp: report.ntp_timestamp() });
                reports.extend(report.report_blocks().map(|block| Report::Reception(read(&block))));
            }
            Packet::Rr(report) => reports.extend(report.report_blocks().map(|block| Report::Reception(read(&block)))),
            Packet::Bye(_) => reports.push(Report::Bye),
            Packet::App(_)
            | Packet::Sdes(_)
            | Packet::TransportFeedback(_)
            | Packet::PayloadFeedback(_)
            | Packet::Xr(_)
            | Packet::Unknown(_) => {}
        }
    }
    reports
}

impl Block {
    /// From the report this block answers to its arrival, less the time the other side kept it.
    pub fn round_trip_ms(&self, now: Timestamp) -> Option<u32> {
        if self.last_report == 0 {
            return None;
        }
        let middle = u32::try_from((ntp(now) >> 16) & 0xffff_ffff).unwrap_or(0);
        let units = middle.wrapping_sub(self.last_report).wrapping_sub(self.delay);
        // A clock that ran differently at both ends gives a "negative", that is huge, difference.
        (units < 1 << 24).then(|| units.saturating_mul(125) / 8192)
    }
}

fn read(block: &ReportBlock<'_>) -> Block {
    Block {
        ssrc: block.ssrc(),
        fraction_lost: block.fraction_lost(),
        lost: block.cumulative_lost(),
        highest: block.extended_sequence_number(),
        jitter: block.interarrival_jitter(),
        last_report: block.last_sender_report_timestamp(),
        delay: block.delay_since_last_sender_report_timestamp(),
    }
}

/// 32.32 fixed point seconds since 1900.
fn ntp(now: Timestamp) -> u64 {
    let seconds = now.as_millis().div_euclid(1000).wrapping_add(NTP_OFFSET_S).cast_unsigned();
    let fraction = (now.as_millis().rem_euclid(1000).cast_unsigned() << 32) / 1000;
    seconds << 32 | fraction
}
