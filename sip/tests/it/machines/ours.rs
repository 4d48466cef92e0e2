//! Our machines: a store with one transaction in it.

use callfield_domain::{Seed, Timestamp};
use callfield_sip::message::{Message, Verdict, parse};
use callfield_sip::transaction::{ClientId, Ended, Flow, Input, Output, ServerId, Settings, Transactions, Transport};

use super::{Machine, Player};

/// The request as it goes over the wire, whoever sends it.
pub(crate) fn request(method: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK776asdhds\r\n\
         Max-Forwards: 70\r\nRoute: <sip:proxy.example.com;lr>\r\nTo: <sip:bob@example.com>\r\n\
         From: <sip:alice@example.com>;tag=a1\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

pub(crate) struct Ours {
    store: Transactions,
    flow: Flow,
    now: Timestamp,
    method: &'static str,
    /// The request as it was sent or came.
    request: Option<Message>,
    server: Option<ServerId>,
    seen: Vec<String>,
}

impl Ours {
    pub(crate) fn start(machine: Machine, is_reliable: bool) -> Self {
        let flow = match is_reliable {
            true => Flow::Connection { id: 1, transport: Transport::Tcp },
            false => Flow::Udp(([192, 0, 2, 1], 5060).into()),
        };
        let store = Transactions::new(Settings { sent_by: "192.0.2.1".to_owned(), limit: 8 }, Seed::from_number(1));
        let method = machine.method();
        let (now, seen) = (Timestamp::ZERO, Vec::new());
        let mut ours = Self { store, flow, now, method, request: None, server: None, seen };
        let request = read(&request(method));
        if machine.is_client() {
            let request = request.edit().remove("Via").build();
            ours.handle(Input::Request { id: ClientId(1), flow, request });
        } else {
            ours.handle(Input::Received { flow, verdict: Verdict::Ok(request) });
        }
        ours
    }

    fn handle(&mut self, input: Input) {
        self.store.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.store.poll_output() {
            let what = match output {
                Output::Transmit { bytes, .. } => {
                    let message = read(&String::from_utf8_lossy(&bytes));
                    let what = shown(&message);
                    self.request.get_or_insert(message);
                    format!("send {what}")
                }
                Output::Request { id, request, .. } => {
                    self.server = Some(id);
                    let what = shown(&request);
                    self.request = Some(request);
                    format!("deliver {what}")
                }
                Output::Ack { request, .. } => format!("deliver {}", shown(&request)),
                Output::Response { response, .. } => format!("deliver {}", shown(&response)),
                Output::ClientEnded { ended, .. } | Output::ServerEnded { ended, .. } => match ended {
                    Ended::Done => "end done".to_owned(),
                    Ended::Timeout | Ended::NoAck => "end timeout".to_owned(),
                    Ended::FlowFailed | Ended::Full => format!("end {ended:?}"),
                },
                Output::Cancelled { .. } | Output::Stray { .. } => format!("{output:?}"),
            };
            self.seen.push(what);
        }
    }

    fn request(&self) -> &Message {
        self.request.as_ref().expect("the request was seen")
    }
}

impl Player for Ours {
    fn answer(&mut self, status: u16) {
        let response = self.request().response(status, "Reason").to_tag("b1").build();
        match self.server {
            Some(id) => self.handle(Input::Respond { id, response }),
            None => self.handle(Input::Received { flow: self.flow, verdict: Verdict::Ok(response) }),
        }
    }

    fn again(&mut self) {
        let verdict = parse(request(self.method).into());
        self.handle(Input::Received { flow: self.flow, verdict });
    }

    fn ack(&mut self) {
        let ack = request(self.method).replace(self.method, "ACK");
        self.handle(Input::Received { flow: self.flow, verdict: parse(ack.into()) });
    }

    fn due(&self) -> Option<i64> {
        self.store.poll_timeout().map(|(at, _)| at.as_millis())
    }

    fn timeout(&mut self, now: i64) {
        self.now = Timestamp::from_millis(now);
        self.store.handle_timeout(self.now);
        self.drain();
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }
}

fn read(text: &str) -> Message {
    let verdict = parse(text.to_owned().into());
    let Verdict::Ok(message) = verdict else { panic!("{verdict:?}: {text}") };
    message
}

fn shown(message: &Message) -> String {
    message.status().map_or_else(|| message.method().to_string(), |status| status.to_string())
}
