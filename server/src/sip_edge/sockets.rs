//! The edge's own sockets, bound before anything is served so that an occupied port is a clear error.

use std::net::SocketAddr;

use thiserror::Error;
use tokio::net::{TcpListener, UdpSocket};

use crate::config::Sip;

/// A configured address that cannot be listened on.
#[derive(Debug, Error)]
#[error("{setting}: cannot listen on {address}: {source}")]
pub struct BindError {
    setting: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

/// The sockets trunks and PBXs reach.
pub struct Sockets {
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
}

impl Sockets {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// [`BindError`] names the setting and the address.
    pub async fn bind(config: &Sip) -> Result<Self, BindError> {
        let udp = match config.udp.address() {
            Some(address) => Some(UdpSocket::bind(address).await.map_err(failed("sip.udp", address))?),
            None => None,
        };
        let tcp = match config.tcp.address() {
            Some(address) => Some(TcpListener::bind(address).await.map_err(failed("sip.tcp", address))?),
            None => None,
        };
        Ok(Self { udp, tcp })
    }

    /// Where UDP is listened on.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Where TCP is listened on.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|socket| socket.local_addr().ok())
    }
}

fn failed(setting: &'static str, address: SocketAddr) -> impl FnOnce(std::io::Error) -> BindError {
    move |source| BindError { setting, address, source }
}
