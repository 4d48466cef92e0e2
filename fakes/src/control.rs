//! The control API: plain HTTP on loopback for tests, demos and the phones that wait for their pushes.
//!
//! - `POST /phones {"service":"fcm|apns","topic"?,"project"?}` → `{"token","alert_token"}`: installs the app on a phone;
//!   one with a topic of VoIP pushes has another token for all other pushes, else `alert_token` is null.
//! - `DELETE /phones/{token}`: removes the app; the token is dead.
//! - `GET /phones/{token}/pushes?after=N`: streams the phone's pushes as lines of JSON, for ever.
//! - `GET /ledger`: every answer of the services so far.
//! - `POST /faults`: orders faults, see [`FaultOrder`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use crate::delivery::object;
use crate::{Delivery, FakeError, FaultOrder, Service};

const BODY_BYTES_MAX: usize = 1024 * 1024;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The names a phone gets when the caller names none.
#[derive(Debug, Clone)]
pub(crate) struct Homes {
    pub(crate) topic: String,
    pub(crate) project: String,
}

/// A running control API; stops when dropped.
pub struct Control {
    address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

struct Shared {
    delivery: Arc<Delivery>,
    homes: Homes,
}

impl Control {
    /// Starts the API on a free port of loopback.
    pub(crate) async fn start(delivery: Arc<Delivery>, homes: Homes) -> Result<Self, FakeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::new(Shared { delivery, homes })));
        Ok(Self { address, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, so that closing the port closes its connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else { continue };
                connections.spawn(serve(tcp, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(tcp: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await.unwrap_or_else(refuse)) }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await {
        tracing::debug!(%error, "a control connection ended early");
    }
}

/// A status and one sentence about it.
type Refused = (StatusCode, String);

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Refused> {
        let (parts, body) = request.into_parts();
        let segments: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        match (&parts.method, segments.as_slice()) {
            (&Method::POST, ["phones"]) => self.install(&read(body).await?),
            (&Method::DELETE, ["phones", token]) => self.uninstall(token),
            (&Method::GET, ["phones", token, "pushes"]) => self.stream(token, parts.uri.query()),
            (&Method::GET, ["ledger"]) => Ok(json(StatusCode::OK, &serde_json::json!(self.delivery.ledger()))),
            (&Method::POST, ["faults"]) => {
                self.delivery.order(read::<FaultOrder>(body).await?);
                Ok(json(StatusCode::OK, &object([])))
            }
            _ => Err((StatusCode::NOT_FOUND, "there is nothing here".to_owned())),
        }
    }

    fn install(&self, order: &NewPhone) -> Result<Answer, Refused> {
        let home = match order.service {
            Service::Apns => order.topic.as_ref().unwrap_or(&self.homes.topic),
            Service::Fcm => order.project.as_ref().unwrap_or(&self.homes.project),
            Service::Oauth => return Err((StatusCode::BAD_REQUEST, "no phone has the service oauth".to_owned())),
        };
        let token = self.delivery.install(order.service, home);
        let alert_token = home.strip_suffix(".voip").map(|bundle| self.delivery.further_token(&token, bundle));
        let tokens = [("token", Value::from(token)), ("alert_token", Value::from(alert_token))];
        Ok(json(StatusCode::CREATED, &object(tokens)))
    }

    fn uninstall(&self, token: &str) -> Result<Answer, Refused> {
        if self.delivery.uninstall(token, self.delivery.clock.now_ms()) {
            Ok(json(StatusCode::OK, &object([])))
        } else {
            Err(no_such_phone())
        }
    }

    fn stream(&self, token: &str, query: Option<&str>) -> Result<Answer, Refused> {
        if !self.delivery.knows(token) {
            return Err(no_such_phone());
        }
        let after = match query.map(|query| query.strip_prefix("after=").and_then(|n| n.parse().ok())) {
            Some(None) => return Err((StatusCode::BAD_REQUEST, "the query is after=N or nothing".to_owned())),
            Some(Some(n)) => Some(n),
            None => None,
        };
        let (lines, received) = mpsc::channel(16);
        tokio::spawn(follow(Arc::clone(&self.delivery), token.to_owned(), after, lines));
        let response = Response::builder().header(CONTENT_TYPE, "application/x-ndjson");
        Ok(response.body(Lines(received).boxed()).unwrap_or_default())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPhone {
    service: Service,
    topic: Option<String>,
    project: Option<String>,
}

/// Sends each push of a phone as a line until the reader goes away.
async fn follow(delivery: Arc<Delivery>, token: String, mut after: Option<usize>, lines: mpsc::Sender<Bytes>) {
    let mut news = delivery.news();
    loop {
        news.borrow_and_update();
        for push in delivery.pushes(&token, after) {
            after = Some(push.n);
            let line = format!("{}\n", serde_json::json!(push));
            if lines.send(Bytes::from(line)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = lines.closed() => return,
        }
    }
}

/// A body that is fed by a channel.
struct Lines(mpsc::Receiver<Bytes>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Refused> {
    let whole = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let whole = whole.map_err(|error| (StatusCode::BAD_REQUEST, format!("cannot read the body: {error}")))?;
    serde_json::from_slice(&whole.to_bytes()).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn no_such_phone() -> Refused {
    (StatusCode::NOT_FOUND, "no phone has this token".to_owned())
}

fn refuse((status, detail): Refused) -> Answer {
    let error = object([("code", Value::from("refused")), ("detail", Value::from(detail))]);
    json(status, &object([("error", error)]))
}

fn json(status: StatusCode, body: &Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
