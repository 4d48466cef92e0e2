//! One end of a call's audio: PCM in and out on one side, packets on the other.
//!
//! The phone and the PBX of the demo use it. PCM is 8 kHz mono, any number of frames a call. Pushed PCM waits for the
//! send tick; pulled PCM comes from a small delay queue, and pulling is what drives play-out. From the first tick on a
//! packet goes out every [`Agreement::ptime_ms`](crate::sdp::Agreement), silence when nothing was pushed, so that the
//! other side learns this address.

mod inbound;
mod outbound;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{Random, Seed, Timestamp};

use crate::leg::{Latching, Leg, Received};
use crate::rtp::reports::{self, Report};
use crate::sdp::Agreement;
use crate::srtp::SrtpError;
use inbound::Inbound;
use outbound::Outbound;

pub use crate::leg::LegStatistics;

/// Frames of PCM in a second.
pub const RATE_HZ: u32 = 8000;
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send `bytes` to `to`.
    Transmit {
        /// Where to.
        to: SocketAddr,
        /// One datagram.
        bytes: Bytes,
    },
    /// The other side pressed a key: `0`–`9`, `*`, `#`, `A`–`D` (RFC 4733).
    Digit(char),
}

/// Why the session wants to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The next audio packet is due.
    SendTick,
    /// The next RTCP report is due.
    Report,
}

/// What a session has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionStatistics {
    /// Packets of the leg.
    pub leg: LegStatistics,
    /// Pushed PCM frames thrown away because the send tick did not keep up.
    pub frames_overrun: u64,
    /// Played PCM frames that had to be made up because no packet carried them.
    pub frames_concealed: u64,
    /// Packets that came too late to be played.
    pub packets_too_late: u64,
    /// The other side's last report: the share of packets it lost, in 1/256.
    pub reported_loss: u8,
    /// Milliseconds from here to the other side and back, once a report told.
    pub round_trip_ms: Option<u32>,
}

/// The audio of one call at one end.
pub struct MediaSession {
    leg: Leg,
    inbound: Inbound,
    outbound: Outbound,
    cname: String,
    next_tick: Timestamp,
    next_report: Timestamp,
    is_stopped: bool,
    reported_loss: u8,
    round_trip_ms: Option<u32>,
    outputs: VecDeque<Output>,
}

impl MediaSession {
    /// Starts a session on what was agreed; the first packet is due at once.
    pub fn new(agreement: &Agreement, seed: Seed, now: Timestamp) -> Result<Self, SrtpError> {
        let mut random = Random::new(seed);
        Ok(Self {
            leg: Leg::new(now, agreement, Latching::AnySource)?,
            inbound: Inbound::new(),
            outbound: Outbound::new(&mut random),
            cname: random.token(16),
            next_tick: now,
            next_report: now + REPORT_INTERVAL,
            is_stopped: false,
            reported_loss: 0,
            round_trip_ms: None,
            outputs: VecDeque::new(),
        })
    }

    /// Applies the agreement of a re-INVITE; an unchanged key keeps its state.
    pub fn renegotiate(&mut self, now: Timestamp, agreement: &Agreement) -> Result<(), SrtpError> {
        self.leg.renegotiate(now, agreement)
    }

    /// Takes captured PCM. At most 200 ms wait for the send tick; beyond that the oldest is thrown away.
    pub fn push_pcm(&mut self, pcm: &[i16]) {
        self.outbound.push(pcm);
    }

    /// Fills `pcm` with what is to be played now and says how many of its frames were really received.
    pub fn pull_pcm(&mut self, pcm: &mut [i16]) -> usize {
        self.inbound.pull(pcm)
    }

    /// Sends silence while muted; pushed PCM is thrown away.
    pub fn set_muted(&mut self, is_muted: bool) {
        self.outbound.set_muted(is_muted);
    }

