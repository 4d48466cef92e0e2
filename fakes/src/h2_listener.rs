//! A TLS port that speaks HTTP/2 and nothing else, and can misbehave the way real services do.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Method, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::FakeError;

const STREAMS_MAX: u32 = 1_000;
const BODY_BYTES_MAX: usize = 64 * 1024;

/// One request, read to its end.
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) authority: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    Answer(Response<Bytes>),
    /// RST_STREAM with this reason.
    Reset(Reason),
    /// The answer, then a graceful GOAWAY: streams that are open may finish.
    AnswerAndGoAway(Response<Bytes>),
    /// GOAWAY at once: no stream is answered.
    GoAwayNow(Reason),
    /// The TCP connection is closed without a word.
    Disconnect,
}

/// What answers the requests of a port.
pub(crate) trait Answering: Send + Sync + 'static {
    /// What is remembered for as long as a connection lives.
    type Session: Default + Send + Sync + 'static;

    fn answer(&self, session: &Self::Session, received: Received) -> impl Future<Output = Verdict> + Send;
}

/// A listening port; closed with all its connections when dropped.
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    _accepting: AbortOnDropHandle<()>,
}

impl Listener {
    /// Opens a free port on loopback.
    pub(crate) async fn start(
        tls: Arc<rustls::ServerConfig>,
        answering: Arc<impl Answering>,
    ) -> Result<Self, FakeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, TlsAcceptor::from(tls), answering));
        Ok(Self { address, _accepting: AbortOnDropHandle::new(accepting) })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, answering: Arc<impl Answering>) {
    // Dropped with this task, so that closing the port closes its connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((tcp, _)) = accepted else { continue };
                connections.spawn(serve(tcp, tls.clone(), Arc::clone(&answering)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<A: Answering>(tcp: TcpStream, tls: TlsAcceptor, answering: Arc<A>) {
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = tls.accept(tcp).await else { return };
    if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        tracing::debug!("a client that did not offer h2 was hung up on");
        return;
    }
    let mut h2 = h2::server::Builder::new();
    let Ok(mut connection) = h2.max_concurrent_streams(STREAMS_MAX).handshake::<_, Bytes>(stream).await else { return };
    let session = Arc::new(A::Session::default());
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                streams.spawn(exchange(request, respond, Arc::clone(&answering), Arc::clone(&session)));
            }
            Some(Ok(after)) = streams.join_next() => match after {
                After::Nothing => {}
                After::GoAway => connection.graceful_shutdown(),
                After::GoAwayNow(reason) => connection.abrupt_shutdown(reason),
                After::Disconnect => return,
            },
        }
    }
}

/// What an answered stream means for its connection.
enum After {
    Nothing,
    GoAway,
    GoAwayNow(Reason),
    Disconnect,
}

async fn exchange<A: Answering>(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answering: Arc<A>,
    session: Arc<A::Session>,
) -> After {
    let (parts, body) = request.into_parts();
    let verdict = match read(body).await {
        Some(body) => {
            let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
            let received = Received { method: parts.method, authority, path, headers: parts.headers, body };
            answering.answer(&session, received).await
        }
        None => Verdict::Reset(Reason::ENHANCE_YOUR_CALM),
    };
    match verdict {
        Verdict::Answer(response) => respond_with(&mut respond, response),
        Verdict::AnswerAndGoAway(response) => {
            respond_with(&mut respond, response);
            return After::GoAway;
        }
        Verdict::Reset(reason) => respond.send_reset(reason),
        Verdict::GoAwayNow(reason) => return After::GoAwayNow(reason),
        Verdict::Disconnect => return After::Disconnect,
    }
    After::Nothing
}

fn respond_with(respond: &mut SendResponse<Bytes>, response: Response<Bytes>) {
    let (parts, body) = response.into_parts();
    // An error here means that the client has gone: there is nobody to tell.
    if let Ok(mut stream) = respond.send_response(Response::from_parts(parts, ()), body.is_empty())
        && !body.is_empty()
    {
        let _ = stream.send_data(body, true);
    }
}

/// The whole body; `None` if it is too long or breaks off.
async fn read(mut body: RecvStream) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        if whole.len() + chunk.len() > BODY_BYTES_MAX {
            return None;
        }
        body.flow_control().release_capacity(chunk.len()).ok()?;
        whole.extend_from_slice(&chunk);
    }
    Some(whole.freeze())
}
