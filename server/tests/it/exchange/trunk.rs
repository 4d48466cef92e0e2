//! The far end of a trunk, message by message.

use std::net::SocketAddr;

use bytes::Bytes;
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder};
use callfield_sip::uri::Uri;
use tokio::net::UdpSocket;

use super::audio::Audio;
use super::{read, within};

/// The far end of a trunk.
pub(crate) struct Trunk {
    socket: UdpSocket,
    edge: SocketAddr,
    pub(crate) audio: Audio,
}

impl Trunk {
    pub(crate) async fn new(edge: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self { socket, edge, audio: Audio::new(1).await }
    }

    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Where the edge is heard from.
    pub(crate) fn edge(&self) -> SocketAddr {
        self.edge
    }

    pub(crate) async fn next(&mut self) -> Message {
        let mut datagram = vec![0; 65_535];
        let length;
        (length, self.edge) = within(self.socket.recv_from(&mut datagram)).await.unwrap();
        read(Bytes::copy_from_slice(&datagram[..length]))
    }

    /// Makes sure that nothing has come: what it sends itself is the first to arrive.
    pub(crate) async fn hears_nothing(&mut self) {
        let own = self.socket.local_addr().unwrap();
        self.socket.send_to(b"own", own).await.unwrap();
        let (_, from) = within(self.socket.recv_from(&mut [0; 3])).await.unwrap();
        assert_eq!(from, own, "the edge has sent something");
    }

    pub(crate) async fn send(&self, message: &Message) {
        self.socket.send_to(message.as_bytes(), self.edge).await.unwrap();
    }

    /// Wants proof before it takes a call.
    pub(crate) async fn challenge(&self, request: &Message, challenge: &str) {
        let answer = request.response(407, "Prove it").to_tag("far").header("Proxy-Authenticate", challenge);
        self.send(&answer.build()).await;
    }

    pub(crate) async fn answer(&self, request: &Message, status: u16, sdp: Option<Vec<u8>>) {
        let start = request.response(status, "As told").to_tag("far").header("Contact", self.contact());
        let answer = match sdp {
            Some(sdp) => start.body("application/sdp", sdp),
            None => start,
        };
        self.send(&answer.build()).await;
    }

    /// Ends the call of an INVITE that it answered.
    pub(crate) async fn hang_up(&self, invite: &Message) {
        let mut dialog = Dialog::of_callee(invite, "far").unwrap();
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bKfarbye;rport", self.socket.local_addr().unwrap());
        self.send(&dialog.request(Method::Bye).header("Via", via).build()).await;
    }

    /// Calls the company; the INVITE.
    pub(crate) async fn dial(&self, caller: &str, called: &str, sdp: Vec<u8>) -> Message {
        let own = self.socket.local_addr().unwrap();
        let address = |user: &str| Uri::parse(&format!("sip:{user}@{own}")).unwrap();
        let invite = RequestBuilder::new(Method::Invite, &address(called))
            .header("Via", format!("SIP/2.0/UDP {own};branch=z9hG4bKdial;rport"))
            .from(&NameAddr::new(None, &address(caller)).with_tag("far"))
            .to(&NameAddr::new(None, &address(called)))
            .call_id("dial")
            .cseq(1)
            .header("Contact", self.contact())
            .body("application/sdp", sdp)
            .build();
        self.send(&invite).await;
        invite
    }

    /// Takes its INVITE back.
    pub(crate) async fn cancel(&self, invite: &Message) {
        let cancel = RequestBuilder::new(Method::Cancel, &invite.request_uri().unwrap())
            .via(&invite.top_via().unwrap())
            .from(&invite.from())
            .to(&invite.to())
            .call_id(invite.call_id())
            .cseq(invite.cseq().number);
        self.send(&cancel.build()).await;
    }

    /// Ends the call of its INVITE.
    pub(crate) async fn bye(&self, invite: &Message, answer: &Message) {
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bKdialbye;rport", self.socket.local_addr().unwrap());
        let mut dialog = Dialog::of_caller(invite, answer).unwrap();
        self.send(&dialog.request(Method::Bye).header("Via", via).build()).await;
    }

    /// Acknowledges the answer to its INVITE.
    pub(crate) async fn acknowledge(&self, invite: &Message, answer: &Message) {
        let via = format!("SIP/2.0/UDP {};branch=z9hG4bKdialack;rport", self.socket.local_addr().unwrap());
        let dialog = Dialog::of_caller(invite, answer).unwrap();
        self.send(&dialog.ack(invite).header("Via", via).build()).await;
    }

    pub(crate) fn contact(&self) -> String {
        format!("<sip:{}>", self.socket.local_addr().unwrap())
    }
}
