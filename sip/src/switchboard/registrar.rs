//! REGISTER from devices (RFC 3261 §10.3, RFC 5626): the connection says who it is, the message must agree.

use std::time::Duration;

use callfield_domain::{CallId, Timestamp};

use super::bindings::{Binding, Bound};
use super::call::Event;
use super::{ConnectionId, DeviceIdentity, Flow, Output, Party, Switchboard};
use crate::extension::{STATE_HEADER, calls_of, state_value};
use crate::message::{Message, NameAddr};

/// The shortest registration; a shorter wish is answered 423.
pub(super) const SHORTEST_S: u32 = 10;

/// What a REGISTER asks for.
pub(super) enum Wish {
    /// Tell what is registered.
    Ask,
    /// Register this contact.
    Bind { contact: NameAddr, expires_s: u32 },
    /// Forget the device.
    Unbind,
    /// It does not agree with its connection: 403.
    Stranger,
    /// Its contact cannot be one: 400.
    Unusable,
    /// It would run out too soon: 423.
    TooBrief,
    /// A later one came by another connection: 500.
    Overtaken,
}

impl Switchboard {
    pub(super) fn take_register(
        &mut self,
        now: Timestamp,
        connection: ConnectionId,
        identity: DeviceIdentity,
        request: &Message,
    ) {
        let refused = match self.wish_of(identity, request) {
            Wish::Ask => return self.confirm(now, connection, identity, request),
            Wish::Bind { contact, expires_s } => {
                let expires_at = now + Duration::from_secs(u64::from(expires_s));
                let (contact, version) = (contact.uri_text().to_owned(), version_of(request));
                let flow = Flow::Stream(connection);
                let desk = None;
                let bound =
                    self.bindings.bind(Binding { identity, flow, desk, contact, version, expires_at, push: None });
                self.confirm(now, connection, identity, request);
                return self.follow_up(now, identity, bound, &calls_of(request));
            }
            Wish::Unbind => {
                self.bindings.unbind(identity.device);
                return self.confirm(now, connection, identity, request);
            }
            Wish::Stranger => 403,
            Wish::Unusable => 400,
            Wish::TooBrief => 423,
            Wish::Overtaken => 500,
        };
        self.count("register_refused");
        self.answer_device(connection, request, refused);
    }

    fn wish_of(&self, identity: DeviceIdentity, request: &Message) -> Wish {
        let is_own = request.to().uri().is_ok_and(|uri| {
            let user = uri.user_decoded().unwrap_or_default();
            user.eq_ignore_ascii_case(&identity.user.to_string())
                && uri.host().eq_ignore_ascii_case(&self.settings.domain)
        });
        if !is_own {
            return Wish::Stranger;
        }
        if self.bindings.is_overtaken(identity.device, &version_of(request)) {
            return Wish::Overtaken;
        }
        if request.has_contact_star() {
            return if request.expires() == Some(0) { Wish::Unbind } else { Wish::Unusable };
        }
        let mut contacts = request.contacts();
        match (contacts.next(), contacts.next()) {
            (Some(contact), None) => self.wish_for(identity, request, &contact),
            (None, _) => Wish::Ask,
            (Some(_), Some(_)) => Wish::Unusable,
        }
    }

    fn wish_for(&self, identity: DeviceIdentity, request: &Message, contact: &NameAddr) -> Wish {
        let instance = format!("<urn:uuid:{}>", identity.device);
        let is_own =
            contact.params().unquoted("+sip.instance").is_some_and(|text| text.eq_ignore_ascii_case(&instance));
        if !is_own {
            return Wish::Stranger;
        }
        Wish::of(request, contact, self.settings.binding_lifetime)
    }

    /// 200 with what is registered, and with how the calls stand that the device knows of.
    fn confirm(&mut self, now: Timestamp, connection: ConnectionId, identity: DeviceIdentity, request: &Message) {
        let mut start = request.response(200, "OK").to_tag(&self.random.token(16));
        if let Some(binding) = self.bindings.binding(identity.device) {
            let left_s = binding.expires_at.since(now).as_secs();
            let instance = format!("\"<urn:uuid:{}>\"", identity.device);
            let contact = format!("<{}>;+sip.instance={instance};reg-id=1;expires={left_s}", binding.contact);
            start = start.header("Contact", contact);
        }
        for call in calls_of(request) {
            start = start.header(STATE_HEADER, state_value(call, self.state_for(identity, call)));
        }
        let response = start.header("Supported", "outbound").build();
        self.transmit(connection, &response);
    }

    /// The calls that ring the user of a device, or the device.
    pub(super) fn calls_for(&self, identity: DeviceIdentity) -> Vec<CallId> {
        let parties = [Party::User(identity.tenant, identity.user), Party::Device(identity.device)];
        let mut calls: Vec<CallId> =
            parties.iter().filter_map(|party| self.calls_of.get(party)).flatten().copied().collect();
        calls.sort();
        calls.dedup();
        calls
    }

    /// Sends what the device has missed, then releases the calls that wait for it. A refresh releases nothing.
    ///
    /// A phone names every call it knows: one that it talked on and does not name was lost with a killed app.
    fn follow_up(&mut self, now: Timestamp, identity: DeviceIdentity, bound: Bound, named: &[CallId]) {
        match bound {
            Bound::Refreshed => return,
            Bound::Moved { from: Flow::Stream(connection) } => {
                self.outputs.push_back(Output::CloseConnection { connection });
            }
            Bound::Moved { from: Flow::Udp(_) } | Bound::Fresh => {}
        }
        let device = identity.device;
        self.resume_outbound(now, device, named);
        for call in self.inner.calls_of(device) {
            let missed = self.inner.leg(device, call).map(|leg| leg.unanswered());
            for bytes in missed.unwrap_or_default() {
                self.transmit_to(device, Some(bytes));
            }
        }
        self.resume_changes(device);
        self.resume_transfers(device);
        for call in self.calls_for(identity) {
            let is_own = self.calls.get(&call).is_some_and(|live| live.is_on(device));
            let event = if is_own && !named.contains(&call) { Event::Forgotten } else { Event::Registered };
            self.tell(now, call, event(device));
        }
    }
}

impl Wish {
    /// What a REGISTER asks for one contact.
    pub(super) fn of(request: &Message, contact: &NameAddr, longest: Duration) -> Self {
        let longest = u32::try_from(longest.as_secs()).unwrap_or(u32::MAX);
        let wanted = contact.param("expires").and_then(|seconds| seconds.parse().ok()).or_else(|| request.expires());
        match wanted.unwrap_or(longest) {
            0 => Self::Unbind,
            brief if brief < SHORTEST_S => Self::TooBrief,
            wanted => Self::Bind { contact: contact.detached(), expires_s: wanted.min(longest) },
        }
    }
}

pub(super) fn version_of(register: &Message) -> (String, u32) {
    (register.call_id().to_owned(), register.cseq().number)
}
