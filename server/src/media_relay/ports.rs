//! The ports of the relay: even ones of a range, taken in turn so that a late packet of an old call meets no new one.

use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use tokio::net::UdpSocket;

/// The range, and where it goes on.
pub(super) struct Ports {
    bind: IpAddr,
    range: RangeInclusive<u16>,
    next: u16,
}

impl Ports {
    /// Ports of `range` on `bind`.
    pub(super) fn new(bind: IpAddr, range: RangeInclusive<u16>) -> Self {
        let next = range.start().next_multiple_of(2);
        Self { bind, range, next }
    }

    /// A socket on the next free port; the last error if every port is taken.
    pub(super) fn bind(&mut self) -> io::Result<UdpSocket> {
        let tries = (self.range.end() - self.range.start()) / 2 + 1;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..tries {
            match self.bind_next() {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn bind_next(&mut self) -> io::Result<UdpSocket> {
        let port = self.next;
        let following = port.saturating_add(2);
        self.next = if self.range.contains(&following) { following } else { self.range.start().next_multiple_of(2) };
        let socket = std::net::UdpSocket::bind((self.bind, port))?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_range_is_an_error_and_a_freed_port_is_taken_again() {
        let bind = IpAddr::from([127, 0, 0, 1]);
        // A range that was free a moment ago; if another process is faster, the numbers below still hold.
        let free = std::net::UdpSocket::bind((bind, 0)).unwrap().local_addr().unwrap().port() & !1;
        let mut ports = Ports::new(bind, free..=free + 3);
        let taken: Vec<_> = std::iter::from_fn(|| ports.bind().ok()).collect();
        assert!(taken.len() <= 2);
        assert!(ports.bind().is_err());
        if let Some(socket) = taken.into_iter().next() {
            drop(socket);
            assert!(ports.bind().is_ok());
        }
    }
}
