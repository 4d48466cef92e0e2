//! Their machines, with the clocks that their driver has to keep.

use sipx_sip::transaction::{Output, Reason, Reliability, Timer, Timers, TuEvent};
use sipx_sip::{ClientTransaction, Limits, Message, Request, Response, ServerTransaction, parse_datagram};

use super::ours::request;
use super::{Machine, Player};

enum Transaction {
    Client(ClientTransaction),
    Server(ServerTransaction),
}

pub(crate) struct Theirs {
    transaction: Transaction,
    method: &'static str,
    now: i64,
    /// When which timer runs out, the earliest first.
    timers: Vec<(i64, Timer)>,
    seen: Vec<String>,
}

impl Theirs {
    pub(crate) fn start(machine: Machine, is_reliable: bool) -> Self {
        let reliability = if is_reliable { Reliability::Reliable } else { Reliability::Unreliable };
        let request = read_request(&request(machine.method()));
        let (transaction, outputs) = if machine.is_client() {
            let (client, outputs) = ClientTransaction::new(request, reliability, Timers::default());
            (Transaction::Client(client), outputs)
        } else {
            let (server, outputs) = ServerTransaction::new(request, reliability, Timers::default());
            (Transaction::Server(server), outputs)
        };
        let method = machine.method();
        let mut theirs = Self { transaction, method, now: 0, timers: Vec::new(), seen: Vec::new() };
        theirs.perform(outputs);
        theirs
    }

    fn perform(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(message) => self.seen.push(format!("send {}", shown(&message))),
                Output::SetTimer { timer, after } => {
                    self.timers.retain(|(_, set)| *set != timer);
                    let at = self.now + i64::try_from(after.as_millis()).expect("a short time");
                    self.timers.push((at, timer));
                    self.timers.sort_by_key(|(at, _)| *at);
                }
                Output::ClearTimer(timer) => self.timers.retain(|(_, set)| *set != timer),
                Output::ToTu(event) => self.seen.extend(delivered(&event)),
                Output::Terminated(reason) => {
                    self.timers.clear();
                    let how = if reason == Reason::Completed { "done" } else { "timeout" };
                    self.seen.push(format!("end {how}"));
                }
                _ => panic!("an output that this driver does not know: {output:?}"),
            }
        }
        self.fire_what_is_due();
    }

    /// A clock of no length runs out in the same step.
    fn fire_what_is_due(&mut self) {
        while let Some(&(at, timer)) = self.timers.first().filter(|(at, _)| *at <= self.now) {
            self.timers.retain(|set| *set != (at, timer));
            let outputs = match &mut self.transaction {
                Transaction::Client(client) => client.on_timer(timer),
                Transaction::Server(server) => server.on_timer(timer),
            };
            self.perform(outputs);
        }
    }

    fn request_came(&mut self, text: &str) {
        let Transaction::Server(server) = &mut self.transaction else { return };
        let outputs = server.on_request(&read_request(text));
        self.perform(outputs);
    }
}

impl Player for Theirs {
    fn answer(&mut self, status: u16) {
        let request = request(self.method);
        let headers = request.split_once("\r\n").map_or("", |(_, headers)| headers);
        let text =
            format!("SIP/2.0 {status} Reason\r\n{headers}").replace("bob@example.com>", "bob@example.com>;tag=b1");
        let response = read_response(&text);
        let outputs = match &mut self.transaction {
            Transaction::Client(client) => client.on_response(response),
            Transaction::Server(server) => server.on_tu_response(response),
        };
        self.perform(outputs);
    }

    fn again(&mut self) {
        self.request_came(&request(self.method));
    }

    fn ack(&mut self) {
        self.request_came(&request(self.method).replace(self.method, "ACK"));
    }

    fn due(&self) -> Option<i64> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn timeout(&mut self, now: i64) {
        self.now = now;
        self.fire_what_is_due();
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }
}

fn delivered(event: &TuEvent) -> Option<String> {
    match event {
        TuEvent::Request(request) | TuEvent::Ack(request) => {
            Some(format!("deliver {}", String::from_utf8_lossy(request.method.as_bytes())))
        }
        TuEvent::Response(response) => Some(format!("deliver {}", response.status.code())),
        // The end that follows says it.
        TuEvent::Timeout | TuEvent::TransportError => None,
        _ => panic!("an event that this driver does not know: {event:?}"),
    }
}

fn shown(message: &Message) -> String {
    match message {
        Message::Request(request) => String::from_utf8_lossy(request.method.as_bytes()).into_owned(),
        Message::Response(response) => response.status.code().to_string(),
    }
}

fn read_request(text: &str) -> Request {
    let message = parse_datagram(text.to_owned().into(), &Limits::datagram()).expect("a request");
    message.as_request().expect("a request").clone()
}

fn read_response(text: &str) -> Response {
    let message = parse_datagram(text.to_owned().into(), &Limits::datagram()).expect("a response");
    message.as_response().expect("a response").clone()
}
