//! Stories of the edge, told in SIP: a trunk over UDP, and phones that are the real agent.
#![expect(clippy::wildcard_enum_match_arm, reason = "a story looks only at what it is about")]

mod callback;
mod calls;
mod changes;
mod colleague;
mod desk;
mod desk_accounts;
mod info;
mod outbound;
mod refusals;
mod registration;
mod softphone;
mod timers;
mod tls;
mod transfer;
mod trunk_hops;
mod trunk_proofs;
mod trunk_registers;

use std::net::SocketAddr;

use super::*;
use crate::agent::{Agent, Identity, Input as AgentInput, Output as AgentOutput};
use crate::message::{Message, Method, Verdict, parse};

/// One edge, one trunk and two phones of a user, with links that lose nothing and take no time.
struct Story {
    now: Timestamp,
    edge: Switchboard,
    phones: [Device; 2],
    /// What the trunk got.
    trunk: Vec<Message>,
    /// Where it was sent.
    flows: Vec<Flow>,
    /// What the shell was asked and told, without what it transmits.
    shell: Vec<Output>,
    /// Whether the shell answers questions by itself.
    answers: bool,
    late_rows: bool,
    /// What the shell makes of changes; `None` if the ends cannot agree.
    change: Option<String>,
    /// Whether changes are passed on.
    renews: bool,
    /// What the shell decides about calls of phones.
    outbound: OutboundDecision,
}

struct Device {
    identity: DeviceIdentity,
    agent: Agent,
    connection: Option<ConnectionId>,
    got: Vec<Message>,
    news: Vec<AgentOutput>,
}

const TRUNK: &str = "192.0.2.9:5060";

fn trunk() -> Flow {
    Flow::Udp(TRUNK.parse::<SocketAddr>().unwrap())
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + ms)
}

impl Story {
    fn new() -> Self {
        let mut random = Random::new(Seed::from_number(5));
        let (tenant, user) = (TenantId::new(at(0), &mut random), UserId::new(at(0), &mut random));
        let phones = std::array::from_fn(|_| {
            let device = DeviceId::new(at(0), &mut random);
            let identity = Identity { domain: "phones.test".to_owned(), user, device };
            let agent = Agent::new(&identity, random.seed(), at(0)).unwrap();
            let identity = DeviceIdentity { tenant, user, device };
            Device { identity, agent, connection: None, got: Vec::new(), news: Vec::new() }
        });
        let edge = Switchboard::new(Settings::new("phones.test", "192.0.2.1:5060"), random.seed(), at(0));
        let (trunk, flows, shell) = (Vec::new(), Vec::new(), Vec::new());
        let outbound = OutboundDecision::Dial(outbound::plan());
        Self {
            now: at(0),
            edge,
            phones,
            trunk,
            flows,
            shell,
            answers: true,
            late_rows: false,
            change: None,
            renews: false,
            outbound,
        }
    }

    /// Both phones are registered.
    fn awake() -> Self {
        let mut story = Self::new();
        for phone in 0..2 {
            story.tell_phone(phone, AgentInput::Register { call: None });
        }
        story
    }

    /// The trunk sends a message, in which line ends are written as `\n`.
    fn send(&mut self, text: &str) {
        let bytes = Bytes::from(text.replace('\n', "\r\n"));
        self.tell(Input::Received { flow: trunk(), bytes });
    }

    fn dial(&mut self) {
        self.send(&invite("v=0\n"));
    }

    fn tell(&mut self, input: Input) {
        self.edge.handle(self.now, input);
        self.settle();
    }

    fn tell_phone(&mut self, phone: usize, input: AgentInput) {
        self.phones[phone].agent.handle(self.now, input);
        self.settle();
    }