    /// Queues key presses (`0`–`9`, `*`, `#`, `A`–`D`); false when a character is none or the other side takes none.
    pub fn send_digits(&mut self, digits: &str) -> bool {
        self.leg.agreement().events.is_some() && self.outbound.queue_digits(digits)
    }

    /// Takes one datagram from the socket. Never fails: what is not valid is counted and dropped.
    pub fn handle(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        match self.leg.receive(now, from, datagram) {
            Some((Received::Rtp(meaning, packet), _)) => {
                let digit = self.inbound.receive(meaning, &packet);
                self.outputs.extend(digit.map(Output::Digit));
            }
            Some((Received::Rtcp(compound), _)) => {
                for report in reports::parse(&compound) {
                    self.take_report(now, report);
                }
            }
            None => {}
        }
    }

    /// Sends the packets that are due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.is_stopped {
            return;
        }
        self.skip_a_long_sleep(now);
        while self.next_tick <= now {
            if let Some(packet) = self.outbound.tick(self.leg.agreement()) {
                self.transmit(|leg| leg.send_rtp(&packet));
            }
            self.next_tick = self.next_tick + self.tick();
        }
        if self.next_report <= now {
            self.next_report = now + REPORT_INTERVAL;
            self.report(now, false);
        }
    }

    /// Sends a last report with BYE (RFC 3550 §6.6) and nothing after it.
    pub fn stop(&mut self, now: Timestamp) {
        if !self.is_stopped {
            self.report(now, true);
            self.is_stopped = true;
        }
    }

    /// When to call [`Self::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        if self.is_stopped {
            return None;
        }
        let deadlines = [(self.next_tick, Why::SendTick), (self.next_report, Why::Report)];
        deadlines.into_iter().min_by_key(|(deadline, _)| *deadline)
    }

    /// What to do next, in order; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What has been sent, received and made up so far.
    pub fn statistics(&self) -> SessionStatistics {
        SessionStatistics {
            leg: self.leg.statistics(),
            frames_overrun: self.outbound.frames_overrun(),
            frames_concealed: self.inbound.frames_concealed(),
            packets_too_late: self.inbound.packets_too_late(),
            reported_loss: self.reported_loss,
            round_trip_ms: self.round_trip_ms,
        }
    }

    /// When the last valid packet came in; the start while none has.
    pub fn last_heard(&self) -> Timestamp {
        self.leg.last_heard()
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(u64::from(self.leg.agreement().ptime_ms))
    }

    /// After a pause of the whole process the missed packets are not sent in a burst; the RTP clock goes on.
    fn skip_a_long_sleep(&mut self, now: Timestamp) {
        let late = now.since(self.next_tick);
        if late > Duration::from_millis(200) {
            let ticks = u32::try_from(late.as_millis() / self.tick().as_millis().max(1)).unwrap_or(u32::MAX);
            self.outbound.skip(ticks, self.leg.agreement());
            self.next_tick = now;
        }
    }

    fn take_report(&mut self, now: Timestamp, report: Report) {
        match report {
            Report::Sender { ssrc, ntp } => self.leg.note_sender_report(now, ssrc, ntp),
            Report::Reception(block) if block.ssrc == self.outbound.sent().ssrc => {
                self.reported_loss = block.fraction_lost;
                self.round_trip_ms = block.round_trip_ms(now).or(self.round_trip_ms);
            }
            Report::Reception(_) | Report::Bye => {}
        }
    }

    fn report(&mut self, now: Timestamp, is_last: bool) {
        let block = self.leg.report_block(now);
        let compound = reports::build(now, &self.outbound.sent(), block, &self.cname, is_last);
        self.transmit(|leg| leg.send_rtcp(&compound));
    }

    fn transmit(&mut self, send: impl FnOnce(&mut Leg) -> Option<(SocketAddr, Bytes)>) {
        if let Some((to, bytes)) = send(&mut self.leg) {
            self.outputs.push_back(Output::Transmit { to, bytes });
        }
    }
}
