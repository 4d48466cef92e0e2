//! SIP over a WebSocket (RFC 7118): one text message is one SIP message.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, header};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::tls::Stream;
use super::{Api, Endpoint, TransportError};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
const WRITE_LIMIT: Duration = Duration::from_secs(5);
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// An open connection that carries SIP.
pub struct SipConnection(WebSocketStream<Box<dyn Stream>>);

impl SipConnection {
    /// Connects to `node` as the device whose token `api` holds.
    ///
    /// # Errors
    /// Any [`TransportError`]; [`TransportError::WebSocket`] when the server refuses the upgrade.
    pub async fn open(api: &Api, node: &Endpoint) -> Result<Self, TransportError> {
        let stream = api.trust.connect(&api.network, node).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let handshake = client_async_with_config(upgrade(api, node)?, stream, Some(config));
        let opened = timeout(HANDSHAKE_LIMIT, handshake).await.map_err(|_| TransportError::TimedOut)?;
        let (socket, _) = opened.map_err(|error| TransportError::WebSocket(error.to_string()))?;
        Ok(Self(socket))
    }

    /// Sends one SIP message.
    ///
    /// # Errors
    /// [`TransportError::TimedOut`] if the server does not read for 5 s, or the connection's failure.
    pub async fn send(&mut self, message: Bytes) -> Result<(), TransportError> {
        // SIP bodies may be binary; RFC 7118 section 4.2 allows either frame type.
        let frame = match std::str::from_utf8(&message) {
            Ok(text) => Message::text(text),
            Err(_) => Message::binary(message),
        };
        let sent = timeout(WRITE_LIMIT, self.0.send(frame)).await.map_err(|_| TransportError::TimedOut)?;
        sent.map_err(|error| TransportError::WebSocket(error.to_string()))
    }

    /// The next SIP message; `None` once the connection is closed or lost.
    pub async fn receive(&mut self) -> Option<Bytes> {
        loop {
            match self.0.next().await? {
                Ok(Message::Text(text)) => return Some(Bytes::from(text)),
                Ok(Message::Binary(bytes)) => return Some(bytes),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
            }
        }
    }

    /// Closes the connection; whether the server hears of it does not matter.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.0.close(None)).await;
    }
}

fn upgrade(api: &Api, node: &Endpoint) -> Result<Request<()>, http::Error> {
    let scheme = if node.is_tls { "wss" } else { "ws" };
    let mut request = Request::builder()
        .uri(format!("{scheme}://{}/sip", node.authority()))
        .header(header::HOST, node.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
    for (name, value) in api.bearer() {
        request = request.header(name, value);
    }
    request.body(())
}
