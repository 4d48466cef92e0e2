//! What comes from trunks: new calls, and what happens in their dialogs. Desk phones come by the same sockets.

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

use super::call::{Call, Event};
use super::caller::{Parties, called_in_to, parties_of};
use super::changes::Arrival;
use super::outer::{OuterLeg, SUPPORTED, name_of, reason, with_hints};
use super::{Alarm, ConnectionId, Flow, Output, Peer, RouteQuestion, Settings, Side, Switchboard, Transport};
use crate::message::{DropReason, Frame, Message, Method, NameAddr, Verdict, parse};
use crate::session::Terms;
use crate::transaction::{ClientId, Ended, Flow as Hop, Input as Layer, Output as Layered, ServerId};
use crate::uri::Scheme;

impl Switchboard {
    /// Takes in a datagram, or a stretch of a stream.
    pub(super) fn receive_from_trunk(&mut self, now: Timestamp, flow: Flow, bytes: Bytes) {
        match flow {
            Flow::Udp(_) if bytes.as_ref() == b"\r\n\r\n" => self.answer_ping(flow),
            Flow::Udp(source) => self.receive_verdict(now, Hop::Udp(source), parse(bytes)),
            Flow::Stream(connection) => {
                if let Some(open) = self.connections.get_mut(&connection) {
                    open.decoder.push(&bytes);
                }
                self.take_frames(now, connection);
            }
        }
    }

    /// Takes in all that is complete. Keep-alives in a row get one answer with as many line ends (RFC 5626 §4.4.1): a
    /// stretch can hold a thousand of them.
    fn take_frames(&mut self, now: Timestamp, connection: ConnectionId) {
        let mut pings = 0;
        while let Some(frame) = self.next_frame(connection) {
            match frame {
                Frame::Ping => pings += 1,
                Frame::Pong => {}
                Frame::Message(_) | Frame::Broken(_) => {
                    self.answer_pings(connection, std::mem::take(&mut pings));
                    self.take_frame(now, connection, frame);
                }
            }
        }
        self.answer_pings(connection, pings);
    }

    fn answer_pings(&mut self, connection: ConnectionId, pings: usize) {
        if pings > 0 {
            let bytes = Bytes::from(b"\r\n".repeat(pings));
            self.outputs.push_back(Output::Transmit { flow: Flow::Stream(connection), bytes });
        }
    }

    fn next_frame(&mut self, connection: ConnectionId) -> Option<Frame> {
        self.connections.get_mut(&connection)?.decoder.next_frame()
    }

    fn take_frame(&mut self, now: Timestamp, connection: ConnectionId, frame: Frame) {
        match frame {
            Frame::Message(Verdict::Drop(_)) => {
                self.received += 1;
                self.count("unreadable");
            }
            Frame::Message(verdict) => self.receive_verdict(now, self.hop_of(connection), verdict),
            Frame::Ping | Frame::Pong => {}
            Frame::Broken(_) => {
                self.count("broken_stream");
                // Without its decoder's frames the stream says nothing more; the shell closes it.
                self.close(now, connection);
                self.outputs.push_back(Output::CloseConnection { connection });
            }
        }
    }

    fn receive_verdict(&mut self, now: Timestamp, flow: Hop, verdict: Verdict) {
        self.received += u64::from(!matches!(verdict, Verdict::Drop(DropReason::KeepAlive)));
        match &verdict {
            Verdict::Ok(_) => {}
            Verdict::Answerable(..) => self.count("malformed"),
            Verdict::Drop(DropReason::KeepAlive) => return,
            Verdict::Drop(_) => return self.count("dropped"),
        }
        self.transactions.handle(now, Layer::Received { flow, verdict });
        self.drain_transactions(now);
    }

    pub(super) fn lose_trunk(&mut self, now: Timestamp, flow: Hop) {
        self.transactions.handle(now, Layer::FlowFailed { flow });
    }

