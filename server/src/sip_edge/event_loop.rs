//! The one thread of control of the edge: every socket, every answer and every deadline goes through here.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callfield_domain::{CallId, Milestone, TenantId, TimelineEvent};
use callfield_sip::switchboard::{Flow, Input, Output, Peer, RouteQuestion, Switchboard, Wake};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::journal::{Entry, Journal};
use super::latency::Latencies;
use super::route;
use super::streams::{StreamEvent, Streams};
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

/// Calls whose tenant is remembered; more than the switchboard lets live at once.
const CALLS_REMEMBERED_MAX: usize = 40_000;

/// What the loop waits for besides its sockets.
pub(super) struct Inboxes {
    pub(super) commands: mpsc::Receiver<EdgeCommand>,
    pub(super) answers: mpsc::Receiver<Input>,
    pub(super) streams: mpsc::Receiver<StreamEvent>,
}

/// The edge at work.
pub(super) struct EventLoop {
    pub(super) app: App,
    pub(super) switchboard: Switchboard,
    pub(super) udp: Option<Arc<UdpSocket>>,
    pub(super) streams: Streams,
    pub(super) media: MediaRelays,
    pub(super) journal: Journal,
    pub(super) answers: mpsc::Sender<Input>,
    pub(super) latencies: Latencies,
    /// Whose call it is, of the newest calls: steps of a timeline still come after its end.
    pub(super) tenants: BTreeMap<CallId, TenantId>,
    /// What happened to calls whose tenant is not known yet.
    pub(super) early: BTreeMap<CallId, Vec<TimelineEvent>>,
}

impl EventLoop {
    /// Serves until `stop`.
    pub(super) async fn run(mut self, mut inboxes: Inboxes, tcp: Option<TcpListener>, stop: CancellationToken) {
        let udp = self.udp.clone();
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let mut gauges = tokio::time::interval(GAUGES_EVERY);
        loop {
            let timeout = self.until_deadline();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(command) = inboxes.commands.recv() => self.command(command),
                Some(answer) = inboxes.answers.recv() => self.feed(answer),
                Some(event) = inboxes.streams.recv() => self.stream_event(event),
                Some(Ok(())) = readable(udp.as_deref()) => self.datagrams(&mut datagram),
                Some(Ok((stream, from))) = accept(tcp.as_ref()) => self.accepted(stream, from),
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
            EdgeCommand::Connected { identity, received, to_device } => {
                let peer = Peer::Device(identity);
                let connection = self.streams.open_device(peer, received, to_device);
                self.feed(Input::ConnectionOpened { connection, peer });
            }
            EdgeCommand::CallState { identity, call, reply } => {
                let state = self.switchboard.woken_call_state(self.app.now(), identity, call);
                // A device that no longer waits for the answer asks again.
                let _ = reply.send(state);
                self.drain(Instant::now());
            }
            EdgeCommand::WakeReported(report) => {
                if report.result == WakeResult::Sent {
                    self.latencies.push_sent(report.call);
                }
                self.feed(Input::WakeReported(report));
            }
        }
    }

