//! A desk phone at the edge, message by message, over UDP.

use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::{Random, Seed};
use callfield_sip::dialog::Dialog;
use callfield_sip::digest::{Login, challenges};
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder};
use callfield_sip::transaction::T1;
use callfield_sip::uri::Uri;
use http::StatusCode;
use serde_json::json;
use tokio::net::UdpSocket;

use super::audio::Audio;
use super::{Exchange, read, within};

/// How often a request is sent.
const REPEATS_MAX: usize = 40;

/// A desk phone with its account.
pub(crate) struct Desk {
    pub(crate) device: String,
    pub(crate) audio: Audio,
    pub(crate) username: String,
    pub(crate) password: String,
    /// More parameters of its Contact's URI, and of the Contact.
    pub(crate) contact_params: (String, String),
    socket: UdpSocket,
    edge: SocketAddr,
    random: Random,
    cseq: u32,
}

impl Desk {
    /// A desk phone of a user, not registered.
    pub(crate) async fn of(exchange: &Exchange, user: &str) -> Self {
        let body = json!({ "kind": "desk", "user": user, "name": "Reception" });
        let answer = exchange.office.post(&exchange.office.admin, "/v1/devices", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let text = |key: &str| answer.body[key].as_str().unwrap().to_owned();
        assert_eq!(text("domain"), "abc.example");
        Self {
            device: text("device_id"),
            audio: Audio::new(3).await,
            username: text("username"),
            password: text("password"),
            contact_params: Default::default(),
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            edge: exchange.udp,
            random: Random::new(Seed::from_number(11)),
            cseq: 0,
        }
    }

    /// The edge was started again, and listens elsewhere.
    pub(crate) fn follow(&mut self, exchange: &Exchange) {
        self.edge = exchange.udp;
    }

    /// Registers in two rounds; the answer to the second.
    pub(crate) async fn register(&mut self, expires_s: u32) -> Message {
        let request = self.register_request(expires_s);
        let asked = self.ask(&request).await;
        assert_eq!(asked.status(), Some(401));
        let request = self.register_request(expires_s);
        self.answer_challenge(&asked, &request).await
    }

    /// Sends a request with the answer to the challenge of another; its own answer.
    pub(crate) async fn answer_challenge(&self, asked: &Message, request: &Message) -> Message {
        let login = Login::new(&self.username, &self.password);
        let signed = challenges(asked)[0].authorize(&login, request, 1, "c");
        self.ask(&signed).await
    }

    pub(crate) fn register_request(&mut self, expires_s: u32) -> Message {
        let own = format!("sip:{}@abc.example", self.username);
        let contact = self.contact();
        let register = self.begin(Method::Register, "sip:abc.example", &own);
        register.header("Contact", contact).header("Expires", expires_s).build()
    }

    pub(crate) fn begin(&mut self, method: Method, uri: &str, to: &str) -> RequestBuilder {
        self.cseq += 1;
        let address = |text: &str| NameAddr::new(None, &Uri::parse(text).unwrap());
        let own = format!("sip:{}@abc.example", self.username);
        RequestBuilder::new(method, &Uri::parse(uri).unwrap())
            .header("Via", self.via())
            .from(&address(&own).with_tag("desk"))
            .to(&address(to))
            .call_id(&self.random.token(16))
            .cseq(self.cseq)
    }

    pub(crate) fn via(&mut self) -> String {
        let own = self.socket.local_addr().unwrap();
        format!("SIP/2.0/UDP {own};branch=z9hG4bK{};rport", self.random.token(16))
    }

    pub(crate) fn contact(&self) -> String {
        let (of_uri, own) = &self.contact_params;
        format!("<sip:{}@{}{of_uri}>{own}", self.username, self.socket.local_addr().unwrap())
    }

    /// Sends a request, again if nothing comes (the edge may drop it: this is UDP), and gives its answer.
    pub(crate) async fn ask(&self, request: &Message) -> Message {
        for _ in 0..REPEATS_MAX {
            self.send(request).await;
            if let Ok(answer) = tokio::time::timeout(T1, self.answer_to(request)).await {
                return answer;
            }
        }
        panic!("nobody answers {request:?}")
    }

    async fn answer_to(&self, request: &Message) -> Message {
        loop {
            let answer = self.next().await;
            if (answer.call_id(), answer.cseq()) == (request.call_id(), request.cseq()) {
                return answer;
            }
        }
    }

    pub(crate) async fn send(&self, message: &Message) {
        self.socket.send_to(message.as_bytes(), self.edge).await.unwrap();
    }

    pub(crate) async fn next(&self) -> Message {
        let mut datagram = vec![0; 65_535];
        let (length, _) = within(self.socket.recv_from(&mut datagram)).await.unwrap();
        read(Bytes::copy_from_slice(&datagram[..length]))
    }

    /// Calls somebody, in two rounds; the second INVITE.
    pub(crate) async fn dial(&mut self, number: &str, sdp: Vec<u8>) -> Message {
        let to = format!("sip:{number}@abc.example");
        let contact = self.contact();
        let start = self.begin(Method::Invite, &to, &to).header("Contact", contact);
        let first = start.body("application/sdp", sdp).build();
        self.send(&first).await;
        let asked = self.hears(401).await;
        let ack = RequestBuilder::new(Method::Ack, &first.request_uri().unwrap())
            .via(&first.top_via().unwrap())
            .from(&first.from())
            .to(&asked.to())
            .call_id(first.call_id())
            .cseq(first.cseq().number);
        self.send(&ack.build()).await;
        self.cseq += 1;
        let again = first.edit().set("Via", self.via()).set("CSeq", format!("{} INVITE", self.cseq)).build();
        let login = Login::new(&self.username, &self.password);
        let signed = challenges(&asked)[0].authorize(&login, &again, 1, "c");
        self.send(&signed).await;
        signed
    }

    /// The next message but a 100, which must be an answer with this status.
    pub(crate) async fn hears(&self, status: u16) -> Message {
        loop {
            let answer = self.next().await;
            if answer.status() != Some(100) {
                assert_eq!(answer.status(), Some(status), "{answer:?}");
                return answer;
            }
        }
    }

    pub(crate) async fn acknowledge(&mut self, invite: &Message, answer: &Message) {
        let dialog = Dialog::of_caller(invite, answer).unwrap();
        let ack = dialog.ack(invite).header("Via", self.via()).build();
        self.send(&ack).await;
    }

    /// Answers a request of the edge.
    pub(crate) async fn answer(&self, request: &Message, status: u16, sdp: Option<Vec<u8>>) {
        let start = request.response(status, "As told").to_tag("desk").header("Contact", self.contact());
        let answer = match sdp {
            Some(sdp) => start.body("application/sdp", sdp),
            None => start,
        };
        self.send(&answer.build()).await;
    }

    /// Ends the call of an INVITE that it answered.
    pub(crate) async fn hang_up(&mut self, invite: &Message) {
        let mut dialog = Dialog::of_callee(invite, "desk").unwrap();
        let via = self.via();
        self.send(&dialog.request(Method::Bye).header("Via", via).build()).await;
    }
}