    /// Lets the transaction layer say all it has to say.
    pub(super) fn drain_transactions(&mut self, now: Timestamp) {
        while let Some(output) = self.transactions.poll_output() {
            match output {
                Layered::Transmit { flow, bytes } => {
                    self.outputs.push_back(Output::Transmit { flow: flow_of(flow), bytes });
                }
                Layered::Request { id, flow, request } => self.take_request(now, id, flow, &request),
                Layered::Ack { request, .. } => self.take_ack(now, &request),
                Layered::Cancelled { id, .. } => self.take_cancel(now, id),
                Layered::Response { id, response, .. } => {
                    let is_final = response.status().is_some_and(|status| status >= 200);
                    let is_known = self.take_change_response(now, id, &response)
                        || self.take_far_response(now, id, &response)
                        || self.take_registration_answer(now, id, &response)
                        || self.take_desk_response(now, id, &response);
                    if !is_known && is_final {
                        self.finish_bye(id);
                    }
                }
                Layered::Stray { response, .. } => self.take_stray_answer(now, &response),
                Layered::ClientEnded { id, ended } => {
                    let is_known = self.end_change_request(now, id, ended)
                        || self.end_far_request(now, id, ended)
                        || self.end_registration_request(now, id, ended)
                        || self.end_desk_request(now, id, ended);
                    if !is_known {
                        self.finish_bye(id);
                    }
                }
                Layered::ServerEnded { id, ended } => self.end_server(now, id, ended),
            }
        }
    }

    fn take_request(&mut self, now: Timestamp, id: ServerId, flow: Hop, request: &Message) {
        match request.method() {
            Method::Invite if request.to().tag().is_none() => self.take_invite(now, id, flow, request),
            Method::Invite | Method::Update => self.take_change(now, id, request),
            Method::Bye => self.take_bye(now, id, request),
            Method::Info => {
                let leg = self.leg_of(request);
                self.take_info(now, leg, Arrival::Transaction(id), request);
            }
            Method::Options => self.respond(now, id, request, 200),
            Method::Register => self.authenticate(now, id, flow, request),
            Method::Cancel => self.respond(now, id, request, 481),
            Method::Refer => self.take_trunk_refer(now, id, flow, request),
            Method::Ack
            | Method::Prack
            | Method::Subscribe
            | Method::Notify
            | Method::Message
            | Method::Publish
            | Method::Other(_) => self.respond(now, id, request, 405),
        }
    }

    fn take_invite(&mut self, now: Timestamp, id: ServerId, flow: Hop, invite: &Message) {
        if self.is_from_desk(flow, invite) {
            return self.authenticate(now, id, flow, invite);
        }
        if let Some(status) = self.reason_to_refuse(invite) {
            return self.respond(now, id, invite, status);
        }
        let (tag, contact) = (self.random.token(16), self.contact_for(flow, invite));
        let terms = Terms::new(self.settings.session_timer());
        let leg = OuterLeg::new(flow, id, invite, tag, contact, terms);
        let (Some(leg), Some(source)) = (leg, self.source_of(flow)) else {
            self.count("no_contact");
            return self.respond(now, id, invite, 400);
        };
        let (call, mut parties) = (CallId::new(now, &mut self.random), parties_of(invite));
        let registration = self.registrations.called(&parties.to, source);
        if registration.is_some() {
            parties.to = called_in_to(invite);
        }
        self.outer_by_name.insert(leg.name(), call);
        self.outer_by_server.insert(id, call);
        let trying = leg.progress(100);
        self.outer.insert(call, leg);
        self.calls.insert(call, Call::new(call, &parties.from, &parties.to, &self.settings, now));
        if let Some(response) = trying {
            self.transactions.handle(now, Layer::Respond { id, response });
        }
        self.act(now, call);
        let Parties { from, from_name, to } = parties;
        let question = RouteQuestion { call, source, registration, from, from_name, to };
        self.outputs.push_back(Output::RouteWanted(question));
    }