    fn stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Received(connection, bytes) => self.received(Flow::Stream(connection), bytes),
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
            self.received(Flow::Udp(from), Bytes::copy_from_slice(&buffer[..length]));
        }
    }

    fn accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        if let Some(connection) = self.streams.open_trunk(stream, from) {
            self.feed(Input::ConnectionOpened { connection, peer: Peer::Trunk(from) });
        }
    }

    fn received(&mut self, flow: Flow, bytes: Bytes) {
        metrics::counter!("callfield_sip_received_total").increment(1);
        self.feed(Input::Received { flow, bytes });
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

    fn perform(&mut self, output: Output, came_in: Instant) -> Option<Input> {
        match output {
            Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
            Output::CloseConnection { connection } => self.streams.close(connection),
            Output::RouteWanted(question) => self.ask_route(question, came_in),
            Output::BranchOfferWanted { call, device, caller_sdp } => {
                let sdp = self.media.offer_device(call, device, caller_sdp.as_deref());
                return Some(Input::BranchOffered { call, device, sdp });
            }
            Output::AnswerWanted { call, device, device_sdp } => {
                let sdp = self.media.join(call, device, &device_sdp);
                return Some(Input::CallerAnswer { call, sdp });
            }
            Output::CallerAccepted { call, sdp } => self.media.caller_accepted(call, &sdp),
            Output::MediaEnded { call } => self.media.end(call),
            Output::Wake(wake) => self.wake(wake),
            Output::Persist(facts) => {
                self.know_tenant(facts.id, facts.tenant);
                self.latencies.ended(facts.id);
                self.journal.put(Entry::Facts { facts, last: true });
            }
            Output::CallChanged(facts) => {
                self.know_tenant(facts.id, facts.tenant);
                self.journal.put(Entry::Facts { facts, last: false });
            }
            Output::Timeline { call, event } => self.timeline(call, event, came_in),
        }
        None
    }

    fn transmit(&self, flow: Flow, bytes: Bytes) {
        metrics::counter!("callfield_sip_sent_total").increment(1);
        match flow {
            Flow::Stream(connection) => self.streams.send(connection, bytes),
            Flow::Udp(to) => {
                // A datagram that does not fit into the socket's buffer is lost, as on any link: it is sent again.
                if let Some(udp) = &self.udp
                    && udp.try_send_to(&bytes, to).is_err()
                {
                    metrics::counter!("callfield_sip_unsent_total").increment(1);
                }
            }
        }
    }

    fn ask_route(&mut self, question: RouteQuestion, came_in: Instant) {
        self.latencies.invited(question.call, came_in);
        let (app, answers) = (self.app.clone(), self.answers.clone());
        tokio::spawn(async move {
            let decision = route::decide(&app, &question).await;
            let _ = answers.send(Input::Routed { call: question.call, decision }).await;
        });
    }

    fn wake(&mut self, wake: Wake) {
        let (call, device) = (wake.call, wake.device);
        if self.app.wakes.try_send(wake).is_err() {
            tracing::error!(%call, %device, "push is not taking wakes");
            metrics::counter!("callfield_wakes_lost_total").increment(1);
        }
    }

    fn timeline(&mut self, call: CallId, event: TimelineEvent, came_in: Instant) {
        match (event.milestone, event.device) {
            (Milestone::Registered, Some(device)) => self.latencies.registered(device, came_in),
            (Milestone::InviteForwarded, Some(device)) => self.latencies.invite_forwarded(device),
            _ => {}
        }
        match self.tenants.get(&call) {
            Some(&tenant) => self.journal.put(Entry::Event { tenant, call, event }),
            None => {
                self.early.entry(call).or_default().push(event);
                forget_oldest(&mut self.early);
            }
        }
    }

    fn know_tenant(&mut self, call: CallId, tenant: TenantId) {
        self.tenants.insert(call, tenant);
        forget_oldest(&mut self.tenants);
        for event in self.early.remove(&call).unwrap_or_default() {
            self.journal.put(Entry::Event { tenant, call, event });
        }
    }

    fn publish_gauges(&self) {
        metrics::gauge!("callfield_calls_live").set(self.switchboard.live_calls() as f64);
        metrics::gauge!("callfield_sip_streams_open").set(self.streams.count() as f64);
        for (reason, count) in self.switchboard.refusals() {
            metrics::counter!("callfield_sip_refused_total", "reason" => reason).absolute(count);
        }
    }
}

/// Call ids are ordered by time, so the first is the oldest.
fn forget_oldest<T>(calls: &mut BTreeMap<CallId, T>) {
    if calls.len() > CALLS_REMEMBERED_MAX {
        calls.pop_first();
    }
}

async fn readable(socket: Option<&UdpSocket>) -> Option<std::io::Result<()>> {
    match socket {
        Some(socket) => Some(socket.readable().await),
        None => std::future::pending().await,
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<std::io::Result<(TcpStream, SocketAddr)>> {
    match listener {
        Some(listener) => Some(listener.accept().await),
        None => std::future::pending().await,
    }
}
