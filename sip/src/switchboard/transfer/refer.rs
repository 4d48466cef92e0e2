//! What asks for a transfer: a REFER, and what is wrong with it.

use callfield_domain::{CallId, Timestamp};

use super::{Passing, Stage, Transfer};
use crate::message::{Message, Method};
use crate::switchboard::changes::{Arrival, Key};
use crate::switchboard::outer::{SUPPORTED, reason};
use crate::switchboard::{Account, ConnectionId, DeviceIdentity, OutboundQuestion, Output, Switchboard};
use crate::transaction::{Flow as Hop, Input as Layer, ServerId};
use crate::uri::Scheme;

impl Switchboard {
    /// Takes in a REFER of a phone.
    pub(in crate::switchboard) fn take_device_refer(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        identity: DeviceIdentity,
        refer: &Message,
    ) {
        let arrival = Arrival::Connection(connection);
        match self.device_leg(identity.device, refer) {
            Some(key) => self.take_refer(now, key, arrival, identity, refer),
            None => self.refuse_outside(now, arrival, refer),
        }
    }

    /// Takes in a REFER that came over no phone's connection: a desk phone proves itself first, trunks may not refer.
    pub(in crate::switchboard) fn take_trunk_refer(
        &mut self,
        now: Timestamp,
        id: ServerId,
        flow: Hop,
        refer: &Message,
    ) {
        if self.desk_leg(refer).is_some() {
            return self.authenticate(now, id, flow, refer);
        }
        if self.far_dialog(refer).is_some() || self.dialog_of(refer).is_some() {
            // Who is outside decides neither whom the company calls nor who pays.
            self.count("refer_from_trunk");
            return self.respond(now, id, refer, 403);
        }
        self.refuse_outside(now, Arrival::Transaction(id), refer);
    }

    /// Takes in a REFER whose sender is proven.
    pub(in crate::switchboard) fn take_desk_refer(
        &mut self,
        now: Timestamp,
        id: ServerId,
        account: &Account,
        refer: &Message,
    ) {
        let arrival = Arrival::Transaction(id);
        match self.desk_leg(refer) {
            Some(key) if self.device_at(key) == Some(account.identity.device) => {
                self.take_refer(now, key, arrival, account.identity, refer);
            }
            Some(_) => {
                self.count("refer_of_another");
                self.refuse_change(now, arrival, refer, 403);
            }
            None => self.refuse_outside(now, arrival, refer),
        }
    }

    fn take_refer(&mut self, now: Timestamp, key: Key, arrival: Arrival, identity: DeviceIdentity, refer: &Message) {
        let cseq = refer.cseq().number;
        if self.transfers.of.get(&key.0).is_some_and(|transfer| transfer.cseq == cseq) {
            // Again, over another connection: the answer may have been lost with the old one.
            return self.accept_refer(now, key, arrival, refer);
        }
        let to = match self.judge_refer(key, refer) {
            Ok(to) => to,
            Err((status, reason)) => {
                self.count(reason);
                return self.refuse_change(now, arrival, refer, status);
            }
        };
        self.accept_refer(now, key, arrival, refer);
        self.begin_transfer(now, key.0, identity, cseq, to);
    }

    /// Whom a REFER wants to be called, or the status and the reason of its refusal.
    fn judge_refer(&self, key: Key, refer: &Message) -> Result<String, (u16, &'static str)> {
        if !self.is_changeable(key) {
            return Err((481, "refer_outside"));
        }
        if self.outbound.is_inside(key.0) || self.outbound.is_part(key.0) {
            return Err((501, "refer_inside"));
        }
        if !self.is_confirmed(key) || self.transfers.calling(key.0).is_some() {
            return Err((491, "refer_pending"));
        }
        if refer.unsupported(SUPPORTED).next().is_some() {
            return Err((420, "extension"));
        }
        if self.live_calls() >= self.settings.max_calls {
            return Err((503, "flooded"));
        }
        whom(refer)
    }

    fn begin_transfer(&mut self, now: Timestamp, call: CallId, device: DeviceIdentity, cseq: u32, to: String) {
        let leg = CallId::new(now, &mut self.random);
        let transfer =
            Transfer { leg, device: device.device, cseq, stage: Stage::Calling, has_left: false, unheard: Vec::new() };
        self.transfers.of.insert(call, transfer);
        self.notify(now, call, 100, false);
        self.tell_passing(now, call, Passing::Asked);
        self.begin_target(now, leg, call, device, &to);
        let question = OutboundQuestion { call: leg, device, to, transfers: Some(call) };
        self.outputs.push_back(Output::OutboundRouteWanted(question));
    }

    fn accept_refer(&mut self, now: Timestamp, key: Key, arrival: Arrival, refer: &Message) {
        let start = refer.response(202, reason(202)).copy("Record-Route").header("Contact", self.contact_of(key));
        let response = start.build();
        match arrival {
            Arrival::Transaction(id) => self.transactions.handle(now, Layer::Respond { id, response }),
            Arrival::Connection(connection) => self.transmit(connection, &response),
        }
    }

    /// A REFER without a call: the edge calls nobody for nothing.
    fn refuse_outside(&mut self, now: Timestamp, arrival: Arrival, refer: &Message) {
        self.count("refer_outside");
        let status = if refer.to().tag().is_some() { 481 } else { 403 };
        self.refuse_change(now, arrival, refer, status);
    }
}

/// The user part of whom a REFER names; like that of an INVITE it is all that counts, whatever its host.
fn whom(refer: &Message) -> Result<String, (u16, &'static str)> {
    let unreadable = (400, "refer_to");
    let target = refer.refer_to().and_then(|target| target.uri().ok()).ok_or(unreadable)?;
    if !matches!(target.scheme(), Scheme::Sip | Scheme::Sips | Scheme::Tel) {
        return Err((416, "refer_to"));
    }
    if target.param("method").is_some_and(|method| Method::of(method) != Method::Invite) {
        return Err(unreadable);
    }
    if target.header("Replaces").is_some() {
        return Err((501, "refer_replaces"));
    }
    target.user_decoded().filter(|user| !user.is_empty()).map(std::borrow::Cow::into_owned).ok_or(unreadable)
}