    fn reason_to_refuse(&mut self, invite: &Message) -> Option<u16> {
        let status = if self.outer_by_name.contains_key(&name_of(invite)) {
            // The same INVITE by another way (RFC 3261 §8.2.2.2).
            482
        } else if invite.unsupported(SUPPORTED).next().is_some() {
            420
        } else if !invite.body().is_empty() && !invite.has_content_type("application/sdp") {
            415
        } else if Terms::new(self.settings.session_timer()).judge(invite).is_err() {
            422
        } else if self.live_calls() >= self.settings.max_calls {
            503
        } else {
            return None;
        };
        self.count(match status {
            482 => "merged",
            420 => "extension",
            415 => "media_type",
            422 => "interval",
            _ => "flooded",
        });
        Some(status)
    }

    /// A trunk or a desk phone changes the session of its leg.
    fn take_change(&mut self, now: Timestamp, id: ServerId, request: &Message) {
        match self.leg_of(request) {
            Some(key) => self.take_leg_change(now, key, Arrival::Transaction(id), request),
            None => self.respond(now, id, request, 481),
        }
    }

    fn take_bye(&mut self, now: Timestamp, id: ServerId, bye: &Message) {
        let is_taken = self.take_far_bye(now, id, bye)
            || self.take_desk_bye(now, id, bye)
            || self.take_desk_origin_bye(now, id, bye);
        if is_taken {
            return;
        }
        let Some(call) = self.dialog_of(bye) else { return self.respond(now, id, bye, 481) };
        let Some(leg) = self.outer.get_mut(&call) else { return };
        leg.note_hang_up();
        if !self.calls.contains_key(&call) {
            return self.respond(now, id, bye, 200);
        }
        leg.unanswered.push((id, bye.detached()));
        self.tell(now, call, Event::CallerHungUp);
        self.settle_outer(call);
    }

    fn take_ack(&mut self, now: Timestamp, ack: &Message) {
        let far = self.outbound.call_of_far(ack).map(|call| self.side_of_far(call));
        let outer = || self.outer_by_name.get(&name_of(ack)).map(|call| (*call, Side::Outside));
        let Some(key) = far.or_else(outer) else { return self.take_desk_ack(now, ack) };
        let call = key.0;
        if self.take_change_ack(now, key, ack) {
            return;
        }
        let Some(acknowledged) = self.outer.get_mut(&call).and_then(|leg| leg.acknowledge(ack)) else { return };
        if let Some(sdp) = acknowledged.sdp {
            self.outputs.push_back(Output::CallerAccepted { call, sdp });
        }
        if let Some(bye) = acknowledged.bye {
            self.send_bye(now, call, bye);
        }
        self.note_confirmed(now, key);
        self.settle_outer(call);
    }

    fn take_cancel(&mut self, now: Timestamp, id: ServerId) {
        match self.outer_by_server.get(&id).copied() {
            Some(call) => self.tell(now, call, Event::CallerCancelled),
            None => self.cancel_desk_invite(now, id),
        }
    }

    /// An INVITE that ended without a final answer of ours has lost its caller.
    fn end_server(&mut self, now: Timestamp, id: ServerId, ended: Ended) {
        self.logins.forget(id);
        self.offers.forget(id);
        let is_lost = matches!(ended, Ended::FlowFailed | Ended::Timeout);
        if is_lost {
            self.cancel_desk_invite(now, id);
        }
        let Some(call) = self.outer_by_server.remove(&id) else { return };
        if is_lost {
            self.tell(now, call, Event::CallerCancelled);
        }
    }

    fn finish_bye(&mut self, id: ClientId) {
        let Some(call) = self.outer_by_bye.remove(&id) else { return };
        if let Some(leg) = self.outer.get_mut(&call) {
            leg.note_bye_done();
        }
        self.settle_outer(call);
    }

    /// Sends the 200 again, or gives the caller up.
    pub(super) fn repeat_answer(&mut self, now: Timestamp, call: CallId) {
        let Some(leg) = self.outer.get_mut(&call) else { return };
        match leg.repeat(now) {
            Ok(Some((id, response))) => self.transactions.handle(now, Layer::Respond { id, response }),
            Ok(None) => {}
            Err(bye) => {
                if let Some(bye) = bye {
                    self.send_bye(now, call, bye);
                }
                self.tell(now, call, Event::CallerLost);
            }
        }
        self.settle_outer(call);
    }

