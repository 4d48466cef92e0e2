//! A phone's connection to the edge, message by message.

use bytes::Bytes;
use callfield_domain::{CallId, Random, Seed};
use callfield_server::app::edge_port::{DeviceIdentity, EdgeCommand};
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder};
use callfield_sip::uri::Uri;
use tokio::sync::mpsc;

use super::audio::Audio;
use super::{Exchange, read, within};
use crate::office::Phone;

/// A phone's connection.
pub(crate) struct Line {
    pub(crate) phone: Phone,
    pub(crate) audio: Audio,
    to_edge: mpsc::Sender<Bytes>,
    from_edge: mpsc::Receiver<Bytes>,
    random: Random,
}

impl Line {
    /// A connection of a phone of the company of `exchange`, registered.
    pub(crate) async fn open(exchange: &Exchange, phone: Phone) -> Self {
        let identity = DeviceIdentity { tenant: exchange.office.tenant, user: phone.user, device: phone.id };
        Self::open_as(exchange, identity, phone).await
    }

    /// A connection of a phone of any company.
    pub(crate) async fn open_as(exchange: &Exchange, identity: DeviceIdentity, phone: Phone) -> Self {
        let (to_edge, received) = mpsc::channel(16);
        let (to_device, from_edge) = mpsc::channel(16);
        let command = EdgeCommand::Connected { identity, received, to_device, waiting: std::sync::Arc::default() };
        exchange.office.app.edge.send(command).await.unwrap();
        let seed = phone.id.uuid().as_u64_pair().1;
        let (audio, random) = (Audio::new(seed).await, Random::new(Seed::from_number(seed)));
        let mut line = Self { phone, audio, to_edge, from_edge, random };
        line.register().await;
        line
    }

    async fn register(&mut self) {
        let own = format!("sip:{}@abc.example", self.phone.user);
        let (device, binding) = (self.phone.id, "reg-id=1");
        let contact =
            format!("<sip:{device}@phone.invalid;transport=ws>;+sip.instance=\"<urn:uuid:{device}>\";{binding}");
        let register = self.begin(Method::Register, "sip:abc.example", &own, &own);
        let register = register.header("Contact", contact).header("Expires", 3_600).build();
        self.send(&register).await;
        assert_eq!(self.next().await.status(), Some(200));
    }

    /// Calls somebody; the INVITE, once it was taken.
    pub(crate) async fn dial(&mut self, call: CallId, number: &str, sdp: Vec<u8>) -> Message {
        let (own, to) =
            (format!("sip:{}@abc.example", self.phone.user), format!("sip:{number}@abc.example;user=phone"));
        let device = self.phone.id;
        let invite = self
            .begin(Method::Invite, &to, &own, &to)
            .header("Contact", format!("<sip:{device}@phone.invalid;transport=ws>"))
            .header("X-Callfield-Call", call)
            .body("application/sdp", sdp)
            .build();
        self.send(&invite).await;
        invite
    }

    /// The final answer to an INVITE, acknowledged if it is a refusal.
    pub(crate) async fn final_answer(&mut self, invite: &Message) -> Message {
        loop {
            let answer = self.next().await;
            match answer.status() {
                Some(100..200) => {}
                Some(200..300) => return answer,
                Some(_) => {
                    self.send(&same_transaction(invite, Method::Ack, &answer.to())).await;
                    return answer;
                }
                None => panic!("no answer: {answer:?}"),
            }
        }
    }

    /// The next message, which must be an answer with this status; a 100 may come before it.
    pub(crate) async fn answer(&mut self, status: u16) -> Message {
        loop {
            let answer = self.next().await;
            if answer.status() != Some(100) {
                assert_eq!(answer.status(), Some(status), "{answer:?}");
                return answer;
            }
        }
    }

    /// Answers a request of the edge.
    pub(crate) async fn respond(&self, request: &Message, status: u16, sdp: Option<Vec<u8>>) {
        let contact = format!("<sip:{}@phone.invalid;transport=ws>", self.phone.id);
        let start = request.response(status, "As told").to_tag("line").header("Contact", contact);
        let answer = match sdp {
            Some(sdp) => start.body("application/sdp", sdp),
            None => start,
        };
        self.send(&answer.build()).await;
    }

    pub(crate) async fn acknowledge(&self, invite: &Message, answer: &Message) {
        let dialog = Dialog::of_caller(invite, answer).unwrap();
        self.send(&dialog.ack(invite).header("Via", via("ack")).build()).await;
    }

    pub(crate) async fn cancel(&self, invite: &Message) {
        self.send(&same_transaction(invite, Method::Cancel, &invite.to())).await;
    }

    pub(crate) async fn hang_up(&self, invite: &Message, answer: &Message) {
        let mut dialog = Dialog::of_caller(invite, answer).unwrap();
        self.send(&dialog.request(Method::Bye).header("Via", via("bye")).build()).await;
    }

    pub(crate) async fn next(&mut self) -> Message {
        read(within(self.from_edge.recv()).await.expect("the edge closed the connection"))
    }

    /// Makes sure that nothing has come.
    pub(crate) fn hears_nothing(&mut self) {
        assert!(self.from_edge.try_recv().is_err(), "the edge has sent something");
    }

    pub(crate) async fn send(&self, message: &Message) {
        self.to_edge.send(message.as_bytes().clone()).await.unwrap();
    }

    fn begin(&mut self, method: Method, uri: &str, from: &str, to: &str) -> RequestBuilder {
        let address = |text: &str| NameAddr::new(None, &Uri::parse(text).unwrap());
        RequestBuilder::new(method, &Uri::parse(uri).unwrap())
            .header("Via", via(&self.random.token(16)))
            .from(&address(from).with_tag(&self.random.token(16)))
            .to(&address(to))
            .call_id(&self.random.token(16))
            .cseq(1)
    }
}

fn via(branch: &str) -> String {
    format!("SIP/2.0/WSS phone.invalid;branch=z9hG4bK{branch};rport")
}

/// A CANCEL, or the ACK of a refusal: of the same transaction as the INVITE.
fn same_transaction(invite: &Message, method: Method, to: &NameAddr) -> Message {
    RequestBuilder::new(method, &invite.request_uri().unwrap())
        .via(&invite.top_via().unwrap())
        .from(&invite.from())
        .to(to)
        .call_id(invite.call_id())
        .cseq(invite.cseq().number)
        .build()
}
