//! The open streams of the edge: WebSockets of devices, TCP and TLS connections of trunks, each with a bounded queue.
//!
//! Nobody waits for a slow peer: what does not fit into its queue ends it. Nobody waits for a busy one either: a stream
//! has few stretches in the loop's inbox at a time, the rest waits in the system's own buffers.

mod address;
mod line;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use callfield_sip::switchboard::{ConnectionId, Peer};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::sockets::Arrival;
use crate::config::Sip;
pub(super) use address::site_of;
use line::Line;

/// Messages that may wait for a trunk: more than the answers to all the messages that a stretch can hold.
const QUEUE_MESSAGES_MAX: usize = 256;
/// Bytes that may wait for any peer; one that leaves more unread is dropped.
const QUEUE_BYTES_MAX: usize = 512 * 1024;
/// Stretches of one stream that wait for the loop: one that is looked at, one that is read meanwhile.
const TURNS: usize = 2;

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// A frame of a device came, or a stretch of what a trunk sends, cut anywhere.
    Received {
        /// Which stream it came on.
        connection: ConnectionId,
        /// What came.
        bytes: Bytes,
        /// Given back when it was looked at, so that the stream reads on.
        turn: OwnedSemaphorePermit,
    },
    /// It is gone.
    Closed(ConnectionId),
}

/// How many connections there may be, and how long a silent one is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections of trunks and desk phones in all.
    pub(super) connections: usize,
    /// Of one site: an IPv4 address, or the 64 bits of an IPv6 network.
    pub(super) per_site: usize,
    /// A connection on which nothing comes for this long is closed (RFC 5626 keep-alives are more frequent).
    pub(super) idle: Duration,
    /// How long the first byte may take.
    pub(super) first: Duration,
}

impl Limits {
    /// Those of the configuration.
    pub(super) fn of(config: &Sip) -> Self {
        let (idle, first) = (Duration::from_secs(600), Duration::from_secs(30));
        Self { connections: config.connections, per_site: config.connections_per_address, idle, first }
    }
}

struct Stream {
    peer: Peer,
    queue: mpsc::Sender<Bytes>,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Stream {
    /// Queues a message; false if there is no room for it.
    fn takes(&self, bytes: Bytes) -> bool {
        let size = bytes.len();
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed) + size;
        waiting <= QUEUE_BYTES_MAX && self.queue.try_send(bytes).is_ok()
    }
}

/// The table of open streams.
pub(super) struct Streams {
    open: BTreeMap<ConnectionId, Stream>,
    /// How many connections of trunks each site has.
    sites: BTreeMap<IpAddr, usize>,
    trunks: usize,
    last: u64,
    events: mpsc::Sender<StreamEvent>,
    limits: Limits,
    /// Where streams are served: TLS is work, and not that of the edge's own thread.
    tasks: Handle,
}

impl Streams {
    /// An empty table whose streams report to `events`, and are served where this is called.
    pub(super) fn new(events: mpsc::Sender<StreamEvent>, limits: Limits) -> Self {
        Self {
            open: BTreeMap::new(),
            sites: BTreeMap::new(),
            trunks: 0,
            last: 0,
            events,
            limits,
            tasks: Handle::current(),
        }
    }

    /// Takes in the WebSocket of a device.
    pub(super) fn open_device(
        &mut self,
        peer: Peer,
        mut received: mpsc::Receiver<Bytes>,
        queue: mpsc::Sender<Bytes>,
        waiting: Arc<AtomicUsize>,
    ) -> ConnectionId {
        let (connection, stop) = self.insert(peer, queue, waiting);
        let (events, turns) = (self.events.clone(), Arc::new(Semaphore::new(TURNS)));
        self.tasks.spawn(async move {
            while let Some(Some(bytes)) = stop.run_until_cancelled(received.recv()).await {
                let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
                if events.send(StreamEvent::Received { connection, bytes, turn }).await.is_err() {
                    return;
                }
            }
            let _ = events.send(StreamEvent::Closed(connection)).await;
        });
        connection
    }

    /// Takes in a connection, whose TLS handshake may be still to come; `None` if there are too many.
    pub(super) fn open_trunk(&mut self, arrival: Arrival) -> Option<ConnectionId> {
        let Arrival { stream, from, tls } = arrival;
        let site = site_of(from.ip());
        if self.sites.get(&site).is_some_and(|count| *count >= self.limits.per_site) {
            refused("connections_of_address");
            return None;
        }
        if self.trunks >= self.limits.connections {
            refused("connections");
            return None;
        }
        *self.sites.entry(site).or_default() += 1;
        self.trunks += 1;
        let (queue, outgoing) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (connection, stop) = self.insert(Peer::Trunk(from), queue, Arc::clone(&waiting));
        let turns = Arc::new(Semaphore::new(TURNS));
        let line = Line { connection, limits: self.limits, turns, outgoing, waiting, stop };
        let events = self.events.clone();
        self.tasks.spawn(async move {
            line.serve(stream, tls, &events).await;
            let _ = events.send(StreamEvent::Closed(connection)).await;
        });
        Some(connection)
    }

    /// Queues a message; a peer that has no room for it left is dropped.
    pub(super) fn send(&self, connection: ConnectionId, bytes: Bytes) {
        let Some(stream) = self.open.get(&connection).filter(|stream| !stream.stop.is_cancelled()) else { return };
        if !stream.takes(bytes) {
            refused("slow_reader");
            stream.stop.cancel();
        }
    }

    /// Ends a stream; its end is reported as for any other.
    pub(super) fn close(&self, connection: ConnectionId) {
        if let Some(stream) = self.open.get(&connection) {
            stream.stop.cancel();
        }
    }

    /// Where a trunk's connection comes from; `None` for those of devices, and for unknown ones.
    pub(super) fn source_of(&self, connection: ConnectionId) -> Option<IpAddr> {
        match self.open.get(&connection)?.peer {
            Peer::Trunk(from) => Some(from.ip()),
            Peer::Device(_) => None,
        }
    }

    /// Forgets a stream that was reported closed; false if it was unknown.
    pub(super) fn forget(&mut self, connection: ConnectionId) -> bool {
        let Some(gone) = self.open.remove(&connection) else { return false };
        if let Peer::Trunk(from) = gone.peer {
            self.trunks -= 1;
            let site = site_of(from.ip());
            let left = self.sites.get(&site).map_or(0, |count| count - 1);
            match left {
                0 => self.sites.remove(&site),
                left => self.sites.insert(site, left),
            };
        }
        true
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    fn insert(
        &mut self,
        peer: Peer,
        queue: mpsc::Sender<Bytes>,
        waiting: Arc<AtomicUsize>,
    ) -> (ConnectionId, CancellationToken) {
        self.last += 1;
        let connection = ConnectionId(self.last);
        let stop = CancellationToken::new();
        self.open.insert(connection, Stream { peer, queue, waiting, stop: stop.clone() });
        (connection, stop)
    }
}

/// Counts something that the edge does not take.
pub(super) fn refused(reason: &'static str) {
    metrics::counter!("callfield_sip_refused_total", "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests;
