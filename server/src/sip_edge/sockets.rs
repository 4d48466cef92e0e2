//! The edge's own sockets, bound before anything is served so that an occupied port is a clear error.

use std::net::SocketAddr;
use std::time::Duration;

use callfield_sip::switchboard::Transport;
use socket2::SockRef;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::{Listen, Sip};

/// What the receive buffer of UDP should hold; Linux grants at most twice `net.core.rmem_max`.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The pause after a connection that could not be taken.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

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
    pub(super) listeners: Listeners,
}

/// The sockets whose peers open connections.
pub(super) struct Listeners {
    pub(super) tcp: Option<TcpListener>,
    pub(super) tls: Option<TcpListener>,
    /// What speaks TLS on the second.
    pub(super) acceptor: Option<TlsAcceptor>,
}

/// A peer that has just connected.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) from: SocketAddr,
    /// What its TLS handshake is made with.
    pub(super) tls: Option<TlsAcceptor>,
}

impl Arrival {
    /// What carries its SIP.
    pub(super) fn transport(&self) -> Transport {
        if self.tls.is_some() { Transport::Tls } else { Transport::Tcp }
    }
}

impl Listeners {
    /// Hands over who connects, until `stop`; who comes faster than is taken waits in the system's own queue.
    pub(super) async fn hand_over(self, arrivals: mpsc::Sender<Arrival>, stop: CancellationToken) {
        while let Some(arrival) = stop.run_until_cancelled(self.accept()).await {
            let Ok(arrival) = arrival else {
                // A peer that left at once, or no descriptor is free.
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            };
            if arrivals.send(arrival).await.is_err() {
                return;
            }
        }
    }

    /// The next peer that connects.
    async fn accept(&self) -> std::io::Result<Arrival> {
        let (accepted, tls) = tokio::select! {
            accepted = accept(self.tcp.as_ref()) => (accepted, None),
            accepted = accept(self.tls.as_ref().filter(|_| self.acceptor.is_some())) => (accepted, self.acceptor.clone()),
        };
        accepted.map(|(stream, from)| Arrival { stream, from, tls })
    }
}

async fn accept(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

impl Sockets {
    /// Binds what the configuration names.
    ///
    /// # Errors
    /// [`BindError`] names the setting and the address.
    pub async fn bind(config: &Sip) -> Result<Self, BindError> {
        let udp = match config.udp.address() {
            Some(address) => Some(bind_udp(address).await.map_err(failed("sip.udp", address))?),
            None => None,
        };
        let tcp = listen("sip.tcp", config.tcp).await?;
        let tls = listen("sip.tls", config.tls).await?;
        Ok(Self { udp, listeners: Listeners { tcp, tls, acceptor: None } })
    }

    /// Where UDP is listened on.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Says how large a burst of datagrams may be here.
    pub(super) fn log_receive_buffer(&self) {
        let Some(udp) = &self.udp else { return };
        let granted_bytes = SockRef::from(udp).recv_buffer_size().unwrap_or_default();
        tracing::info!(wanted_bytes = RECEIVE_BUFFER_BYTES, granted_bytes, "the receive buffer of SIP over UDP");
    }

    /// Where TCP is listened on.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.listeners.tcp.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Where TLS is listened on.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.listeners.tls.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Says what speaks TLS; until then nobody is let in there.
    pub fn secure_with(&mut self, acceptor: Option<TlsAcceptor>) {
        self.listeners.acceptor = acceptor;
    }
}

/// A datagram socket that can hold a burst while the loop does something else.
async fn bind_udp(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address).await?;
    // A smaller buffer than wanted only loses more of a burst; what the system grants is said later.
    let _ = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    Ok(socket)
}

async fn listen(setting: &'static str, on: Listen) -> Result<Option<TcpListener>, BindError> {
    match on.address() {
        Some(address) => Ok(Some(TcpListener::bind(address).await.map_err(failed(setting, address))?)),
        None => Ok(None),
    }
}

fn failed(setting: &'static str, address: SocketAddr) -> impl FnOnce(std::io::Error) -> BindError {
    move |source| BindError { setting, address, source }
}
