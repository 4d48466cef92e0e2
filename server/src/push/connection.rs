//! One HTTP/2 connection over TLS to a push service, opened when needed and replaced when it ends.

mod body;
mod handover;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use body::WatchedBody;
pub use handover::Handover;

const ATTEMPTS_MAX: u32 = 2;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Streams that we open at once at most; the service's own limit holds below that.
const STREAMS_MAX: usize = 1_000;

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection: refused, unreachable, no such host.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The service is not who it should be, or does not speak HTTP/2.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connection broke before the answer.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer is longer than any that a push service gives.
    #[error("the answer is too long")]
    AnswerTooLong,
    /// What it was about was over before it was sent.
    #[error("nobody waits for it any more")]
    Unwanted,
    /// No answer in time.
    #[error("no answer within {0} ms")]
    Timeout(u64),
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Opening a connection.
    pub connect_ms: u64,
    /// One request with all its attempts; a ring is not much longer than the default.
    pub request_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect_ms: 5_000, request_ms: 10_000 }
    }
}

/// Whether a fresh connection takes many requests at once or, like APNs, one until it has seen who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstRequest {
    /// Nothing is special about it.
    LikeAnyOther,
    /// The others wait for its answer.
    Alone,
}

/// A connection that heals itself; requests on it run side by side.
pub struct Connection {
    url: Uri,
    tls: Arc<ClientConfig>,
    first_request: FirstRequest,
    patience: Patience,
    live: Mutex<Option<Arc<Live>>>,
}

/// An open connection; closed when the last request on it is done and a newer one has taken its place.
struct Live {
    sender: SendRequest<WatchedBody>,
    streams: Semaphore,
    is_proven: AtomicBool,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// A connection to the host of `url`, not yet open.
    pub fn new(url: Uri, tls: Arc<ClientConfig>, first_request: FirstRequest) -> Self {
        Self { url, tls, first_request, patience: Patience::default(), live: Mutex::new(None) }
    }

    /// The same connection with another patience.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The address that requests are relative to.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Opens the connection unless it is open.
    ///
    /// # Errors
    /// [`TransportError`] when it cannot be opened in time.
    pub async fn warm(&self) -> Result<(), TransportError> {
        self.live().await.map(drop)
    }

    /// Sends a request and waits for its answer; `handover` says when the request was handed to the connection whole. A
    /// request whose connection breaks is sent once more on a fresh one, unless nobody waits for it any more.
    ///
    /// # Errors
    /// [`TransportError`] when there is no answer in time.
    pub async fn request(&self, request: &Request<Bytes>, handover: &Arc<Handover>) -> Result<Answer, TransportError> {
        let Patience { request_ms, .. } = self.patience;
        let patience = Duration::from_millis(request_ms);
        match tokio::time::timeout(patience, self.attempts(request, handover)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // It may be half open: the next request must not wait for it, too.
                self.live.lock().await.take();
                Err(TransportError::Timeout(request_ms))
            }
        }
    }

    async fn attempts(&self, request: &Request<Bytes>, handover: &Arc<Handover>) -> Result<Answer, TransportError> {
        let mut attempt = 1;
        loop {
            match self.live().await?.exchange(request, handover).await {
                Err(TransportError::Broken(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn live(&self) -> Result<Arc<Live>, TransportError> {
        let mut live = self.live.lock().await;
        if let Some(open) = live.as_ref().filter(|open| !open.sender.is_closed()) {
            return Ok(Arc::clone(open));
        }
        let Patience { connect_ms, .. } = self.patience;
        let patience = Duration::from_millis(connect_ms);
        let opened = tokio::time::timeout(patience, self.open()).await;
        let opened = Arc::new(opened.map_err(|_| TransportError::Timeout(connect_ms))??);
        *live = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn open(&self) -> Result<Live, TransportError> {
        let host = self.url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.url.port_u16().unwrap_or(443);
        let tcp = TcpStream::connect((host, port)).await.map_err(|error| TransportError::Connect(error.to_string()))?;
        // Without it a small push waits for the acknowledgement of the one before.
        tcp.set_nodelay(true).map_err(|error| TransportError::Connect(error.to_string()))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| TransportError::Tls(error.to_string()))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
        let tls = tls.map_err(|error| TransportError::Tls(error.to_string()))?;
        if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(TransportError::Tls("the service does not speak HTTP/2".to_owned()));
        }
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER_WITHIN)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(tls))
            .await
            .map_err(|error| TransportError::Broken(reason(&error)))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to a push service ended");
            }
        });
        let (streams, is_proven) = match self.first_request {
            FirstRequest::LikeAnyOther => (STREAMS_MAX, true),
            FirstRequest::Alone => (1, false),
        };
        Ok(Live {
            sender,
            streams: Semaphore::new(streams),
            is_proven: AtomicBool::new(is_proven),
            _driver: AbortOnDropHandle::new(driver),
        })
    }
}

impl Live {
    async fn exchange(&self, request: &Request<Bytes>, handover: &Arc<Handover>) -> Result<Answer, TransportError> {
        let _stream = self.streams.acquire().await;
        if handover.over.is_cancelled() {
            return Err(TransportError::Unwanted);
        }
        let (parts, body) = request.clone().into_parts();
        let request = Request::from_parts(parts, WatchedBody::new(body, Arc::clone(handover)));
        let response = self.sender.clone().send_request(request).await;
        let (parts, body) = response.map_err(|error| TransportError::Broken(reason(&error)))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => TransportError::Broken(reason(&error)),
            Err(_) => TransportError::AnswerTooLong,
        })?;
        let is_believed = parts.status != http::StatusCode::FORBIDDEN;
        if is_believed && !self.is_proven.swap(true, Ordering::AcqRel) {
            self.streams.add_permits(STREAMS_MAX - 1);
        }
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
    }
}

/// An error with what caused it, in one line.
fn reason(error: &hyper::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
