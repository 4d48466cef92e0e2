//! The streams between phones and the edge: how they open, carry, break and are noticed to be broken.

use bytes::Bytes;
use callfield_sip::agent::Input as AgentInput;
use callfield_sip::switchboard::{ConnectionId, Flow, Input, Peer, Transport};

use super::{Event, World};
use crate::link::Way;
use crate::schedule::ms;

/// The longest it takes an end to notice that its stream is gone, if nothing is sent over it.
const NOTICE_MS: u64 = 60_000;

impl World {
    /// The phone wants a new stream in place of any other.
    pub(super) fn open_stream(&mut self, phone: usize) {
        self.abandon_stream(phone);
        let breaks = self.random.chance(self.weather.breaks);
        let broken_at = if breaks { Some(self.soon(1_000, 120_000)) } else { None };
        let stream = self.streams.open(phone, broken_at);
        self.phones[phone].stream = Some(stream);
        let at = self.soon(20, 20 + self.weather.delay_ms);
        if self.random.chance(self.weather.refused) {
            let at = if self.random.chance(50) { at } else { self.now + ms(130_000) };
            self.streams.break_at(stream, self.now);
            return self.schedule.at(at, Event::Refused { phone, stream });
        }
        self.schedule.at(at, Event::Accepted { stream });
        if let Some(broken_at) = broken_at {
            self.let_both_notice(phone, stream, broken_at);
        }
    }

    /// The phone lets its stream go: the edge sees it close, sooner or later.
    pub(super) fn abandon_stream(&mut self, phone: usize) {
        let Some(stream) = self.phones[phone].stream.take() else { return };
        self.streams.close_after_sent(stream, self.now);
        let at = if self.random.chance(70) { self.soon(2_000, 4_000) } else { self.soon(4_000, NOTICE_MS) };
        self.schedule.at(at, Event::EdgeLoses { stream });
    }

    /// The network goes: nothing gets through any more, and nobody is told.
    pub(super) fn cut_stream(&mut self, phone: usize) {
        let Some(stream) = self.phones[phone].stream else { return };
        self.streams.break_at(stream, self.now);
        self.let_both_notice(phone, stream, self.now);
    }

    fn let_both_notice(&mut self, phone: usize, stream: u64, broken_at: callfield_domain::Timestamp) {
        let at = broken_at + ms(self.random.below(NOTICE_MS));
        self.schedule.at(at, Event::EdgeLoses { stream });
        // A phone that listens only may never be told; its keep-alive has to find out.
        if self.random.chance(60) {
            let at = broken_at + ms(self.random.below(NOTICE_MS));
            self.schedule.at(at, Event::PhoneLoses { phone, stream });
        }
    }

    pub(super) fn accept_stream(&mut self, stream: u64) {
        let Some(found) = self.streams.stream(stream) else { return };
        let phone = found.phone;
        if found.broken_at.is_some_and(|broken_at| broken_at <= self.now) || self.phones[phone].stream != Some(stream) {
            return;
        }
        found.is_open_at_edge = true;
        let peer = Peer::Device(self.phones[phone].device);
        self.tell_edge(Input::ConnectionOpened { connection: ConnectionId(stream), peer, transport: Transport::Wss });
        let at = self.soon(1, 1 + self.weather.delay_ms / 2);
        self.schedule.at(at, Event::Connected { phone, stream });
    }

    pub(super) fn connect_phone(&mut self, phone: usize, stream: u64) {
        if self.phones[phone].stream == Some(stream) {
            self.trace.add(self.now, format!("phone {phone}"), "is connected");
            self.tell_phone(phone, AgentInput::Connected);
        }
    }

    pub(super) fn disconnect_phone(&mut self, phone: usize, stream: u64) {
        if self.phones[phone].stream == Some(stream) {
            self.trace.add(self.now, format!("phone {phone}"), "lost its connection");
            self.phones[phone].stream = None;
            self.tell_phone(phone, AgentInput::Disconnected);
        }
    }

    pub(super) fn lose_at_edge(&mut self, stream: u64) {
        let now = self.now;
        let Some(found) = self.streams.stream(stream).filter(|stream| stream.is_open_at_edge) else { return };
        found.is_open_at_edge = false;
        found.broken_at = Some(found.broken_at.map_or(now, |at| at.min(now)));
        self.tell_edge(Input::ConnectionClosed { connection: ConnectionId(stream) });
    }

    pub(super) fn close_from_edge(&mut self, stream: u64) {
        self.schedule.at(self.now, Event::EdgeLoses { stream });
        let Some(phone) = self.streams.stream(stream).map(|stream| stream.phone) else { return };
        let at = self.soon(5, 5 + self.weather.delay_ms);
        self.schedule.at(at, Event::PhoneLoses { phone, stream });
    }

    pub(super) fn carry_to_phone(&mut self, stream: u64, phone: usize, bytes: Bytes) {
        let at = self.streams.carry(stream, Way::ToPhone, self.now, &self.weather, &mut self.random);
        if let Some(at) = at {
            self.schedule.at(at, Event::Phone { phone, stream, bytes });
        }
    }

    pub(super) fn carry_to_edge(&mut self, phone: usize, bytes: Bytes) {
        let Some(stream) = self.phones[phone].stream else { return };
        let at = self.streams.carry(stream, Way::ToEdge, self.now, &self.weather, &mut self.random);
        if let Some(at) = at {
            let flow = Flow::Stream(ConnectionId(stream));
            self.schedule.at(at, Event::Edge(Input::Received { flow, bytes }));
        }
    }

    pub(super) fn deliver_to_phone(&mut self, phone: usize, stream: u64, bytes: Bytes) {
        if self.phones[phone].stream == Some(stream) {
            self.tell_phone(phone, AgentInput::Received(bytes));
        }
    }

    /// Whether a CANCEL sent now would reach the phone.
    pub(super) fn is_reachable(&mut self, phone: usize) -> bool {
        let (now, stream) = (self.now, self.phones[phone].stream);
        let agent_listens = self.phones[phone].agent.is_registered() && self.phones[phone].suspended_until <= now;
        let found = stream.and_then(|stream| self.streams.stream(stream));
        agent_listens
            && found
                .is_some_and(|found| found.is_open_at_edge && found.broken_at.is_none_or(|broken_at| broken_at > now))
    }
}
