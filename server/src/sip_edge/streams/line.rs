//! One connection of a trunk: the handshake, what is read, what is written, and what ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use callfield_sip::switchboard::ConnectionId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Limits, StreamEvent, refused};

/// Bytes of one stretch.
pub(super) const STRETCH_BYTES_MAX: usize = 4 * 1024;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long one write may take.
const WRITE: Duration = Duration::from_secs(10);
/// How long everything that waits may take once the stream was given up.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// A connection that was let in.
pub(super) struct Line {
    pub(super) connection: ConnectionId,
    pub(super) limits: Limits,
    pub(super) turns: Arc<Semaphore>,
    pub(super) outgoing: mpsc::Receiver<Bytes>,
    /// Bytes of `outgoing` that are not written.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) stop: CancellationToken,
}

impl Line {
    /// Moves bytes both ways until the peer leaves, the edge drops it, or a limit is hit.
    pub(super) async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>, events: &mpsc::Sender<StreamEvent>) {
        // Small messages must not wait for each other; a socket that cannot do it is only slower.
        let _ = stream.set_nodelay(true);
        let stop = self.stop.clone();
        match tls {
            None => self.converse(stream.into_split(), events).await,
            Some(tls) => {
                if let Some(stream) = shake_hands(&tls, stream, &stop).await {
                    self.converse(tokio::io::split(stream), events).await;
                }
            }
        }
        stop.cancel();
    }

    async fn converse<R, W>(self, (reader, writer): (R, W), events: &mpsc::Sender<StreamEvent>)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let Self { connection, limits, turns, outgoing, waiting, stop } = self;
        tokio::spawn(write_until_stopped(writer, outgoing, waiting, stop.clone()));
        let reading = read_stream(reader, connection, limits, &turns, events);
        if let Some(Some(reason)) = stop.run_until_cancelled(reading).await {
            refused(reason);
        }
    }
}

/// Makes the stream a TLS one; `None` if its peer does not speak it, or not in time.
async fn shake_hands(tls: &TlsAcceptor, stream: TcpStream, stop: &CancellationToken) -> Option<TlsStream<TcpStream>> {
    let reason = match stop.run_until_cancelled(timeout(HANDSHAKE, tls.accept(stream))).await? {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(_)) => "handshake_failed",
        Err(_) => "handshake_timeout",
    };
    refused(reason);
    None
}

/// Reads until the peer leaves, or has been silent for too long: then that is returned.
async fn read_stream(
    mut reader: impl AsyncRead + Unpin,
    connection: ConnectionId,
    limits: Limits,
    turns: &Arc<Semaphore>,
    events: &mpsc::Sender<StreamEvent>,
) -> Option<&'static str> {
    let mut stretch = vec![0; STRETCH_BYTES_MAX];
    let (mut patience, mut silence) = (limits.first, "silent");
    while let Ok(turn) = Arc::clone(turns).acquire_owned().await {
        let Ok(read) = timeout(patience, reader.read(&mut stretch)).await else { return Some(silence) };
        let Ok(length @ 1..) = read else { break };
        (patience, silence) = (limits.idle, "idle");
        let bytes = Bytes::copy_from_slice(&stretch[..length]);
        if events.send(StreamEvent::Received { connection, bytes, turn }).await.is_err() {
            break;
        }
    }
    None
}

/// Writes what is queued. After the stop that may take a little longer: the answer to what broke the stream was queued
/// just before; a peer that has gone does not want it.
async fn write_until_stopped(
    writer: impl AsyncWrite + Unpin,
    outgoing: mpsc::Receiver<Bytes>,
    waiting: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    let given_up = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_WRITES).await;
    };
    tokio::select! {
        () = write_stream(writer, outgoing, &waiting, &stop) => {}
        () = given_up => {}
    }
    stop.cancel();
}

async fn write_stream(
    mut writer: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::Receiver<Bytes>,
    waiting: &AtomicUsize,
    stop: &CancellationToken,
) {
    loop {
        let next = tokio::select! {
            biased;
            next = outgoing.recv() => next,
            () = stop.cancelled() => None,
        };
        let Some(bytes) = next else { break };
        match timeout(WRITE, write(&mut writer, &bytes)).await {
            Ok(Ok(())) => waiting.fetch_sub(bytes.len(), Ordering::Relaxed),
            Ok(Err(_)) => return,
            Err(_) => return refused("write_timeout"),
        };
    }
    // Says goodbye where the transport has a word for it; a peer that has gone does not hear it.
    let _ = writer.shutdown().await;
}

/// Over TLS, what is written must be flushed to leave.
async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}
