//! The one thread of control of the edge: every socket, every answer and every deadline goes through here.

mod effects;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callfield_sip::switchboard::{Flow, Input, Peer, Switchboard, Transport};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::callback;
use super::journal::Journal;
use super::known_calls::KnownCalls;
use super::latency::Latencies;
use super::parked::Parked;
use super::sockets::Arrival;
use super::strangers::Strangers;
use super::streams::{StreamEvent, Streams, refused};
use crate::app::App;
use crate::app::edge_port::EdgeCommand;
use crate::app::wake_port::WakeResult;
use crate::media_relay::MediaRelays;

/// Datagrams taken in before other work has its turn.
const DATAGRAMS_AT_ONCE: usize = 64;
/// The largest datagram UDP carries.
const DATAGRAM_BYTES_MAX: usize = 65_535;
/// How often the gauges are brought up to date.
const GAUGES_EVERY: Duration = Duration::from_secs(1);

/// What the loop waits for besides its sockets.
pub(super) struct Inboxes {
    pub(super) commands: mpsc::Receiver<EdgeCommand>,
    pub(super) answers: mpsc::Receiver<Input>,
    pub(super) streams: mpsc::Receiver<StreamEvent>,
    pub(super) arrivals: mpsc::Receiver<Arrival>,
}

/// The edge at work.
pub(super) struct EventLoop {
    pub(super) app: App,
    pub(super) switchboard: Switchboard,
    pub(super) udp: Option<Arc<UdpSocket>>,
    pub(super) streams: Streams,
    pub(super) strangers: Strangers,
    pub(super) media: MediaRelays,
    pub(super) journal: Journal,
    pub(super) answers: mpsc::Sender<Input>,
    pub(super) latencies: Latencies,
    pub(super) parked: Parked,
    pub(super) known: KnownCalls,
    pub(super) callbacks: callback::Waiting,
    /// Who waits to hear whether there was a call to end.
    pub(super) ending: Option<oneshot::Sender<bool>>,
}

impl EventLoop {
    /// Serves until `stop`.
    pub(super) async fn run(mut self, mut inboxes: Inboxes, stop: CancellationToken) {
        let udp = self.udp.clone();
        // A socket that is new on this thread takes nothing until the thread has heard that it does.
        if let Some(udp) = &udp {
            let _ = udp.writable().await;
        }
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let mut gauges = tokio::time::interval(GAUGES_EVERY);
        loop {
            let timeout = self.until_deadline();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(command) = inboxes.commands.recv() => self.command(command),
                Some(answer) = inboxes.answers.recv() => self.answered(answer),
                Some(event) = inboxes.streams.recv() => self.stream_event(event),
                Some(Ok(())) = readable(udp.as_deref()) => self.datagrams(&mut datagram),
                Some(arrival) = inboxes.arrivals.recv() => self.accepted(arrival),
                () = tokio::time::sleep(timeout) => self.due(),
                _ = gauges.tick() => self.publish_gauges(),
            }
        }
    }

    fn until_deadline(&self) -> Duration {
        let now = self.app.now();
        self.switchboard.poll_timeout().map_or(GAUGES_EVERY, |(at, _)| at.since(now))
    }

    fn command(&mut self, command: EdgeCommand) {
        match command {
            EdgeCommand::Connected { identity, received, to_device, waiting } => {
                let peer = Peer::Device(identity);
                let connection = self.streams.open_device(peer, received, to_device, waiting);
                self.feed(Input::ConnectionOpened { connection, peer, transport: Transport::Wss });
            }
            EdgeCommand::CallState { identity, call, reply } => {
                let state = self.switchboard.woken_call_state(self.app.now(), identity, call);
                // A device that no longer waits for the answer asks again.
                let _ = reply.send(state);
                self.drain(Instant::now());
            }
            EdgeCommand::CallBack { ask, reply } => self.prepare_callback(ask, reply),
            EdgeCommand::EndCallback { call, tenant, user, reply } => {
                self.ending = Some(reply);
                self.feed(Input::EndCallback { call, tenant, user });
            }
            EdgeCommand::DeviceRevoked(device) => self.feed(Input::DeviceRevoked { device }),
            EdgeCommand::WakeReported(report) => {
                if report.result == WakeResult::Sent {
                    self.latencies.push_sent(report.call);
                }
                self.feed(Input::WakeReported(report));
            }
        }
    }

    fn answered(&mut self, answer: Input) {
        let mut ended = None;
        if let Input::OutboundRouted { call, decision } = &answer {
            ended = self.decided(*call, decision);
        }
        self.feed(answer);
        ended.into_iter().for_each(|ended| self.feed(ended));
    }

    fn stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Received { connection, bytes, turn } => {
                let source = self.streams.source_of(connection);
                if source.is_some_and(|source| !self.strangers.admits(source, Instant::now())) {
                    refused("flood");
                    return self.streams.close(connection);
                }
                self.feed(Input::Received { flow: Flow::Stream(connection), bytes });
                drop(turn);
            }
            StreamEvent::Closed(connection) => {
                if self.streams.forget(connection) {
                    self.feed(Input::ConnectionClosed { connection });
                }
            }
        }
    }

    fn datagrams(&mut self, buffer: &mut [u8]) {
        let Some(udp) = self.udp.clone() else { return };
        for _ in 0..DATAGRAMS_AT_ONCE {
            // An error is either "nothing more" or an ICMP answer to something sent: both are no datagram.
            let Ok((length, from)) = udp.try_recv_from(buffer) else { return };
            if !self.strangers.admits(from.ip(), Instant::now()) {
                refused("flood");
                continue;
            }
            self.feed(Input::Received { flow: Flow::Udp(from), bytes: Bytes::copy_from_slice(&buffer[..length]) });
        }
    }

    fn accepted(&mut self, arrival: Arrival) {
        let (peer, transport) = (Peer::Trunk(arrival.from), arrival.transport());
        if let Some(connection) = self.streams.open_trunk(arrival) {
            self.feed(Input::ConnectionOpened { connection, peer, transport });
        }
    }

    fn due(&mut self) {
        let now = self.app.now();
        if self.switchboard.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.switchboard.handle_timeout(now);
            self.drain(Instant::now());
        }
    }

    /// One mutation, then drained.
    fn feed(&mut self, input: Input) {
        let came_in = Instant::now();
        self.switchboard.handle(self.app.now(), input);
        self.drain(came_in);
    }

    /// Does what the switchboard wants; what can be answered at once is one further mutation each.
    fn drain(&mut self, came_in: Instant) {
        let mut ready = VecDeque::new();
        loop {
            while let Some(output) = self.switchboard.poll_output() {
                ready.extend(self.perform(output, came_in));
            }
            let Some(answer) = ready.pop_front() else { return };
            self.switchboard.handle(self.app.now(), answer);
        }
    }

    fn publish_gauges(&self) {
        metrics::gauge!("callfield_calls_live").set(self.switchboard.live_calls() as f64);
        metrics::gauge!("callfield_sip_streams_open").set(self.streams.count() as f64);
        metrics::counter!("callfield_sip_received_total").absolute(self.switchboard.received());
        for (reason, count) in self.switchboard.refusals() {
            metrics::counter!("callfield_sip_refused_total", "reason" => reason).absolute(count);
        }
    }
}

async fn readable(socket: Option<&UdpSocket>) -> Option<std::io::Result<()>> {
    match socket {
        Some(socket) => Some(socket.readable().await),
        None => std::future::pending().await,
    }
}
