//! The edge's own sockets, bound before anything is served so that an occupied port is a clear error.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, UdpSocket};

use crate::config::Sip;

/// The sockets trunks and PBXs reach.
pub struct Sockets {
    pub(super) udp: Option<UdpSocket>,
    pub(super) tcp: Option<TcpListener>,
}

impl Sockets {
    /// Binds what the configuration names; an error names the setting and the address.
    pub async fn bind(config: &Sip) -> Result<Self> {
        let udp = match config.udp.address() {
            Some(address) => Some(UdpSocket::bind(address).await.with_context(|| format!("sip.udp: cannot use {address}"))?),
            None => None,
        };
        let tcp = match config.tcp.address() {
            Some(address) => {
                Some(TcpListener::bind(address).await.with_context(|| format!("sip.tcp: cannot use {address}"))?)
            }
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
