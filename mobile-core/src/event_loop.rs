//! The one place that sees both a socket and a machine: it feeds the agent and does what the agent wants done.
//!
//! A phone that sleeps stops its processes: the loop's deadlines are of a clock that runs on, its timer is due when the phone
//! runs again ([`Alarm`]), and what woke the phone is dealt with after what was due.
//!
//! Asleep, the loop holds no connection and no timer; it waits for a command. A push makes the agent ask for the call's
//! state and open a connection at the same time; when the last call is over the agent closes it again.

mod calls;
mod endings;
mod media;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};
use callfield_sip::agent::{Agent, Identity, Input, Output};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Alarm;
use crate::events::Event;
use crate::session::shared::Shared;
use crate::transport::api::RemoteCallState;
use crate::transport::{Api, Endpoint};

use calls::LiveCall;
use media::MediaChange;
use wire::{Wire, WireEvent};

const COMMANDS_MAX: usize = 256;

/// What the session wants of the loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// There is a new account.
    Enrolled,
    /// A push named a call.
    Woken {
        /// The call.
        call: CallId,
        /// The node that parked it, as the push named it.
        node: String,
    },
    /// The app came to the foreground or left it.
    Foreground(bool),
    /// The network was switched or is another.
    NetworkChanged,
    /// The user calls somebody.
    Dial {
        /// The call, entered into the journal already.
        call: CallId,
        /// The number as it is dialled.
        number: String,
    },
    /// The user answers.
    Answer(CallId),
    /// The user declines.
    Decline(CallId),
    /// The user ends a call.
    HangUp(CallId),
    /// The user passes the far end of a call on to a number.
    Transfer(CallId, String),
    /// The user holds a call, or resumes it.
    Hold {
        /// The call.
        call: CallId,
        /// Whether it is held.
        is_holding: bool,
    },
    /// The user turns from the call that is talked on to the one that is held.
    Swap,
    /// The SDP of a change is made, or cannot be.
    ChangeMade(CallId, Option<Bytes>),
    /// The server said how a call stands; `None` if it could not be asked.
    StateKnown(CallId, Option<RemoteCallState>),
    /// The SDP answer is made, or cannot be.
    SdpMade(CallId, Option<Bytes>),
    /// The SDP offer of a call that this phone begins is made, or cannot be.
    OfferMade(CallId, Option<Bytes>),
    /// The call is connected and cannot have audio: an answer or keys that cannot be used.
    AudioFailed(CallId),
    /// The audio of a call stopped and its device is closed, or it never started.
    AudioOver,
}

/// Starts the loop; it ends with `stop`.
pub(crate) fn start(shared: Arc<Shared>, stop: CancellationToken) -> mpsc::Sender<Command> {
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let (to_loop, wire_events) = mpsc::channel(COMMANDS_MAX);
    // Weak, so that the loop's own answers do not keep its channel open.
    let own = commands.downgrade();
    let event_loop = EventLoop {
        shared,
        own,
        to_loop,
        line: None,
        wire: None,
        generation: 0,
        wires: 0,
        calls: BTreeMap::new(),
        is_foreground: false,
        audios: 0,
        is_asleep: true,
    };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = event_loop.run(received, wire_events) => {}
        }
    });
    commands
}

struct EventLoop {
    shared: Arc<Shared>,
    own: mpsc::WeakSender<Command>,
    to_loop: mpsc::Sender<(u64, WireEvent)>,
    line: Option<Line>,
    wire: Option<Wire>,
    generation: u64,
    /// Connections that are opening, open, or sending their last frames.
    wires: u32,
    calls: BTreeMap<CallId, LiveCall>,
    is_foreground: bool,
    /// Calls whose audio holds a socket, and its device once the two ends agree.
    audios: u32,
    is_asleep: bool,
}

/// The agent of the account and where it connects to.
struct Line {
    agent: Agent,
    api: Api,
    node: Endpoint,
}

