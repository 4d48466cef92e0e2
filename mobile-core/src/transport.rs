//! How the phone reaches its server: one switchable network, TLS with bundled roots, HTTPS requests and WSS.

pub mod api;
pub mod endpoint;
pub mod https;
pub mod network;
pub mod tls;
pub mod wss;

use std::io;

use thiserror::Error;

pub use api::{Api, ApiError};
pub use endpoint::Endpoint;
pub use network::Network;
pub use tls::Trust;

/// Why the server could not be reached.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The network is switched off.
    #[error("the network is off")]
    Offline,
    /// The URL is not one of a server.
    #[error("{0:?} is not the URL of a server")]
    BadUrl(String),
    /// The file of extra certificates could not be read as PEM.
    #[error("the CA file holds no PEM certificate")]
    BadCa,
    /// Connecting or waiting for the answer took too long.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The connection failed, or its TLS handshake did.
    #[error("no connection to the server")]
    Connection(#[from] io::Error),
    /// The server did not speak HTTP.
    #[error("the server's answer is not HTTP")]
    Http(#[from] hyper::Error),
    /// The request could not be made from its parts.
    #[error("the request is not valid HTTP")]
    Request(#[from] http::Error),
    /// The server's answer is larger than the phone takes.
    #[error("the server's answer is too large")]
    TooLarge,
    /// The server did not upgrade to a WebSocket that speaks SIP.
    #[error("no WebSocket for SIP: {0}")]
    WebSocket(String),
}
