//! The open streams of the edge: WebSockets of devices, TCP and TLS connections of trunks, each with a bounded queue.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use callfield_sip::switchboard::{ConnectionId, Peer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::sockets::Arrival;

/// Messages that may wait for a peer that does not read; one more and it is dropped, so that nobody else waits.
const QUEUE_MAX: usize = 64;
/// Trunk connections from one address; one more is refused.
const PER_ADDRESS_MAX: usize = 64;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A trunk connection on which nothing happens for this long is closed (RFC 5626 keep-alives are more frequent).
const IDLE: Duration = Duration::from_secs(600);
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(10);
/// How long everything that waits may take once the stream was given up.
const LAST_WRITES: Duration = Duration::from_secs(1);
/// Bytes of one stretch: the answers to all the messages it can hold fit into the queue.
const STRETCH_BYTES_MAX: usize = 4 * 1024;

/// What happened on a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// A frame of a device came, or a stretch of what a trunk sends, cut anywhere.
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
    idle: Duration,
}

impl Streams {
    /// An empty table whose streams report to `events`.
    pub(super) fn new(events: mpsc::Sender<StreamEvent>) -> Self {
        Self { open: BTreeMap::new(), last: 0, events, idle: IDLE }
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

    /// Takes in a connection, whose TLS handshake may be still to come; `None` if its address has too many.
    pub(super) fn open_trunk(&mut self, arrival: Arrival) -> Option<ConnectionId> {
        let Arrival { stream, from, tls } = arrival;
        if self.trunks_from(from.ip()) >= PER_ADDRESS_MAX {
            metrics::counter!("callfield_sip_refused_total", "reason" => "connections_of_address").increment(1);
            return None;
        }
        // Small messages must not wait for each other; a socket that cannot do it is only slower.
        let _ = stream.set_nodelay(true);
        let (queue, outgoing) = mpsc::channel(QUEUE_MAX);
        let (connection, stop) = self.insert(Peer::Trunk(from), queue);
        let (events, idle) = (self.events.clone(), self.idle);
        tokio::spawn(async move {
            let line = Line { connection, idle, events: &events, outgoing, stop: &stop };
            match tls {
                None => line.converse(stream.into_split()).await,
                Some(tls) => {
                    if let Some(stream) = shake_hands(&tls, stream, &stop).await {
                        line.converse(tokio::io::split(stream)).await;
                    }
                }
            }
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

/// Makes the stream a TLS one; `None` if its peer does not speak it, or not in time.
async fn shake_hands(
    tls: &TlsAcceptor,
    stream: TcpStream,
    stop: &CancellationToken,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let reason = match stop.run_until_cancelled(tokio::time::timeout(HANDSHAKE, tls.accept(stream))).await? {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(_)) => "handshake_failed",
        Err(_) => "handshake_timeout",
    };
    metrics::counter!("callfield_sip_refused_total", "reason" => reason).increment(1);
    None
}

/// One connection of a trunk, ready to be spoken over.
struct Line<'a> {
    connection: ConnectionId,
    idle: Duration,
    events: &'a mpsc::Sender<StreamEvent>,
    outgoing: mpsc::Receiver<Bytes>,
    stop: &'a CancellationToken,
}

impl Line<'_> {
    /// Moves bytes both ways until the peer leaves, the edge drops it, or a limit is hit.
    async fn converse<R, W>(self, (reader, writer): (R, W))
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        tokio::spawn(write_stream(writer, self.outgoing, self.stop.clone()));
        self.stop.run_until_cancelled(read_stream(reader, self.connection, self.idle, self.events)).await;
    }
}

async fn read_stream(
    mut reader: impl AsyncRead + Unpin,
    connection: ConnectionId,
    idle: Duration,
    events: &mpsc::Sender<StreamEvent>,
) {
    let mut stretch = vec![0; STRETCH_BYTES_MAX];
    while let Ok(Ok(length @ 1..)) = tokio::time::timeout(idle, reader.read(&mut stretch)).await {
        let bytes = Bytes::copy_from_slice(&stretch[..length]);
        if events.send(StreamEvent::Received(connection, bytes)).await.is_err() {
            return;
        }
    }
}

async fn write_stream(
    mut writer: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::Receiver<Bytes>,
    stop: CancellationToken,
) {
    while let Some(Some(bytes)) = stop.run_until_cancelled(outgoing.recv()).await {
        if !matches!(tokio::time::timeout(WRITE, write(&mut writer, &bytes)).await, Ok(Ok(()))) {
            return stop.cancel();
        }
    }
    stop.cancel();
    let last_writes = async {
        while let Ok(bytes) = outgoing.try_recv() {
            writer.write_all(&bytes).await?;
        }
        writer.shutdown().await
    };
    // The answer to what broke the stream was queued just before; a peer that has gone does not want it.
    let _ = tokio::time::timeout(LAST_WRITES, last_writes).await;
}

/// Over TLS, what is written must be flushed to leave.
async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::net::TcpListener;

    use super::*;

    /// A trunk connection as both sides hold it.
    struct Pair {
        streams: Streams,
        connection: ConnectionId,
        events: mpsc::Receiver<StreamEvent>,
        trunk: TcpStream,
    }

    impl Pair {
        async fn open(idle: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let trunk = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, from) = listener.accept().await.unwrap();
            let (sender, events) = mpsc::channel(64);
            let mut streams = Streams { idle, ..Streams::new(sender) };
            let connection = streams.open_trunk(Arrival { stream, from, tls: None }).unwrap();
            Self { streams, connection, events, trunk }
        }

        /// The next `count` bytes.
        async fn received(&mut self, count: usize) -> Vec<u8> {
            let mut all = Vec::new();
            while all.len() < count {
                match self.events.recv().await.unwrap() {
                    StreamEvent::Received(_, bytes) => all.extend_from_slice(&bytes),
                    StreamEvent::Closed(_) => panic!("closed after {} bytes", all.len()),
                }
            }
            all
        }
    }

    #[tokio::test]
    async fn what_a_trunk_sends_is_passed_on_as_it_came_and_in_stretches() {
        let mut line = Pair::open(IDLE).await;
        let sent: Vec<u8> = (0..STRETCH_BYTES_MAX * 3).map(|n| u8::try_from(n % 251).unwrap()).collect();
        line.trunk.write_all(b"no border of a message").await.unwrap();
        assert_eq!(line.received(22).await, b"no border of a message");
        line.trunk.write_all(&sent).await.unwrap();
        assert_eq!(line.received(sent.len()).await, sent);
    }

    #[tokio::test]
    async fn a_trunk_connection_is_closed_when_nothing_came_for_its_limit() {
        let idle = Duration::from_millis(30);
        let mut line = Pair::open(idle).await;
        let sent = Instant::now();
        line.trunk.write_all(b"\r\n\r\n").await.unwrap();
        line.received(4).await;
        let event = line.events.recv().await;
        assert!(matches!(event, Some(StreamEvent::Closed(connection)) if connection == line.connection), "{event:?}");
        assert!(sent.elapsed() >= idle);
        assert_eq!(line.trunk.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn what_was_queued_before_a_stream_is_closed_is_still_written() {
        let mut line = Pair::open(IDLE).await;
        line.streams.send(line.connection, Bytes::from_static(b"SIP/2.0 400 Bad Request\r\n"));
        line.streams.close(line.connection);
        let mut heard = String::new();
        line.trunk.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "SIP/2.0 400 Bad Request\r\n");
        assert!(matches!(line.events.recv().await, Some(StreamEvent::Closed(_))));
        assert!(line.streams.forget(line.connection));
    }
}
