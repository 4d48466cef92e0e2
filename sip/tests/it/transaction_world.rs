//! Two transaction stores, a caller's and a callee's, and the link between them.

use std::time::Duration;

use callfield_domain::{Seed, Timestamp};
use callfield_sip::message::{Message, Method, NameAddr, RequestBuilder, parse};
use callfield_sip::transaction::{ClientId, Ended, Flow, Input, Output, ServerId, Settings, Transactions, Transport};
use callfield_sip::uri::Uri;

pub(crate) const CLIENT: ClientId = ClientId(7);

pub(crate) fn udp() -> Flow {
    Flow::Udp(([192, 0, 2, 1], 5060).into())
}

pub(crate) fn tcp() -> Flow {
    Flow::Connection { id: 1, transport: Transport::Tcp }
}

pub(crate) fn request(method: Method) -> Message {
    let uri = Uri::parse("sip:bob@example.com").expect("a URI");
    let from = NameAddr::new(None, &Uri::parse("sip:alice@example.com").expect("a URI")).with_tag("a1");
    let request = RequestBuilder::new(method, &uri).header("Route", "<sip:proxy.example.com;lr>").from(&from);
    request.to(&NameAddr::new(None, &uri)).call_id("c1").cseq(1).build()
}

/// Two stores and what each told its user.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    flow: Flow,
    pub(crate) caller: Transactions,
    pub(crate) callee: Transactions,
    /// How many of the caller's next packets are lost.
    pub(crate) lost: usize,
    pub(crate) wire: Vec<String>,
    pub(crate) to_caller: Vec<Output>,
    pub(crate) to_callee: Vec<Output>,
}

impl World {
    pub(crate) fn new(flow: Flow) -> Self {
        let settings = |host: &str| Settings { sent_by: host.to_owned(), limit: 8 };
        Self {
            now: Timestamp::ZERO,
            flow,
            caller: Transactions::new(settings("192.0.2.1:5060"), Seed::from_number(1)),
            callee: Transactions::new(settings("192.0.2.2:5060"), Seed::from_number(2)),
            lost: 0,
            wire: Vec::new(),
            to_caller: Vec::new(),
            to_callee: Vec::new(),
        }
    }

    pub(crate) fn caller(&mut self, input: Input) {
        self.caller.handle(self.now, input);
        self.settle();
    }

    pub(crate) fn callee(&mut self, input: Input) {
        self.callee.handle(self.now, input);
        self.settle();
    }

    pub(crate) fn call(&mut self, method: Method) {
        let (id, flow) = (CLIENT, self.flow);
        self.caller(Input::Request { id, flow, request: request(method) });
    }

    pub(crate) fn answer(&mut self, status: u16) {
        let (id, request) = self.requested();
        let response = request.response(status, "Reason").to_tag("b1").build();
        self.callee(Input::Respond { id, response });
    }

    /// The last request that the callee's user saw.
    pub(crate) fn requested(&self) -> (ServerId, Message) {
        let found = self.to_callee.iter().rev().find_map(|output| match output {
            Output::Request { id, request, .. } => Some((*id, request.clone())),
            Output::Transmit { .. }
            | Output::Ack { .. }
            | Output::Stray { .. }
            | Output::Cancelled { .. }
            | Output::Response { .. }
            | Output::ClientEnded { .. }
            | Output::ServerEnded { .. } => None,
        });
        found.expect("a request arrived")
    }

    /// Carries packets until both sides are quiet.
    fn settle(&mut self) {
        loop {
            let (flow, now) = (self.flow, self.now);
            if let Some(output) = self.caller.poll_output() {
                let Output::Transmit { bytes, .. } = output else {
                    self.to_caller.push(output);
                    continue;
                };
                let is_lost = self.lost > 0;
                self.lost = self.lost.saturating_sub(1);
                self.note(">", &bytes, is_lost);
                if !is_lost {
                    self.callee.handle(now, Input::Received { flow, verdict: parse(bytes) });
                }
            } else if let Some(output) = self.callee.poll_output() {
                let Output::Transmit { bytes, .. } = output else {
                    self.to_callee.push(output);
                    continue;
                };
                self.note("<", &bytes, false);
                self.caller.handle(now, Input::Received { flow, verdict: parse(bytes) });
            } else {
                return;
            }
        }
    }

    fn note(&mut self, arrow: &str, bytes: &[u8], is_lost: bool) {
        let text = String::from_utf8_lossy(bytes);
        let start = text.lines().next().unwrap_or_default().replace(" sip:bob@example.com SIP/2.0", "");
        let start = start.trim_start_matches("SIP/2.0 ").trim_end_matches(" Reason").to_owned();
        let lost = if is_lost { " lost" } else { "" };
        self.wire.push(format!("{} {arrow} {start}{lost}", self.now));
    }

    /// Lets time pass, deadline by deadline.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next = [self.caller.poll_timeout(), self.callee.poll_timeout()].into_iter().flatten().min();
            let Some((at, _)) = next.filter(|(at, _)| *at <= end) else { break };
            self.now = at;
            self.caller.handle_timeout(at);
            self.callee.handle_timeout(at);
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn rest(&mut self) {
        self.run(Duration::from_secs(1000));
        assert!(self.caller.is_empty() && self.callee.is_empty(), "nothing lives for ever");
        assert_eq!((self.caller.poll_timeout(), self.callee.poll_timeout()), (None, None));
    }

    pub(crate) fn statuses(&self) -> Vec<u16> {
        let status = |output: &Output| match output {
            Output::Response { id: CLIENT, response, .. } => response.status(),
            Output::Response { .. }
            | Output::Transmit { .. }
            | Output::Request { .. }
            | Output::Ack { .. }
            | Output::Stray { .. }
            | Output::Cancelled { .. }
            | Output::ClientEnded { .. }
            | Output::ServerEnded { .. } => None,
        };
        self.to_caller.iter().filter_map(status).collect()
    }

    pub(crate) fn client_end(&self) -> Option<Ended> {
        self.to_caller.iter().find_map(|output| match output {
            Output::ClientEnded { id: CLIENT, ended } => Some(*ended),
            Output::ClientEnded { .. }
            | Output::Response { .. }
            | Output::Transmit { .. }
            | Output::Request { .. }
            | Output::Ack { .. }
            | Output::Stray { .. }
            | Output::Cancelled { .. }
            | Output::ServerEnded { .. } => None,
        })
    }

    pub(crate) fn requests(&self) -> usize {
        self.to_callee.iter().filter(|output| matches!(output, Output::Request { .. })).count()
    }
}