    /// Carries everything until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            if let Some(output) = self.edge.poll_output() {
                self.carry_out(output);
            } else if let Some((phone, output)) = self.poll_phones() {
                self.obey(phone, output);
            } else {
                return;
            }
        }
    }

    fn poll_phones(&mut self) -> Option<(usize, AgentOutput)> {
        (0..2).find_map(|phone| Some((phone, self.phones[phone].agent.poll_output()?)))
    }

    fn carry_out(&mut self, output: Output) {
        match &output {
            Output::Transmit { flow: flow @ Flow::Udp(_), bytes } => {
                self.flows.push(*flow);
                self.trunk.push(read(bytes));
            }
            Output::Transmit { flow: Flow::Stream(connection), bytes } => {
                let phone = self.phones.iter().position(|phone| phone.connection == Some(*connection));
                let Some(phone) = phone else {
                    self.flows.push(Flow::Stream(*connection));
                    return self.trunk.push(read(bytes));
                };
                let phone = &mut self.phones[phone];
                if let Verdict::Ok(message) = parse(bytes.clone()) {
                    phone.got.push(message);
                }
                phone.agent.handle(self.now, AgentInput::Received(bytes.clone()));
            }
            _ => {
                let answer = if self.answers { self.answer_to(&output) } else { None };
                self.shell.push(output);
                if let Some(answer) = answer {
                    self.edge.handle(self.now, answer);
                }
            }
        }
    }

    fn answer_to(&self, output: &Output) -> Option<Input> {
        Some(match output {
            Output::RouteWanted(question) => Input::Routed { call: question.call, decision: self.ring() },
            Output::BranchOfferWanted { call, device, .. } => {
                Input::BranchOffered { call: *call, device: *device, sdp: Some("v=offer".into()) }
            }
            Output::AnswerWanted { call, .. } => Input::CallerAnswer { call: *call, sdp: Some("v=answer".into()) },
            Output::OutboundRouteWanted(question) => {
                Input::OutboundRouted { call: question.call, decision: self.outbound.clone() }
            }
            Output::TrunkOfferWanted { call, .. } => Input::TrunkOffered { call: *call, sdp: Some("v=trunk".into()) },
            Output::DeviceAnswerWanted { call, .. } => {
                Input::DeviceAnswer { call: *call, sdp: Some("v=device".into()) }
            }
            Output::FarOfferWanted { call, .. } => Input::FarOffered { call: *call, sdp: Some("v=trunk".into()) },
            Output::FarAnswered { call, .. } => Input::FarJoined { call: *call, is_joined: true, renews_device: false },
            Output::CredentialsWanted { login, user } => {
                Input::Credentials { login: *login, account: desk::account(self.phones[0].identity, user) }
            }
            Output::ChangeWanted { call, side, offer } => {
                let sdp = self
                    .change
                    .clone()
                    .map(|sdp| format!("{sdp} {side:?} {}", if offer.is_some() { "answer" } else { "offer" }));
                Input::ChangeMade {
                    call: *call,
                    side: *side,
                    sdp: sdp.map(Bytes::from),
                    renews_other: offer.is_some() && self.renews,
                }
            }
            Output::TransferOfferWanted { call } => {
                Input::TransferOffered { call: *call, sdp: Some("v=target".into()) }
            }
            Output::TransferAnswerWanted { call, .. } => Input::TransferAnswered { call: *call, is_joined: true },
            Output::Persist(facts) if !self.late_rows => Input::Persisted { call: facts.id },
            _ => return None,
        })
    }

    fn ring(&self) -> Decision {
        let owner = self.phones[0].identity;
        Decision::Ring(RingPlan {
            tenant: owner.tenant,
            user: owner.user,
            targets: self.phones.iter().map(|phone| Target { device: phone.identity.device, has_push: true }).collect(),
            why: "record_owner".to_owned(),
            caller: "+81312345678".to_owned(),
            caller_name: Some("Tanaka Ichiro".to_owned()),
            called: "+81350001000".to_owned(),
            decline: DeclinePolicy::StopAll,
        })
    }

    fn obey(&mut self, phone: usize, output: AgentOutput) {
        match output {
            AgentOutput::Connect => {
                let connection = ConnectionId(u64::try_from(self.shell.len() * 2 + phone).unwrap() + 100);
                let peer = Peer::Device(self.phones[phone].identity);
                self.phones[phone].connection = Some(connection);
                self.edge.handle(self.now, Input::ConnectionOpened { connection, peer, transport: Transport::Wss });
                self.phones[phone].agent.handle(self.now, AgentInput::Connected);
            }
            AgentOutput::Transmit(bytes) => {
                let flow = Flow::Stream(self.phones[phone].connection.unwrap());
                self.edge.handle(self.now, Input::Received { flow, bytes });
            }
            AgentOutput::AnswerWanted { call, .. } => {
                let sdp = Some("v=phone".into());
                self.phones[phone].agent.handle(self.now, AgentInput::AnswerSdp { call, sdp });
            }
            AgentOutput::ChangeWanted { call, is_holding, .. } => {
                let sdp = Some(if is_holding { "v=holds" } else { "v=talks" }.into());
                self.phones[phone].news.push(output);
                self.phones[phone].agent.handle(self.now, AgentInput::ChangeMade { call, sdp });
            }
            news => self.phones[phone].news.push(news),
        }
    }

    /// Lets time pass for the edge.
    fn run_until(&mut self, ms: i64) {
        while let Some((due, _)) = self.edge.poll_timeout().filter(|(due, _)| *due <= at(ms)) {
            assert!(due >= self.now, "no deadline lies in the past");
            self.now = due;
            self.edge.handle_timeout(due);
            self.settle();
        }
        self.now = at(ms);
    }

    fn call(&self) -> CallId {
        let asked = self.shell.iter().find_map(|output| {
            let Output::RouteWanted(question) = output else { return None };
            Some(question.call)
        });
        asked.unwrap()
    }

    fn answer(&mut self, phone: usize) {
        let call = self.call();
        self.tell_phone(phone, AgentInput::Answer { call });
    }

    /// The statuses that the trunk got for a method.
    fn statuses(&self, method: &Method) -> Vec<u16> {
        self.trunk.iter().filter(|message| message.method() == method).filter_map(Message::status).collect()
    }

    fn rows(&self) -> Vec<callfield_domain::Outcome> {
        let rows = self.shell.iter().filter_map(|output| {
            let Output::Persist(facts) = output else { return None };
            facts.outcome
        });
        rows.collect()
    }

    /// A request in the dialog that the 200 of the edge made.
    fn in_dialog(&self, method: &str, cseq: u32, body: &str) -> String {
        let mut told = self.trunk.iter().filter(|message| message.call_id() == "c1");
        let tag = told.find_map(|message| message.to().tag().map(str::to_owned)).unwrap();
        let length = body.replace('\n', "\r\n").len();
        format!(
            "{method} sip:edge@192.0.2.1:5060 SIP/2.0\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bK{method}{cseq};rport\n\
             Max-Forwards: 70\nFrom: <sip:0312345678@pbx.test>;tag=a\nTo: <sip:0350001000@edge.test>;tag={tag}\n\
             Call-ID: c1\nCSeq: {cseq} {method}\nContent-Type: application/sdp\nContent-Length: {length}\n\n{body}"
        )
    }
}

fn read(bytes: &Bytes) -> Message {
    let verdict = parse(bytes.clone());
    let Verdict::Ok(message) = verdict else { panic!("{verdict:?}") };
    message
}

fn invite(body: &str) -> String {
    let length = body.replace('\n', "\r\n").len();
    format!(
        "INVITE sip:0350001000@edge.test SIP/2.0\nVia: SIP/2.0/UDP {TRUNK};branch=z9hG4bKi1;rport\nMax-Forwards: 70\n\
         From: \"T\" <sip:0312345678@pbx.test>;tag=a\nTo: <sip:0350001000@edge.test>\nCall-ID: c1\nCSeq: 1 INVITE\n\
         Contact: <sip:0312345678@{TRUNK}>\nContent-Type: application/sdp\nContent-Length: {length}\n\n{body}"
    )
}
