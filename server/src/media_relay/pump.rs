//! One task a call: datagrams into the relay, datagrams out of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use callfield_media::relay::{Output, Relay, Side};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::app::clock::Clock;

/// The largest media packet: none of our codecs comes near it, and a larger one is cut and then fails to parse.
const PACKET_BYTES_MAX: usize = 2_048;
/// Packets of one side taken in before the other side has its turn.
const PACKETS_AT_ONCE: usize = 16;
/// How long the task sleeps when the relay has no deadline.
const NO_DEADLINE: Duration = Duration::from_secs(60);

/// A call's two sockets.
pub(super) struct Sockets {
    pub(super) a: Arc<UdpSocket>,
    pub(super) b: Arc<UdpSocket>,
}

impl Sockets {
    fn of(&self, side: Side) -> &UdpSocket {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }
}

/// Relays until `stop`.
pub(super) async fn run(relay: Arc<Mutex<Relay>>, sockets: Sockets, clock: Clock, stop: CancellationToken) {
    let mut packet = vec![0; PACKET_BYTES_MAX];
    loop {
        let deadline = lock(&relay).poll_timeout();
        let pause = deadline.map_or(NO_DEADLINE, |(at, _)| at.since(clock.now()));
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = sockets.a.readable() => take(&relay, &sockets, Side::A, &clock, &stop, &mut packet),
            Ok(()) = sockets.b.readable() => take(&relay, &sockets, Side::B, &clock, &stop, &mut packet),
            () = tokio::time::sleep(pause) => {
                let mut relay = lock(&relay);
                relay.handle_timeout(clock.now());
                send(&mut relay, &sockets);
            }
        }
    }
}

fn take(
    relay: &Mutex<Relay>,
    sockets: &Sockets,
    side: Side,
    clock: &Clock,
    stop: &CancellationToken,
    packet: &mut [u8],
) {
    let mut relay = lock(relay);
    // Whoever stopped this task may have connected a side anew: what comes on its old socket is not for that.
    if stop.is_cancelled() {
        return;
    }
    for _ in 0..PACKETS_AT_ONCE {
        let Ok((length, from)) = sockets.of(side).try_recv_from(packet) else { return };
        relay.handle(clock.now(), side, from, &packet[..length]);
        send(&mut relay, sockets);
    }
}

fn send(relay: &mut Relay, sockets: &Sockets) {
    while let Some(output) = relay.poll_output() {
        match output {
            // A packet that cannot be sent now is lost, like any other of its kind.
            Output::Transmit { side, to, bytes } => drop(sockets.of(side).try_send_to(&bytes, to)),
            Output::Moved { side } => tracing::debug!(?side, "media comes from another address"),
            Output::Idle { side, .. } => {
                tracing::info!(?side, "a side of a call has gone silent");
                metrics::counter!("callfield_media_idle_total").increment(1);
            }
        }
    }
}

fn lock(relay: &Mutex<Relay>) -> std::sync::MutexGuard<'_, Relay> {
    relay.lock().unwrap_or_else(PoisonError::into_inner)
}
