//! The phones' side of the world: pushes, what users do, and what happens to apps.

use callfield_domain::{CallId, Timestamp};
use callfield_sip::agent::{Input as AgentInput, Output, WokenCallState};
use callfield_sip::extension::CALL_HEADER;
use callfield_sip::message::{Verdict, parse};

use super::edge::summary;
use super::{Event, World};
use crate::phone::Deed;
use bytes::Bytes;

impl World {
    pub(super) fn tell_phone(&mut self, phone: usize, input: AgentInput) {
        self.phones[phone].agent.handle(self.now, input);
        self.drain_phone(phone);
    }

    pub(super) fn drain_phone(&mut self, phone: usize) {
        while let Some(output) = self.phones[phone].agent.poll_output() {
            for output in self.mutant.agent_output(output) {
                self.obey(phone, output);
            }
        }
    }

    fn obey(&mut self, phone: usize, output: Output) {
        match output {
            Output::Connect => self.open_stream(phone),
            Output::Disconnect => self.abandon_stream(phone),
            Output::Transmit(bytes) => self.send_from_phone(phone, bytes),
            Output::Registered { .. } => self.trace.add(self.now, format!("phone {phone}"), "is registered"),
            Output::RegistrationFailed { status, .. } => {
                self.trace.add(self.now, format!("phone {phone}"), &format!("is not registered {status:?}"));
            }
            Output::Incoming { call, .. } => {
                let life = self.phones[phone].life;
                self.ledger.note_incoming(call, phone, life);
                self.show_call(phone, call);
            }
            Output::RemoteRinging { call } => {
                self.trace.add(self.now, format!("phone {phone}"), &format!("hears {} ring", self.name_of(call)));
            }
            Output::RemoteAnswered { .. } | Output::TransferChanged { .. } => {}
            Output::AnswerWanted { call, .. } => {
                let sdp = (!self.random.chance(3)).then(|| Bytes::from_static(b"v=phone\r\n"));
                self.tell_phone(phone, AgentInput::AnswerSdp { call, sdp });
            }
            Output::Established { call } => {
                self.trace.add(self.now, format!("phone {phone}"), &format!("talks on {}", self.name_of(call)));
                self.ledger.note_established(call, phone);
                if self.random.chance(50) {
                    let at = self.soon(500, 60_000);
                    self.plan_deed(phone, call, Deed::HangUp, at);
                }
                for deed in [Deed::Hold, Deed::Resume, Deed::Hold] {
                    let at = self.soon(100, 60_000);
                    self.plan_deed(phone, call, deed, at);
                }
            }
            Output::ChangeWanted { call, .. } => {
                let sdp = (!self.random.chance(5)).then(|| Bytes::from_static(b"v=phone\r\n"));
                self.tell_phone(phone, AgentInput::ChangeMade { call, sdp });
            }
            Output::ChangeAnswered { call, answer } => {
                let what = if answer.is_some() { "has changed" } else { "keeps" };
                self.trace.add(self.now, format!("phone {phone}"), &format!("{what} {}", self.name_of(call)));
            }
            Output::AskState { call } => self.ask(phone, call),
            Output::Ended { call, reason } => {
                let what = format!("ends {}: {reason:?}", self.name_of(call));
                self.trace.add(self.now, format!("phone {phone}"), &what);
                self.ledger.note_done(call, phone);
            }
        }
    }

    fn send_from_phone(&mut self, phone: usize, bytes: Bytes) {
        if let Verdict::Ok(message) = parse(bytes.clone()) {
            self.trace.add(self.now, format!("{phone}>edge"), &summary(&message));
            let call = message.header(CALL_HEADER).and_then(|call| call.parse().ok());
            self.note_dial(&message, call);
        }
        self.trace.add_bytes(&bytes);
        self.carry_to_edge(phone, bytes);
    }

    /// The call screen appears; somebody may do something about it.
    fn show_call(&mut self, phone: usize, call: CallId) {
        self.trace.add(self.now, format!("phone {phone}"), &format!("rings for {}", self.name_of(call)));
        self.ledger.note_ringing(call, phone, self.now);
        let life = self.phones[phone].life;
        if !self.phones[phone].seen.insert((call, life)) {
            return;
        }
        let deed = match self.random.below(100) {
            0..55 => Deed::Answer,
            55..65 => Deed::Decline,
            65..70 => Deed::HangUp,
            _ => return,
        };
        let at = if self.random.chance(30) { self.soon(50, 1_500) } else { self.soon(500, 30_000) };
        self.plan_deed(phone, call, deed, at);
    }