    pub(super) fn send_bye(&mut self, now: Timestamp, call: CallId, request: Message) {
        let Some(flow) = self.outer.get(&call).map(OuterLeg::reach) else { return };
        let id = self.new_client();
        self.outer_by_bye.insert(id, call);
        self.transactions.handle(now, Layer::Request { id, flow, request });
    }

    /// Sets the deadline of a caller's leg, and lets the leg go when its call is gone and nothing is owed.
    pub(super) fn settle_outer(&mut self, call: CallId) {
        let Some(leg) = self.outer.get(&call) else { return };
        self.agenda.set(Alarm::Outer(call), leg.poll_timeout(call));
        if leg.is_busy() || self.calls.contains_key(&call) {
            return;
        }
        self.outer_by_name.remove(&leg.name());
        self.outer_by_server.remove(&leg.server);
        self.outer.remove(&call);
    }

    /// The call whose dialog a request belongs to.
    pub(super) fn dialog_of(&mut self, request: &Message) -> Option<CallId> {
        let call = *self.outer_by_name.get(&name_of(request))?;
        self.outer.get_mut(&call)?.dialog().take_in(request).ok().map(|()| call)
    }

    pub(super) fn respond(&mut self, now: Timestamp, id: ServerId, request: &Message, status: u16) {
        self.count_answer(status);
        let start = request.response(status, reason(status)).to_tag(&self.random.token(16));
        let response = with_hints(start, request, status).build();
        self.transactions.handle(now, Layer::Respond { id, response });
    }

    /// Where a flow is for transactions.
    pub(super) fn hop_to(&self, flow: Flow) -> Hop {
        match flow {
            Flow::Udp(peer) => Hop::Udp(peer),
            Flow::Stream(connection) => self.hop_of(connection),
        }
    }

    /// Where an INVITE's sender reaches the edge: sips for who asked for sips (RFC 3261 §12.1.1).
    pub(super) fn contact_for(&self, flow: Hop, invite: &Message) -> String {
        match flow {
            Hop::Connection { transport: Transport::Tls, .. } if wants_sips(invite) => {
                format!("sips:edge@{}", self.settings.tls_address)
            }
            Hop::Udp(_) | Hop::Connection { .. } => self.contact_at(flow),
        }
    }

    /// Where the edge is reached from the other end of a flow.
    pub(super) fn contact_at(&self, flow: Hop) -> String {
        let Settings { udp_address, tcp_address, tls_address, .. } = &self.settings;
        match flow {
            Hop::Udp(_) => format!("sip:edge@{udp_address}"),
            Hop::Connection { transport: Transport::Tls, .. } => format!("sip:edge@{tls_address};transport=tls"),
            Hop::Connection { .. } => format!("sip:edge@{tcp_address};transport=tcp"),
        }
    }

    /// How the transaction layer knows a stream.
    pub(super) fn hop_of(&self, connection: ConnectionId) -> Hop {
        let transport = self.connections.get(&connection).map_or(Transport::Tcp, |open| open.transport);
        Hop::Connection { id: connection.0, transport }
    }

    fn source_of(&self, flow: Hop) -> Option<std::net::SocketAddr> {
        match flow {
            Hop::Udp(source) => Some(source),
            Hop::Connection { id, .. } => match self.connections.get(&ConnectionId(id))?.peer {
                Peer::Trunk(source) => Some(source),
                Peer::Device(_) => None,
            },
        }
    }
}

/// Whether the dialog that an INVITE begins is one of sips: by its target, or by who asks to be reached so.
fn wants_sips(invite: &Message) -> bool {
    let is_sips = |address: NameAddr| address.uri().is_ok_and(|uri| uri.scheme() == Scheme::Sips);
    let target = invite.request_uri().is_some_and(|uri| uri.scheme() == Scheme::Sips);
    let sender = invite.addresses("Record-Route").next().or_else(|| invite.contacts().next());
    target || sender.is_some_and(is_sips)
}

pub(super) const fn flow_of(hop: Hop) -> Flow {
    match hop {
        Hop::Udp(peer) => Flow::Udp(peer),
        Hop::Connection { id, .. } => Flow::Stream(ConnectionId(id)),
    }
}