impl EventLoop {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut wire_events: mpsc::Receiver<(u64, WireEvent)>) {
        self.begin_line();
        let mut alarm = Alarm::new(&self.shared.clock);
        loop {
            self.drain();
            let deadline = self.deadline();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => {
                        self.catch_up();
                        self.obey(command);
                    }
                    None => return,
                },
                Some((generation, event)) = wire_events.recv() => self.hear(generation, event),
                () = alarm.until(deadline) => self.catch_up(),
            }
        }
    }

    fn begin_line(&mut self) {
        let shared = &self.shared;
        let Ok(account) = shared.account() else { return };
        let Ok(install) = shared.write(|tx, random| tx.install(shared.clock.now(), random)) else { return };
        let Ok(api) = shared.api() else { return };
        let identity = Identity { domain: account.sip_domain, user: account.user, device: install.device };
        let agent = match Agent::new(&identity, shared.seed(), shared.clock.now()) {
            Ok(agent) => agent,
            Err(error) => return tracing::error!(%error, "the account's SIP domain cannot be used"),
        };
        self.wire = None;
        self.line = Some(Line { agent, node: api.server.clone(), api });
    }

    fn deadline(&self) -> Option<Timestamp> {
        let (deadline, _why) = self.line.as_ref()?.agent.poll_timeout()?;
        Some(deadline)
    }

    /// Does what is due. The phone may have slept over deadlines: they come before whatever woke it.
    fn catch_up(&mut self) {
        let now = self.shared.clock.now();
        if self.deadline().is_some_and(|deadline| deadline <= now)
            && let Some(line) = &mut self.line
        {
            line.agent.handle_timeout(now);
            self.drain();
        }
    }

    fn feed(&mut self, input: Input) {
        let now = self.shared.clock.now();
        if let Some(line) = &mut self.line {
            line.agent.handle(now, input);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Enrolled => self.begin_line(),
            Command::Woken { call, node } => {
                if let Some(line) = &mut self.line {
                    line.node = line.api.server.node(&node);
                }
                self.expect(call);
                self.feed(Input::Register { call: Some(call) });
            }
            Command::Foreground(is_foreground) => {
                self.is_foreground = is_foreground;
                if is_foreground {
                    self.feed(Input::Register { call: None });
                } else {
                    self.feed(Input::Sleep);
                }
            }
            Command::NetworkChanged => self.change_network(),
            Command::Answer(call) => self.feed(Input::Answer { call }),
            Command::Dial { call, number } => self.dial(call, number),
            Command::Decline(call) => self.stop(call, true),
            Command::HangUp(call) => self.stop(call, false),
            Command::Hold { call, is_holding: true } => self.feed(Input::Hold { call }),
            Command::Hold { call, is_holding: false } => self.feed(Input::Resume { call }),
            Command::Transfer(call, to) => self.feed(Input::Transfer { call, to }),
            Command::Swap => self.feed(Input::Swap),
            Command::ChangeMade(call, sdp) => self.feed(Input::ChangeMade { call, sdp }),
            Command::StateKnown(call, state) => {
                self.shared.tell(Event::StateAsked { call, state });
                self.feed(Input::StateKnown { call, state: state.map(calls::woken_state) });
            }
            Command::SdpMade(call, sdp) => self.feed(Input::AnswerSdp { call, sdp }),
            Command::OfferMade(call, sdp) => self.call_with(call, sdp),
            Command::AudioFailed(call) => self.give_up(call),
            Command::AudioOver => self.audios = self.audios.saturating_sub(1),
        }
    }

    /// A new network replaces the connection only where one is wanted.
    fn change_network(&mut self) {
        let is_wanted = self.is_foreground || !self.calls.is_empty();
        if self.shared.network.is_on() && is_wanted {
            self.feed(Input::NetworkChanged);
        }
    }

    fn hear(&mut self, generation: u64, event: WireEvent) {
        self.wires -= u32::from(matches!(event, WireEvent::Closed));
        if generation != self.generation {
            return;
        }
        match event {
            WireEvent::Opened => {
                self.shared.tell(Event::Connected);
                self.feed(Input::Connected);
            }
            WireEvent::Received(frame) => self.feed(Input::Received(frame)),
            WireEvent::Closed => {
                self.wire = None;
                self.feed(Input::Disconnected);
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.line.as_mut().and_then(|line| line.agent.poll_output()) {
            self.carry_out(output);
        }
        let is_asleep = self.wires == 0 && self.calls.is_empty() && self.audios == 0 && !self.is_foreground;
        if is_asleep && !self.is_asleep {
            self.shared.tell(Event::Asleep);
        }
        self.is_asleep = is_asleep;
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect => self.connect(),
            Output::Disconnect => {
                self.generation += 1;
                self.wire = None;
            }
            Output::Transmit(frame) => self.transmit(frame),
            Output::Registered { until: _ } => self.shared.tell(Event::Registered),
            Output::RegistrationFailed { status, retry_at: _ } => self.shared.tell(Event::NotRegistered { status }),
            Output::Incoming { call, from, name, is_waiting } => self.ring(call, (from, name), is_waiting),
            Output::AnswerWanted { call, offer } => self.make_sdp(call, offer),
            Output::RemoteRinging { call } => self.shared.tell(Event::RemoteRinging { call }),
            Output::RemoteAnswered { call, sdp } => self.take_answer(call, sdp),
            Output::Established { call } => self.establish(call),
            Output::ChangeWanted { call, offer, is_holding } => {
                self.change(call, MediaChange::Wanted { offer, is_holding });
            }
            Output::ChangeAnswered { call, answer } => self.change(call, MediaChange::Answered(answer)),
            Output::TransferChanged { call, step } => self.shared.tell(endings::transfer(call, step)),
            Output::AskState { call } => self.ask_state(call),
            Output::Ended { call, reason } => self.end(call, reason),
        }
    }

    fn connect(&mut self) {
        let Some(line) = &self.line else { return };
        self.generation += 1;
        self.wires += 1;
        let (api, node) = (line.api.clone(), line.node.clone());
        self.wire = Some(Wire::open(api, node, self.generation, self.to_loop.clone()));
    }

    fn transmit(&mut self, frame: Bytes) {
        let is_behind = self.wire.as_ref().is_some_and(|wire| !wire.send(frame));
        if is_behind {
            // The server does not read: as good as a lost connection.
            self.generation += 1;
            self.wire = None;
            self.feed(Input::Disconnected);
        }
    }
}

/// Answers to the loop's own questions; lost once the session is dropped.
async fn tell(own: &mpsc::WeakSender<Command>, command: Command) {
    if let Some(own) = own.upgrade() {
        let _ = own.send(command).await;
    }
}
