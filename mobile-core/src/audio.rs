//! The audio of one call: the platform's PCM on one side, the socket on the other, every 20 ms.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use callfield_domain::{CallId, Seed};
use callfield_media::sdp::Agreement;
use callfield_media::session::{MediaSession, Output, RATE_HZ, SessionStatistics};
use callfield_media::srtp::SrtpError;
use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::transport::Network;

const TICK: Duration = Duration::from_millis(20);
/// Frames of PCM in a tick: 8 kHz for 20 ms.
pub const FRAMES: usize = (RATE_HZ / 50) as usize;
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// The platform's microphones and speakers.
pub trait AudioPort: Send + Sync {
    /// Opens both ends for a call; they close when dropped.
    fn open(&self, call: CallId) -> Box<dyn AudioDevice>;
}

/// Microphone and speaker of one call: 8 kHz mono.
pub trait AudioDevice: Send {
    /// Fills `pcm` with what the microphone heard since the last time; silence where it heard nothing.
    fn capture(&mut self, pcm: &mut [i16]);
    /// Plays `pcm`.
    fn play(&mut self, pcm: &[i16]);
}

/// A port that hears and plays nothing.
pub struct Silence;

impl AudioPort for Silence {
    fn open(&self, _call: CallId) -> Box<dyn AudioDevice> {
        Box::new(Self)
    }
}

impl AudioDevice for Silence {
    fn capture(&mut self, pcm: &mut [i16]) {
        pcm.fill(0);
    }

    fn play(&mut self, _pcm: &[i16]) {}
}

/// The audio of one call between its socket and its device.
pub struct CallAudio {
    session: MediaSession,
    socket: Arc<UdpSocket>,
    device: Box<dyn AudioDevice>,
    network: Network,
    clock: Clock,
}

impl CallAudio {
    /// Audio on what was agreed.
    ///
    /// # Errors
    /// If the agreed keys cannot be used.
    pub fn new(
        agreement: &Agreement,
        seed: Seed,
        socket: Arc<UdpSocket>,
        device: Box<dyn AudioDevice>,
        (network, clock): (Network, Clock),
    ) -> Result<Self, SrtpError> {
        let session = MediaSession::new(agreement, seed, clock.now())?;
        Ok(Self { session, socket, device, network, clock })
    }

    /// Carries audio until `stop`, and tells what was carried.
    pub async fn run(mut self, stop: CancellationToken) -> SessionStatistics {
        self.carry_until(stop.cancelled()).await;
        self.end().await
    }

    /// Carries audio until something else happens; it can be carried on after.
    pub async fn carry_until<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = pin!(other);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let socket = Arc::clone(&self.socket);
        loop {
            self.transmit().await;
            tokio::select! {
                happened = &mut other => return happened,
                received = socket.recv_from(&mut datagram) => {
                    let Ok((length, from)) = received else { continue };
                    if self.network.is_on() {
                        self.session.handle(self.clock.now(), from, &datagram[..length]);
                    }
                }
                _ = ticks.tick() => self.move_pcm(),
                () = sleep(self.until_due()) => self.session.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Applies what was agreed anew for the call.
    ///
    /// # Errors
    /// If the agreed keys cannot be used.
    pub fn renegotiate(&mut self, agreement: &Agreement) -> Result<(), SrtpError> {
        self.session.renegotiate(self.clock.now(), agreement)
    }

    /// Says goodbye, and tells what was carried.
    pub async fn end(mut self) -> SessionStatistics {
        self.session.stop(self.clock.now());
        self.transmit().await;
        self.session.statistics()
    }

    fn until_due(&self) -> Duration {
        self.session.poll_timeout().map_or(TICK, |(deadline, _)| deadline.since(self.clock.now()))
    }

    fn move_pcm(&mut self) {
        let mut pcm = [0; FRAMES];
        self.device.capture(&mut pcm);
        self.session.push_pcm(&pcm);
        self.session.pull_pcm(&mut pcm);
        self.device.play(&pcm);
    }

    async fn transmit(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let Output::Transmit { to, bytes } = output else { continue };
            if self.network.is_on() {
                // A datagram that cannot be sent is a lost one.
                let _ = self.socket.send_to(&bytes, to).await;
            }
        }
    }
}
