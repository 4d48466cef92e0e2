//! The edge in miniature: it takes registrations and does with a call what the test says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{CallId, Random, Seed};
use callfield_media::sdp::{Direction, Negotiation, Offer, Security, Wish};
use callfield_mobile_core::audio::CallAudio;
use callfield_mobile_core::clock::Clock;
use callfield_mobile_core::transport::Network;
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder, Verdict, Via, parse};
use callfield_sip::uri::Uri;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{self, protocol::Role};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::sound::Tone;

const TAG: &str = "edge";
const LIMIT: Duration = Duration::from_secs(10);

/// A phone's connection.
pub(crate) type Line = WebSocketStream<TokioIo<Upgraded>>;

/// Turns a request into a connection that carries SIP.
pub(crate) fn upgrade(request: Request<Incoming>, lines: mpsc::UnboundedSender<Line>) -> Response<Full<Bytes>> {
    let accept = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
    tokio::spawn(async move {
        let upgraded = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        // The test may be over.
        let _ = lines.send(WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await);
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .header(header::SEC_WEBSOCKET_PROTOCOL, "sip")
        .body(Full::default())
        .unwrap()
}

/// Where phones call.
pub(crate) struct Edge(mpsc::UnboundedReceiver<Line>);

impl Edge {
    pub(crate) fn new() -> (mpsc::UnboundedSender<Line>, Self) {
        let (sender, lines) = mpsc::unbounded_channel();
        (sender, Self(lines))
    }

    /// Whether no phone connected.
    pub(crate) fn is_unused(&mut self) -> bool {
        self.0.try_recv().is_err()
    }

    /// The next connection of a phone.
    pub(crate) async fn connected(&mut self) -> Line {
        timeout(LIMIT, self.0.recv()).await.unwrap().unwrap()
    }

    /// The next call of a phone that has no connection yet.
    pub(crate) async fn called(&mut self) -> FarEnd {
        let mut line = timeout(LIMIT, self.0.recv()).await.unwrap().unwrap();
        let invite = next(&mut line, &Method::Invite).await;
        send(&mut line, &invite.response(100, "Trying").build()).await;
        let dialog = Dialog::of_callee(&invite, TAG).unwrap();
        FarEnd { line, invite, dialog, negotiation: None, _audio: None }
    }
}

/// Whom the phone called; hangs up without a word when dropped.
pub(crate) struct FarEnd {
    line: Line,
    pub(crate) invite: Message,
    dialog: Dialog,
    negotiation: Option<Negotiation>,
    _audio: Option<DropGuard>,
}

impl FarEnd {
    pub(crate) async fn ring(&mut self) {
        let ringing = self.invite.response(180, "Ringing").to_tag(TAG).build();
        send(&mut self.line, &ringing).await;
    }

    pub(crate) async fn refuse(&mut self, status: u16) {
        let refusal = self.invite.response(status, "No").to_tag(TAG).build();
        send(&mut self.line, &refusal).await;
        self.next(&Method::Ack).await;
    }

    /// Answers and talks as `tone`, encrypted as the phone asks.
    pub(crate) async fn answer(&mut self, tone: &Tone) {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let offer = Offer::parse(&self.invite.body()).unwrap();
        let mut negotiation = Negotiation::new(socket.local_addr().unwrap(), &mut Random::new(Seed::from_number(7)));
        let (sdp, agreement) = negotiation.answer(&offer, &Wish::new(Security::Required)).unwrap();
        let parts = (Network::new(), Clock::start());
        let audio = CallAudio::new(&agreement, Seed::from_number(8), Arc::new(socket), tone.device(), parts).unwrap();
        let stop = CancellationToken::new();
        self._audio = Some(stop.clone().drop_guard());
        tokio::spawn(audio.run(stop));
        self.negotiation = Some(negotiation);
        self.answer_with(sdp).await;
    }

    /// Answers with any text.
    pub(crate) async fn answer_with(&mut self, sdp: impl Into<Bytes>) {
        let answer = self.invite.response(200, "OK").to_tag(TAG).header("Contact", "<sip:edge@call.example>");
        send(&mut self.line, &answer.body("application/sdp", sdp).build()).await;
        self.next(&Method::Ack).await;
    }

    /// Waits until the phone changes the call, and answers it; what the phone offered.
    pub(crate) async fn changed(&mut self) -> Direction {
        let invite = self.next(&Method::Invite).await;
        self.dialog.take_in(&invite).unwrap();
        let offer = Offer::parse(&invite.body()).unwrap();
        let wish = Wish::new(Security::Required);
        let (sdp, _) = self.negotiation.as_mut().unwrap().answer(&offer, &wish).unwrap();
        let answer = invite.response(200, "OK").header("Contact", "<sip:edge@call.example>");
        send(&mut self.line, &answer.body("application/sdp", sdp).build()).await;
        assert_eq!(self.next(&Method::Ack).await.cseq().number, invite.cseq().number);
        offer.direction()
    }

    /// Changes the call; what the two agree on.
    pub(crate) async fn change(&mut self, wanted: Direction) -> Direction {
        let negotiation = self.negotiation.as_mut().unwrap();
        let sdp = negotiation.offer(&Wish::new(Security::Required).direction(wanted));
        let via = |branch| Via::new("WSS", "call.example", branch).unwrap();
        let start = self.dialog.request(Method::Invite).via(&via("z9hG4bKchange"));
        let invite = start.header("Contact", "<sip:edge@call.example>").body("application/sdp", sdp).build();
        send(&mut self.line, &invite).await;
        let answer = self.next(&Method::Invite).await;
        assert_eq!(answer.status(), Some(200));
        let ack = self.dialog.ack(&invite).via(&via("z9hG4bKack")).build();
        send(&mut self.line, &ack).await;
        self.negotiation.as_mut().unwrap().receive_answer(&answer.body()).unwrap().direction
    }

    pub(crate) async fn hang_up(&mut self) {
        let via = Via::new("WSS", "call.example", "z9hG4bKbye").unwrap();
        let bye = self.dialog.request(Method::Bye).via(&via).build();
        send(&mut self.line, &bye).await;
        let answer = self.next(&Method::Bye).await;
        assert_eq!(answer.status(), Some(200));
    }

    /// Waits until the phone hangs up.
    pub(crate) async fn hung_up(&mut self) {
        let bye = self.next(&Method::Bye).await;
        assert!(self.dialog.holds(&bye));
        send(&mut self.line, &bye.response(200, "OK").build()).await;
    }

    /// Waits until the phone takes its call back.
    pub(crate) async fn cancelled(&mut self) {
        let cancel = self.next(&Method::Cancel).await;
        send(&mut self.line, &cancel.response(200, "OK").to_tag(TAG).build()).await;
        self.refuse(487).await;
    }

    /// The phone speaks over another connection.
    pub(crate) fn moves_to(&mut self, line: Line) {
        self.line = line;
    }

    async fn next(&mut self, method: &Method) -> Message {
        next(&mut self.line, method).await
    }
}

/// Takes the next registration of a phone; the calls that it names.
pub(crate) async fn register(line: &mut Line) -> Vec<String> {
    register_with(line, |register| register.values("X-Callfield-Call").map(str::to_owned).collect()).await
}

/// Takes the next registration of a phone, and reads it.
pub(crate) async fn register_with<T>(line: &mut Line, read: impl FnOnce(&Message) -> T) -> T {
    let register = next(line, &Method::Register).await;
    send(line, &register.response(200, "OK").to_tag(TAG).header("Expires", 3_600).build()).await;
    read(&register)
}

/// Somebody who calls the phone.
pub(crate) struct Caller {
    line: Line,
    invite: Message,
    answer: Option<Message>,
}

impl Caller {
    /// Calls.
    pub(crate) async fn new(call: CallId, line: Line) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let mut negotiation = Negotiation::new(socket.local_addr().unwrap(), &mut Random::new(Seed::from_number(9)));
        let offer = negotiation.offer(&Wish::new(Security::Required));
        let (phone, from) =
            ["sip:phone@x.invalid", "sip:+81312345678@call.example"].map(|uri| Uri::parse(uri).unwrap()).into();
        let invite = RequestBuilder::new(Method::Invite, &phone)
            .via(&Via::new("WSS", "call.example", "z9hG4bKinvite").unwrap())
            .from(&NameAddr::new(None, &from).with_tag(TAG))
            .to(&NameAddr::new(None, &phone))
            .call_id("of-the-caller")
            .cseq(1)
            .header("Contact", "<sip:edge@call.example>")
            .header("X-Callfield-Call", call)
            .header("Expires", 45)
            .body("application/sdp", offer)
            .build();
        let mut caller = Self { line, invite, answer: None };
        send(&mut caller.line, &caller.invite).await;
        caller
    }

    /// The INVITE goes out again, over another connection.
    pub(crate) async fn moves_to(&mut self, line: Line) {
        self.line = line;
        send(&mut self.line, &self.invite).await;
    }

    /// The status of the phone's next answer.
    pub(crate) async fn status(&mut self) -> u16 {
        let answer = next(&mut self.line, &Method::Invite).await;
        let status = answer.status().unwrap();
        self.answer = Some(answer);
        status
    }

    pub(crate) async fn acknowledge(&mut self) {
        let dialog = Dialog::of_caller(&self.invite, self.answer.as_ref().unwrap()).unwrap();
        let via = Via::new("WSS", "call.example", "z9hG4bKack").unwrap();
        send(&mut self.line, &dialog.ack(&self.invite).via(&via).build()).await;
    }
}

/// The next message of this method; registrations before it are confirmed.
async fn next(line: &mut Line, method: &Method) -> Message {
    let wanted = async {
        loop {
            let frame = line.next().await.unwrap().unwrap().into_data();
            let Verdict::Ok(message) = parse(frame) else { continue };
            if message.method() == method {
                return message;
            }
            if message.method() == &Method::Register {
                send(line, &message.response(200, "OK").to_tag(TAG).header("Expires", 3_600).build()).await;
            }
        }
    };
    timeout(LIMIT, wanted).await.unwrap()
}

async fn send(line: &mut Line, message: &Message) {
    line.send(tungstenite::Message::text(message.to_string())).await.unwrap();
}
