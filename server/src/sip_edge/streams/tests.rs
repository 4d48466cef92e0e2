//! Connections of trunks as both sides see them.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::line::STRETCH_BYTES_MAX;
use super::*;

const PATIENT: Duration = Duration::from_secs(600);
const LIMITS: Limits = Limits { connections: 3, per_site: 2, idle: PATIENT, first: PATIENT };

/// A connection of the loopback address `from`.
async fn arrive(from: &str) -> (Arrival, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    let trunk = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, from) = listener.accept().await.unwrap();
    (Arrival { stream, from, tls: None }, trunk)
}

/// A trunk connection as both sides hold it.
struct Pair {
    streams: Streams,
    connection: ConnectionId,
    events: mpsc::Receiver<StreamEvent>,
    trunk: TcpStream,
}

impl Pair {
    async fn open(limits: Limits) -> Self {
        let (arrival, trunk) = arrive("127.0.0.1").await;
        let (sender, events) = mpsc::channel(64);
        let mut streams = Streams::new(sender, limits);
        let connection = streams.open_trunk(arrival).unwrap();
        Self { streams, connection, events, trunk }
    }

    /// The next `count` bytes.
    async fn received(&mut self, count: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < count {
            match self.events.recv().await.unwrap() {
                StreamEvent::Received { bytes, .. } => all.extend_from_slice(&bytes),
                StreamEvent::Closed(_) => panic!("closed after {} bytes", all.len()),
            }
        }
        all
    }
}

#[tokio::test]
async fn what_a_trunk_sends_is_passed_on_as_it_came_and_in_stretches() {
    let mut line = Pair::open(LIMITS).await;
    let sent: Vec<u8> = (0..STRETCH_BYTES_MAX * 3).map(|n| u8::try_from(n % 251).unwrap()).collect();
    line.trunk.write_all(b"no border of a message").await.unwrap();
    assert_eq!(line.received(22).await, b"no border of a message");
    line.trunk.write_all(&sent).await.unwrap();
    assert_eq!(line.received(sent.len()).await, sent);
}

#[tokio::test]
async fn a_trunk_connection_is_closed_when_nothing_came_for_its_limit() {
    let idle = Duration::from_millis(30);
    let mut line = Pair::open(Limits { idle, ..LIMITS }).await;
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
    let mut line = Pair::open(LIMITS).await;
    line.streams.send(line.connection, Bytes::from_static(b"SIP/2.0 400 Bad Request\r\n"));
    line.streams.close(line.connection);
    let mut heard = String::new();
    line.trunk.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "SIP/2.0 400 Bad Request\r\n");
    assert!(matches!(line.events.recv().await, Some(StreamEvent::Closed(_))));
    assert!(line.streams.forget(line.connection));
}

#[tokio::test]
async fn a_trunk_connection_that_never_says_anything_is_closed_sooner() {
    let mut line = Pair::open(Limits { first: Duration::from_millis(30), ..LIMITS }).await;
    assert!(matches!(line.events.recv().await, Some(StreamEvent::Closed(_))));
    assert_eq!(line.trunk.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_peer_that_leaves_too_many_bytes_unread_is_dropped_and_nobody_waits() {
    let mut line = Pair::open(LIMITS).await;
    let message = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut sent = 0;
    // What fits into the system's own buffers is not waiting.
    while !line.streams.open[&line.connection].stop.is_cancelled() {
        line.streams.send(line.connection, message.clone());
        sent += message.len();
        assert!(sent < 64 << 20, "a peer that never reads is kept");
        tokio::task::yield_now().await;
    }
    assert!(sent > QUEUE_BYTES_MAX);
    assert!(matches!(line.events.recv().await, Some(StreamEvent::Closed(_))));
}

#[tokio::test]
async fn a_device_that_leaves_too_many_bytes_unread_is_dropped_too() {
    let (sender, mut events) = mpsc::channel(64);
    let mut streams = Streams::new(sender, LIMITS);
    let mut random = callfield_domain::Random::new(callfield_domain::Seed::from_number(1));
    let now = callfield_domain::Timestamp::ZERO;
    let identity = callfield_sip::switchboard::DeviceIdentity {
        tenant: callfield_domain::TenantId::new(now, &mut random),
        user: callfield_domain::UserId::new(now, &mut random),
        device: callfield_domain::DeviceId::new(now, &mut random),
    };
    let (_to_edge, received) = mpsc::channel(1);
    let (to_device, mut unread) = mpsc::channel(64);
    let waiting = Arc::new(AtomicUsize::new(0));
    let connection = streams.open_device(Peer::Device(identity), received, to_device, Arc::clone(&waiting));
    let frame = Bytes::from(vec![b'x'; 64 * 1024]);
    for _ in 0..QUEUE_BYTES_MAX / frame.len() {
        streams.send(connection, frame.clone());
    }
    // One is written, so that there is room for one.
    unread.recv().await.unwrap();
    waiting.fetch_sub(frame.len(), Ordering::Relaxed);
    streams.send(connection, frame.clone());
    assert!(!streams.open[&connection].stop.is_cancelled());
    streams.send(connection, frame);
    assert!(matches!(events.recv().await, Some(StreamEvent::Closed(closed)) if closed == connection));
}

#[tokio::test]
async fn one_busy_stream_leaves_the_inbox_to_others() {
    let mut line = Pair::open(LIMITS).await;
    let busy = tokio::spawn(async move {
        let _ = line.trunk.write_all(&vec![b'x'; STRETCH_BYTES_MAX * 100]).await;
        line.trunk
    });
    let mut held = Vec::new();
    for _ in 0..TURNS {
        held.push(line.events.recv().await.unwrap());
    }
    let next = tokio::time::timeout(Duration::from_millis(50), line.events.recv()).await;
    assert!(next.is_err(), "a stretch beyond its turns: {next:?}");
    held.pop();
    assert!(matches!(line.events.recv().await, Some(StreamEvent::Received { .. })));
    busy.abort();
}

#[tokio::test]
async fn a_site_and_all_together_have_only_so_many_connections_at_a_time() {
    let (sender, mut events) = mpsc::channel(64);
    let mut streams = Streams::new(sender, LIMITS);
    let (mut peers, mut open) = (Vec::new(), Vec::new());
    for (from, is_taken) in
        [("127.0.0.1", true), ("127.0.0.1", true), ("127.0.0.1", false), ("127.0.0.2", true), ("127.0.0.3", false)]
    {
        let (arrival, peer) = arrive(from).await;
        let opened = streams.open_trunk(arrival);
        assert_eq!(opened.is_some(), is_taken, "{from} after {open:?}");
        open.extend(opened);
        peers.push(peer);
    }
    streams.close(open[0]);
    while !matches!(events.recv().await, Some(StreamEvent::Closed(closed)) if closed == open[0]) {}
    assert!(streams.forget(open[0]));
    assert!(streams.open_trunk(arrive("127.0.0.1").await.0).is_some());
    assert!(streams.open_trunk(arrive("127.0.0.1").await.0).is_none());
}
