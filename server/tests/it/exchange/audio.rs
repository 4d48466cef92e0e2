//! What is said and heard at one end of a call.

use callfield_domain::{Random, Seed};
use callfield_media::sdp::{Agreement, Negotiation};
use callfield_media::session::{self, MediaSession};
use tokio::net::UdpSocket;

use super::within;
use crate::office::MORNING;

/// One end's socket for audio, and what it agreed on.
pub(crate) struct Audio {
    pub(crate) leg: Negotiation,
    socket: UdpSocket,
}

impl Audio {
    pub(super) async fn new(seed: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let leg = Negotiation::new(socket.local_addr().unwrap(), &mut Random::new(Seed::from_number(seed)));
        Self { leg, socket }
    }

    /// Says something; what is said comes from a session on `agreed`.
    pub(crate) async fn speak(&self, agreed: &Agreement) {
        let mut session = MediaSession::new(agreed, Seed::from_number(5), MORNING).unwrap();
        session.handle_timeout(MORNING);
        while let Some(session::Output::Transmit { to, bytes }) = session.poll_output() {
            self.socket.send_to(&bytes, to).await.unwrap();
        }
    }

    /// Waits for a packet that can be understood under `agreed`.
    pub(crate) async fn hear(&self, agreed: &Agreement) {
        let mut session = MediaSession::new(agreed, Seed::from_number(6), MORNING).unwrap();
        let mut packet = [0; 2_048];
        let (length, from) = within(self.socket.recv_from(&mut packet)).await.unwrap();
        session.handle(MORNING, from, &packet[..length]);
        assert_eq!(session.statistics().leg.packets_received, 1);
    }
}