    pub(super) fn plan_deed(&mut self, phone: usize, call: CallId, deed: Deed, at: Timestamp) {
        let life = self.phones[phone].life;
        self.schedule.at(at, Event::User { phone, life, call, deed });
    }

    pub(super) fn user_acts(&mut self, phone: usize, life: u32, call: CallId, deed: Deed) {
        if self.phones[phone].life != life {
            return;
        }
        self.trace.add(self.now, format!("user {phone}"), &format!("{deed:?} {}", self.name_of(call)));
        match deed {
            Deed::Answer => {
                self.ledger.note_silent(call, phone);
                self.tell_phone(phone, AgentInput::Answer { call });
            }
            Deed::Decline => self.tell_phone(phone, AgentInput::Decline { call }),
            Deed::Hold => self.tell_phone(phone, AgentInput::Hold { call }),
            Deed::Resume => self.tell_phone(phone, AgentInput::Resume { call }),
            Deed::HangUp => self.tell_phone(phone, AgentInput::HangUp { call }),
        }
    }

    pub(super) fn push_arrives(&mut self, phone: usize, call: CallId, expires_at: Timestamp) {
        if expires_at <= self.now {
            return;
        }
        self.trace.add(self.now, format!("phone {phone}"), &format!("got the push of {}", self.name_of(call)));
        self.resume(phone);
        let life = self.phones[phone].life;
        if !self.phones[phone].seen.contains(&(call, life)) {
            self.show_call(phone, call);
        }
        self.tell_phone(phone, AgentInput::Register { call: Some(call) });
    }

    /// The question goes over HTTP, on a connection of its own.
    fn ask(&mut self, phone: usize, call: CallId) {
        let life = self.phones[phone].life;
        if self.random.chance(self.weather.refused / 2) {
            self.ledger.note_unreachable(phone);
            let at = self.soon(100, 5_000);
            return self.schedule.at(at, Event::StateTold { phone, life, call, state: None });
        }
        let at = self.soon(20, 1_500);
        self.schedule.at(at, Event::StateAsked { phone, life, call });
    }

    pub(super) fn ask_state(&mut self, phone: usize, life: u32, call: CallId) {
        let device = self.phones[phone].device;
        let state = self.switchboard.woken_call_state(self.now, device, call);
        self.drain_edge();
        let at = self.soon(20, 1_500);
        self.schedule.at(at, Event::StateTold { phone, life, call, state: Some(state) });
    }

    pub(super) fn tell_state(&mut self, phone: usize, life: u32, call: CallId, state: Option<WokenCallState>) {
        if self.phones[phone].life == life {
            self.tell_phone(phone, AgentInput::StateKnown { call, state });
        }
    }

    pub(super) fn kill(&mut self, phone: usize) {
        self.trace.add(self.now, format!("phone {phone}"), "is killed");
        self.abandon_stream(phone);
        self.ledger.note_killed(phone);
        self.phones[phone].restart(&mut self.random, self.now);
    }

    pub(super) fn roam(&mut self, phone: usize) {
        self.trace.add(self.now, format!("phone {phone}"), "roams");
        self.cut_stream(phone);
        let is_running = self.phones[phone].suspended_until <= self.now;
        if is_running && self.random.chance(70) {
            self.tell_phone(phone, AgentInput::NetworkChanged);
        }
    }

    /// An app that rings or talks is not suspended.
    pub(super) fn suspend(&mut self, phone: usize) {
        if self.ledger.is_idle(phone) && self.phones[phone].suspended_until <= self.now {
            self.trace.add(self.now, format!("phone {phone}"), "is suspended");
            let until = self.soon(1_000, 60_000);
            self.phones[phone].suspended_until = until;
            self.schedule.at(until, Event::Resumes { phone });
        }
    }

    /// The app runs, and first of all takes in what came while it did not.
    pub(super) fn resume(&mut self, phone: usize) {
        self.phones[phone].suspended_until = self.now;
        while let Some(event) = self.backlogs[phone].pop_front() {
            self.happen(event);
        }
    }

    pub(super) fn open_app(&mut self, phone: usize) {
        self.resume(phone);
        self.tell_phone(phone, AgentInput::Register { call: None });
    }

    pub(super) fn go_to_bed(&mut self) {
        for phone in 0..self.phones.len() {
            self.resume(phone);
            self.tell_phone(phone, AgentInput::Sleep);
        }
    }
}
