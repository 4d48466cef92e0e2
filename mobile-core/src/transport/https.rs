//! One HTTPS request on a connection of its own, so that nothing stays open when the phone sleeps.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Endpoint, Network, TransportError, Trust};

/// The most bytes of an answer that the phone takes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What to ask.
pub struct Ask<'a> {
    /// The verb.
    pub method: Method,
    /// The path with its query.
    pub path: &'a str,
    /// Further headers.
    pub headers: Vec<(&'a str, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// How long connecting and answering may take.
    pub limit: Duration,
}

/// What the server said.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Sends one request and reads the whole answer.
///
/// # Errors
/// Any [`TransportError`]; an answer of any status is no error.
pub async fn ask(
    network: &Network,
    trust: &Trust,
    endpoint: &Endpoint,
    ask: Ask<'_>,
) -> Result<Answer, TransportError> {
    let limit = ask.limit;
    let exchange = async {
        let response = open(network, trust, endpoint, ask).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return TransportError::TooLarge;
            }
            error.downcast::<hyper::Error>().map_or(TransportError::TooLarge, |error| TransportError::Http(*error))
        })?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
    };
    timeout(limit, exchange).await.map_err(|_| TransportError::TimedOut)?
}

/// Sends one request and gives the answer as soon as its head is there; its body may never end.
///
/// # Errors
/// Any [`TransportError`]; an answer of any status is no error.
pub async fn open(
    network: &Network,
    trust: &Trust,
    endpoint: &Endpoint,
    ask: Ask<'_>,
) -> Result<Response<Incoming>, TransportError> {
    let stream = trust.connect(network, endpoint).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // A failure reaches the caller through the answer or its body.
        let _ = connection.await;
    });
    Ok(sender.send_request(request(endpoint, ask)?).await?)
}

fn request(endpoint: &Endpoint, ask: Ask<'_>) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder().method(ask.method).uri(ask.path).header(header::HOST, endpoint.authority());
    for (name, value) in ask.headers {
        request = request.header(name, value);
    }
    request.body(Full::new(ask.body))
}
