//! One connection to the server as a task: frames out, frames in.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::transport::wss::SipConnection;
use crate::transport::{Api, Endpoint};

const FRAMES_MAX: usize = 64;

/// What a connection tells the loop.
#[derive(Debug)]
pub(super) enum WireEvent {
    /// It is open.
    Opened,
    /// A frame came.
    Received(Bytes),
    /// It could not be opened, or is gone; what was queued is sent if it could be.
    Closed,
}

/// An open or opening connection; when dropped it sends what is queued and closes.
pub(super) struct Wire {
    outgoing: mpsc::Sender<Bytes>,
}

impl Wire {
    /// Begins to open a connection; what happens to it is told with `generation`. `Closed` comes once, and last.
    pub(super) fn open(api: Api, node: Endpoint, generation: u64, to_loop: mpsc::Sender<(u64, WireEvent)>) -> Self {
        let (outgoing, mut frames) = mpsc::channel(FRAMES_MAX);
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = SipConnection::open(&api, &node) => opened.ok(),
                // No frame is sent before the connection is open: it is not wanted any more.
                _ = frames.recv() => None,
            };
            if let Some(connection) = opened {
                carry(connection, frames, generation, &to_loop).await;
            }
            // The loop is gone when nobody listens.
            let _ = to_loop.send((generation, WireEvent::Closed)).await;
        });
        Self { outgoing }
    }

    /// Queues a frame; false when the server is too far behind.
    pub(super) fn send(&self, frame: Bytes) -> bool {
        self.outgoing.try_send(frame).is_ok()
    }
}

async fn carry(
    mut connection: SipConnection,
    mut frames: mpsc::Receiver<Bytes>,
    generation: u64,
    to_loop: &mpsc::Sender<(u64, WireEvent)>,
) {
    if to_loop.send((generation, WireEvent::Opened)).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            received = connection.receive() => {
                let Some(frame) = received else { return };
                if to_loop.send((generation, WireEvent::Received(frame))).await.is_err() {
                    return;
                }
            }
            frame = frames.recv() => {
                let Some(frame) = frame else { return connection.close().await };
                if connection.send(frame).await.is_err() {
                    return;
                }
            }
        }
    }
}
