//! The open streams of the edge: WebSockets of devices and TCP connections of trunks, each with a bounded queue.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use callfield_sip::message::{Frame, StreamDecoder, Verdict};
use callfield_sip::switchboard::{ConnectionId, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that may wait for a peer that does not read; one more and it is dropped, so that nobody else waits.
const QUEUE_MAX: usize = 64;
/// Trunk connections from one address; one more is refused.
const PER_ADDRESS_MAX: usize = 64;
/// A trunk connection on which nothing happens for this long is closed (RFC 5626 keep-alives are more frequent).
const IDLE: Duration = Duration::from_secs(600);
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(10);

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// One message came.
    Received(ConnectionId, Bytes),
    /// It is gone.
    Closed(ConnectionId),
}

struct Stream {
    peer: Peer,
    queue: mpsc::Sender<Bytes>,
    stop: CancellationToken,
}

/// The table of open streams.
pub(super) struct Streams {
    open: BTreeMap<ConnectionId, Stream>,
    last: u64,
    events: mpsc::Sender<StreamEvent>,
}

impl Streams {
    /// An empty table whose streams report to `events`.
    pub(super) fn new(events: mpsc::Sender<StreamEvent>) -> Self {
        Self { open: BTreeMap::new(), last: 0, events }
    }

    /// Takes in the WebSocket of a device.
    pub(super) fn open_device(
        &mut self,
        peer: Peer,
        mut received: mpsc::Receiver<Bytes>,
        queue: mpsc::Sender<Bytes>,
    ) -> ConnectionId {
        let (connection, stop) = self.insert(peer, queue);
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(Some(bytes)) = stop.run_until_cancelled(received.recv()).await {
                if events.send(StreamEvent::Received(connection, bytes)).await.is_err() {
                    return;
                }
            }
            let _ = events.send(StreamEvent::Closed(connection)).await;
        });
        connection
    }

    /// Takes in a TCP connection; `None` if its address has too many.
    pub(super) fn open_trunk(&mut self, stream: TcpStream, from: SocketAddr) -> Option<ConnectionId> {
        if self.trunks_from(from.ip()) >= PER_ADDRESS_MAX {
            metrics::counter!("callfield_sip_refused_total", "reason" => "connections_of_address").increment(1);
            return None;
        }
        // Small messages must not wait for each other; a socket that cannot do it is only slower.
        let _ = stream.set_nodelay(true);
        let (reader, writer) = stream.into_split();
        let (queue, outgoing) = mpsc::channel(QUEUE_MAX);
        let (connection, stop) = self.insert(Peer::Trunk(from), queue);
        let events = self.events.clone();
        tokio::spawn(write_stream(writer, outgoing, stop.clone()));
        tokio::spawn(async move {
            stop.run_until_cancelled(read_stream(reader, connection, &events)).await;
            stop.cancel();
            let _ = events.send(StreamEvent::Closed(connection)).await;
        });
        Some(connection)
    }

    /// Queues a message; a peer whose queue is full is dropped.
    pub(super) fn send(&self, connection: ConnectionId, bytes: Bytes) {
        let Some(stream) = self.open.get(&connection) else { return };
        if stream.queue.try_send(bytes).is_err() {
            metrics::counter!("callfield_sip_refused_total", "reason" => "slow_reader").increment(1);
            stream.stop.cancel();
        }
    }

    /// Ends a stream; its end is reported as for any other.
    pub(super) fn close(&self, connection: ConnectionId) {
        if let Some(stream) = self.open.get(&connection) {
            stream.stop.cancel();
        }
    }

    /// Forgets a stream that was reported closed; false if it was unknown.
    pub(super) fn forget(&mut self, connection: ConnectionId) -> bool {
        self.open.remove(&connection).is_some()
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    fn insert(&mut self, peer: Peer, queue: mpsc::Sender<Bytes>) -> (ConnectionId, CancellationToken) {
        self.last += 1;
        let connection = ConnectionId(self.last);
        let stop = CancellationToken::new();
        self.open.insert(connection, Stream { peer, queue, stop: stop.clone() });
        (connection, stop)
    }

    fn trunks_from(&self, address: IpAddr) -> usize {
        self.open.values().filter(|stream| matches!(stream.peer, Peer::Trunk(from) if from.ip() == address)).count()
    }
}

async fn read_stream(mut reader: OwnedReadHalf, connection: ConnectionId, events: &mpsc::Sender<StreamEvent>) {
    let mut decoder = StreamDecoder::default();
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let Ok(Ok(length @ 1..)) = tokio::time::timeout(IDLE, reader.read(&mut chunk)).await else { return };
        decoder.push(&chunk[..length]);
        while let Some(frame) = decoder.next_frame() {
            let Some(frame) = wanted(frame) else { continue };
            let Ok(message) = frame else { return };
            if events.send(StreamEvent::Received(connection, message)).await.is_err() {
                return;
            }
        }
    }
}

/// The borders of messages are lost.
struct Broken;

/// What of a frame the switchboard gets: messages it can answer, and keep-alives (RFC 5626) as they came.
fn wanted(frame: Frame) -> Option<Result<Bytes, Broken>> {
    let refused = |reason| metrics::counter!("callfield_sip_refused_total", "reason" => reason).increment(1);
    match frame {
        Frame::Message(Verdict::Ok(message) | Verdict::Answerable(message, _)) => Some(Ok(message.as_bytes().clone())),
        Frame::Message(Verdict::Drop(_)) => {
            // Not a reason of the switchboard: its counts are published as totals and would hide this one.
            refused("unreadable");
            None
        }
        Frame::Ping => Some(Ok(Bytes::from_static(b"\r\n\r\n"))),
        Frame::Pong => None,
        Frame::Broken(_) => {
            refused("stream");
            Some(Err(Broken))
        }
    }
}

async fn write_stream(mut writer: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Bytes>, stop: CancellationToken) {
    while let Some(Some(bytes)) = stop.run_until_cancelled(outgoing.recv()).await {
        if !matches!(tokio::time::timeout(WRITE, writer.write_all(&bytes)).await, Ok(Ok(()))) {
            break;
        }
    }
    stop.cancel();
}
