//! Where messages come from and go to: datagram peers, and streams that a shell opened or accepted.

use std::net::SocketAddr;

use callfield_domain::{DeviceId, TenantId, UserId};

/// A stream (TCP or TLS connection, or WebSocket); the shell numbers them and uses no number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where bytes came from, and where bytes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// Datagrams exchanged with this address over the edge's UDP socket.
    Udp(SocketAddr),
    /// A stream that was announced by `ConnectionOpened`.
    Stream(ConnectionId),
}

/// Who is at the other end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A phone over WSS (RFC 7118); its bearer token was checked.
    Device(DeviceIdentity),
    /// A trunk or PBX over TCP or TLS, known by its address only, or a desk phone, which has to log in.
    Trunk(SocketAddr),
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A phone of ours, on a connection of its own.
    Phone,
    /// A desk phone or foreign softphone, which logs in.
    Desk,
    /// One whose signalling is encrypted, so that keys can be told to it.
    SecureDesk,
}

/// A device whose token or password was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its company.
    pub tenant: TenantId,
    /// Its user.
    pub user: UserId,
    /// The installation.
    pub device: DeviceId,
}
