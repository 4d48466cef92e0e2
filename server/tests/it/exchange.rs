//! An exchange: the edge at work on a socket of its own, phones on their connections, and the trunk at the other end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{CallId, Random, Seed};
use callfield_media::sdp::{Agreement, Negotiation};
use callfield_media::session::{self, MediaSession};
use callfield_server::app::edge_port::{DeviceIdentity, EdgeCommand};
use callfield_server::db::Db;
use callfield_server::{serve, sip_edge};
use callfield_sip::dialog::Dialog;
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder, Verdict, parse};
use callfield_sip::uri::Uri;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::office::{MORNING, Office, Phone};

/// How long anything may take before the test is lost.
const PATIENCE: Duration = Duration::from_secs(20);
const SETTINGS: &str = r#"
    [sip]
    domain = "abc.example"
    udp = "127.0.0.1:0"
    tcp = "off"
    [media]
    bind = "127.0.0.1"
"#;

pub(crate) struct Exchange {
    pub(crate) office: Office,
    udp: SocketAddr,
    stop: CancellationToken,
    edge: JoinHandle<()>,
}

impl Exchange {
    pub(crate) async fn open(db: Db) -> Self {
        let mut office = Office::open_with(db, SETTINGS).await;
        let (udp, stop, edge) = start(&mut office).await;
        Self { office, udp, stop, edge }
    }

    /// Ends the edge and starts another one on the same database: what is only remembered is gone.
    pub(crate) async fn restart(&mut self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.edge).await.unwrap().unwrap();
        let (sender, commands) = mpsc::channel(16);
        self.office.app.edge = sender;
        self.office.edge = commands;
        self.office.router = serve::router(&self.office.app);
        (self.udp, self.stop, self.edge) = start(&mut self.office).await;
    }

    /// A trunk of the company of `admin` that takes its calls, and the number that is shown.
    pub(crate) async fn trunk(&self, admin: &str, number: &str) -> Trunk {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let trunk = json!({
            "name": "PBX", "kind": "static", "addresses": ["127.0.0.1"], "outgoing": { "host": "127.0.0.1", "port": port },
        });
        let number = json!({ "e164": number, "route": "record_owner" });
        for (path, body) in [("/v1/trunks", trunk), ("/v1/numbers", number)] {
            assert_eq!(self.office.post(admin, path, body).await.status, StatusCode::CREATED);
        }
        Trunk { socket, edge: self.udp, audio: Audio::new(1).await }
    }

    /// A new person's phone, connected and registered.
    pub(crate) async fn line(&self, name: &str) -> Line {
        Line::open(self, self.office.phone(name).await).await
    }

    /// What the API says of a call once it is over.
    pub(crate) async fn facts(&self, call: CallId) -> Value {
        self.office.get(&self.office.admin, &format!("/v1/calls/{call}")).await.body
    }

    /// The steps of a call, once the last of them is `last`.
    pub(crate) async fn steps(&self, call: CallId, last: &str) -> Vec<Value> {
        let path = format!("/v1/calls/{call}/timeline");
        let told = async {
            loop {
                let answer = self.office.get(&self.office.admin, &path).await;
                let steps = answer.body["events"].as_array().cloned().unwrap_or_default();
                if steps.iter().any(|step| step["milestone"] == last) {
                    return steps;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap()
    }
}

async fn start(office: &mut Office) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
    let sockets = sip_edge::Sockets::bind(&office.app.config.sip).await.unwrap();
    let (udp, stop) = (sockets.udp_address().unwrap(), CancellationToken::new());
    let commands = std::mem::replace(&mut office.edge, mpsc::channel(1).1);
    let edge = tokio::spawn(sip_edge::run(office.app.clone(), sockets, commands, stop.clone()));
    (udp, stop, edge)
}

/// One end's socket for audio, and what it agreed on.
pub(crate) struct Audio {
    pub(crate) leg: Negotiation,
    socket: UdpSocket,
}

impl Audio {
    async fn new(seed: u64) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let leg = Negotiation::new(socket.local_addr().unwrap(), &mut Random::new(Seed::from_number(seed)));
        Self { leg, socket }
    }

    /// Says something; what is said comes from a session on `agreed`.
    pub(crate) async fn speak(&self, agreed: &Agreement) {
        let mut session = MediaSession::new(agreed, Seed::from_number(5), MORNING).unwrap();
        session.handle_timeout(MORNING);
        while let Some(session::Output::Transmit { to, bytes }) = session.poll_output() {
            self.socket.send_to(&bytes, to).await.unwrap();
        }
    }

    /// Waits for a packet that can be understood under `agreed`.
    pub(crate) async fn hear(&self, agreed: &Agreement) {
        let mut session = MediaSession::new(agreed, Seed::from_number(6), MORNING).unwrap();
        let mut packet = [0; 2_048];
        let (length, from) = within(self.socket.recv_from(&mut packet)).await.unwrap();
        session.handle(MORNING, from, &packet[..length]);
        assert_eq!(session.statistics().leg.packets_received, 1);
    }
}

/// The far end of a trunk.
pub(crate) struct Trunk {
    socket: UdpSocket,
    edge: SocketAddr,
    pub(crate) audio: Audio,
}

impl Trunk {
    pub(crate) async fn next(&mut self) -> Message {
        let mut datagram = vec![0; 65_535];
        let length;
        (length, self.edge) = within(self.socket.recv_from(&mut datagram)).await.unwrap();
        read(Bytes::copy_from_slice(&datagram[..length]))
    }

    /// Whether nothing has come.
    pub(crate) fn is_quiet(&self) -> bool {
        self.socket.try_recv(&mut [0; 1]).is_err()
    }

    pub(crate) async fn send(&self, message: &Message) {
        self.socket.send_to(message.as_bytes(), self.edge).await.unwrap();
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

    fn contact(&self) -> String {
        format!("<sip:{}>", self.socket.local_addr().unwrap())
    }
}

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
        let command = EdgeCommand::Connected { identity, received, to_device };
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

fn read(bytes: Bytes) -> Message {
    let Verdict::Ok(message) = parse(bytes) else { panic!("the edge sent something unreadable") };
    message
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}
