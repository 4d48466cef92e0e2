//! SIP over WebSocket for devices (RFC 7118): `GET /sip` on the HTTP port, one SIP message a frame.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use tokio::sync::mpsc;

use crate::app::App;
use crate::app::auth::DeviceAuth;
use crate::app::edge_port::{DeviceIdentity, EdgeCommand};
use crate::app::route::{Needs, Route};

/// The largest frame a device may send: no SIP message of ours is near it.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Frames that may wait for a device that does not read; one more and it is dropped.
const QUEUE_FRAMES_MAX: usize = 64;
/// A device that sends nothing, not even a pong, for this long is gone.
const IDLE: Duration = Duration::from_secs(90);
/// How often a silent device is pinged.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long one frame may take to be written.
const WRITE: Duration = Duration::from_secs(10);

/// The operation of the edge on the HTTP port.
pub fn routes() -> Vec<Route> {
    vec![Route::new(Method::GET, "/sip", Needs::Device, get(upgrade))]
}

async fn upgrade(State(app): State<App>, DeviceAuth(identity): DeviceAuth, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .protocols(["sip"])
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .on_upgrade(move |socket| converse(app, identity, socket))
}

async fn converse(app: App, identity: DeviceIdentity, socket: WebSocket) {
    let (to_edge, received) = mpsc::channel(QUEUE_FRAMES_MAX);
    let (to_device, frames) = mpsc::channel(QUEUE_FRAMES_MAX);
    let waiting = Arc::new(AtomicUsize::new(0));
    let connected = EdgeCommand::Connected { identity, received, to_device, waiting: Arc::clone(&waiting) };
    if app.edge.send(connected).await.is_ok() {
        pump(socket, &to_edge, frames, &waiting).await;
    }
}

/// Moves frames both ways until the device leaves, the edge drops it, or a limit is hit.
async fn pump(
    socket: WebSocket,
    to_edge: &mpsc::Sender<Bytes>,
    mut frames: mpsc::Receiver<Bytes>,
    waiting: &AtomicUsize,
) {
    let (mut sink, mut stream) = socket.split();
    let mut ping = tokio::time::interval(PING_EVERY);
    let mut last_heard = tokio::time::Instant::now();
    loop {
        let (frame, written) = tokio::select! {
            heard = stream.next() => {
                last_heard = tokio::time::Instant::now();
                match take_in(heard, to_edge).await {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(()) => break,
                }
            }
            frame = frames.recv() => match frame {
                Some(bytes) => {
                    let length = bytes.len();
                    (as_frame(bytes), length)
                }
                None => break,
            },
            _ = ping.tick() => {
                if last_heard.elapsed() > IDLE {
                    break;
                }
                (Message::Ping(Bytes::new()), 0)
            }
        };
        match tokio::time::timeout(WRITE, sink.send(frame)).await {
            Ok(Ok(())) => waiting.fetch_sub(written, Ordering::Relaxed),
            Ok(Err(_)) | Err(_) => break,
        };
    }
    let _ = tokio::time::timeout(WRITE, sink.close()).await;
}

/// Hands what was heard to the edge; breaks off when the device or the edge is gone, or a frame is too large.
async fn take_in(heard: Option<Result<Message, axum::Error>>, to_edge: &mpsc::Sender<Bytes>) -> ControlFlow<()> {
    let bytes = match heard {
        Some(Ok(Message::Text(text))) => Bytes::from(text),
        Some(Ok(Message::Binary(bytes))) => bytes,
        // Pings are answered by the WebSocket layer itself.
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => return ControlFlow::Continue(()),
        Some(Err(error)) => {
            if is_too_large(&error) {
                metrics::counter!("callfield_sip_refused_total", "reason" => "frame_too_large").increment(1);
            }
            return ControlFlow::Break(());
        }
        Some(Ok(Message::Close(_))) | None => return ControlFlow::Break(()),
    };
    match to_edge.send(bytes).await {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// Whether a limit was passed, rather than the connection lost: the WebSocket layer tells them apart only in words.
fn is_too_large(error: &axum::Error) -> bool {
    error.to_string().contains("too long")
}

/// SIP is sent as text where it is UTF-8, because some stacks read only text frames (RFC 7118 section 5.1).
fn as_frame(bytes: Bytes) -> Message {
    match axum::extract::ws::Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}
