//! The one way out of the phone, with a switch: off, every new connection is refused and every open one drops.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{Endpoint, TransportError};

/// A SYN that is lost is otherwise repeated for two minutes.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The network as the phone sees it; clones share the switch.
#[derive(Clone)]
pub struct Network(Arc<watch::Sender<Coverage>>);

/// While there is coverage, what is cancelled at its end.
type Coverage = Option<CancellationToken>;

impl Network {
    /// A network that is on.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Some(CancellationToken::new()))))
    }

    /// Switches the network on or off; off drops every open connection.
    pub fn switch(&self, is_on: bool) {
        self.0.send_if_modified(|coverage| {
            if coverage.is_some() == is_on {
                return false;
            }
            let before = std::mem::replace(coverage, is_on.then(CancellationToken::new));
            if let Some(open) = before {
                open.cancel();
            }
            true
        });
    }

    /// Whether connections can be made.
    pub fn is_on(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Returns once connections can be made.
    pub async fn until_on(&self) {
        // The sender is held by self, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// [`TransportError::Offline`], [`TransportError::TimedOut`] after 5 s, or the connection's failure.
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<Link, TransportError> {
        let coverage = self.coverage()?;
        let connecting = TcpStream::connect((endpoint.host.as_str(), endpoint.port));
        let stream = tokio::select! {
            connected = timeout(CONNECT_LIMIT, connecting) => connected.map_err(|_| TransportError::TimedOut)??,
            () = coverage.cancelled() => return Err(TransportError::Offline),
        };
        stream.set_nodelay(true)?;
        Ok(Link { stream, lost: Box::pin(coverage.cancelled_owned()) })
    }

    /// Opens a UDP socket towards `remote`, for media.
    ///
    /// # Errors
    /// [`TransportError::Offline`] or the socket's failure.
    pub async fn datagrams(&self) -> Result<UdpSocket, TransportError> {
        self.coverage()?;
        Ok(UdpSocket::bind(("0.0.0.0", 0)).await?)
    }

    fn coverage(&self) -> Result<CancellationToken, TransportError> {
        self.0.borrow().clone().ok_or(TransportError::Offline)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

/// A TCP connection that ends when the network is switched off.
pub struct Link {
    stream: TcpStream,
    lost: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Link {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.lost.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the network is off")),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn listener() -> (TcpListener, Endpoint) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, Endpoint { is_tls: false, host: "127.0.0.1".to_owned(), port })
    }

    #[tokio::test]
    async fn switching_off_drops_an_open_connection_and_refuses_new_ones() {
        let (_listener, endpoint) = listener().await;
        let network = Network::new();
        let mut link = network.connect(&endpoint).await.unwrap();
        let reading = tokio::spawn(async move { link.read_u8().await });
        network.switch(false);
        assert!(reading.await.unwrap().is_err());
        assert!(matches!(network.connect(&endpoint).await, Err(TransportError::Offline)));
    }

    #[tokio::test]
    async fn switching_on_again_connects_again() {
        let (listener, endpoint) = listener().await;
        let network = Network::new();
        network.switch(false);
        let waiting = tokio::spawn({
            let network = network.clone();
            async move {
                network.until_on().await;
                network.connect(&endpoint).await
            }
        });
        network.switch(true);
        let mut link = waiting.await.unwrap().unwrap();
        let (mut accepted, _) = listener.accept().await.unwrap();
        link.write_all(b"x").await.unwrap();
        assert_eq!(accepted.read_u8().await.unwrap(), b'x');
    }

    /// A listener whose queue is full drops every further SYN: to the phone it is as if nobody answered.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_to_where_nobody_answers_fails_after_five_seconds() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint { is_tls: false, host: "127.0.0.1".to_owned(), port };
        let network = Network::new();
        let mut queued = Vec::new();
        let began = std::time::Instant::now();
        let failed = loop {
            match network.connect(&endpoint).await {
                Ok(link) => queued.push(link),
                Err(error) => break error,
            }
            assert!(queued.len() < 10, "the queue takes too many");
        };
        assert!(matches!(failed, TransportError::TimedOut), "{failed:?}");
        assert!((CONNECT_LIMIT..CONNECT_LIMIT * 2).contains(&began.elapsed()));
    }
}
