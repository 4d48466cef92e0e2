//! The audio of the PBX: a tone out, what comes in kept.

use std::time::Duration;

use anyhow::Result;
use callfield_domain::Seed;
use callfield_media::sdp::Agreement;
use callfield_media::session::{MediaSession, Output, RATE_HZ};
use callfield_media::tones;
use tokio::net::UdpSocket;
use tokio::sync::watch;

use super::now;

/// How often PCM is moved: one packet's worth.
const TICK: Duration = Duration::from_millis(20);
/// PCM frames of a tick.
const TICK_FRAMES: usize = RATE_HZ as usize / 50;
const AMPLITUDE: i16 = 12_000;

/// What the PBX heard.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// 8 kHz mono.
    pub pcm: Vec<i16>,
    /// Packets that came.
    pub packets: u64,
}

/// Plays a tone and keeps what comes until the sender's receivers are gone or the task is dropped.
pub(super) async fn play(
    socket: UdpSocket,
    agreement: Agreement,
    seed: Seed,
    tone_hz: f64,
    heard: watch::Sender<Heard>,
) -> Result<()> {
    let mut session = MediaSession::new(&agreement, seed, now())?;
    let tone = tones::sine(tone_hz, RATE_HZ, AMPLITUDE, RATE_HZ as usize);
    let mut position = 0;
    let mut tick = tokio::time::interval(TICK);
    let mut datagram = vec![0; 2_048];
    let mut frames = vec![0; TICK_FRAMES];
    loop {
        tokio::select! {
            _ = tick.tick() => {
                session.push_pcm(&tone[position..position + TICK_FRAMES]);
                // A second of any whole number of hertz ends where it began.
                position = (position + TICK_FRAMES) % tone.len();
                let pulled = session.pull_pcm(&mut frames);
                let packets = session.statistics().leg.packets_received;
                heard.send_modify(|heard| {
                    heard.pcm.extend_from_slice(&frames[..pulled]);
                    heard.packets = packets;
                });
            }
            came = socket.recv_from(&mut datagram) => {
                let (length, from) = came?;
                session.handle(now(), from, &datagram[..length]);
            }
            () = tokio::time::sleep(session.poll_timeout().map_or(TICK, |(at, _)| at.since(now()))) => {
                session.handle_timeout(now());
            }
        }
        while let Some(output) = session.poll_output() {
            if let Output::Transmit { to, bytes } = output {
                socket.send_to(&bytes, to).await?;
            }
        }
    }
}
