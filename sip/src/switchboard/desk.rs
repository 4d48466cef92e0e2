//! Desk phones and foreign softphones: devices without a connection of their own. They register over whatever flow they
//! like, each request of weight proves who sent it, and messages are made reliable by transactions.

use std::time::Duration;

use bytes::Bytes;
use callfield_domain::{DeviceId, Timestamp};

use super::bindings::Bound;
use super::call::Event;
use super::push_offer::PushWish;
use super::registrar::{Wish, version_of};
use super::{Account, DeviceIdentity, Flow, Output, Switchboard};
use crate::message::{Message, NameAddr};
use crate::transaction::{Flow as Hop, ServerId};

impl Switchboard {
    /// Takes in a REGISTER whose sender is proven.
    pub(super) fn take_desk_register(
        &mut self,
        now: Timestamp,
        id: ServerId,
        flow: Hop,
        account: &Account,
        request: &Message,
    ) {
        let refused = match self.desk_wish(account, request) {
            Wish::Ask => return self.confirm_desk(now, id, account.identity.device, request),
            Wish::Bind { contact, .. } => return self.admit_desk(now, (id, flow), account, request, &contact),
            Wish::Unbind => return self.dismiss_desk(now, (id, flow), account, request),
            Wish::Stranger => 403,
            Wish::Unusable => 400,
            Wish::TooBrief => 423,
            Wish::Overtaken => 500,
        };
        self.count("register_refused");
        self.respond(now, id, request, refused);
    }

    /// A device's account is gone: it is not reached any more.
    pub(super) fn revoke(&mut self, now: Timestamp, device: DeviceId) {
        self.logins.revoke(now, device);
        self.stop_refreshing(device);
        let Some(binding) = self.bindings.unbind(device) else { return };
        if let (None, Flow::Stream(connection)) = (&binding.desk, binding.flow) {
            self.outputs.push_back(Output::CloseConnection { connection });
        }
        self.lose_device(now, device);
    }

    /// Answers the keep-alive of a registered desk phone (RFC 5626 §4.4.1, also over UDP), and of nobody else.
    pub(super) fn answer_ping(&mut self, flow: Flow) {
        if !self.bindings.at(flow).is_empty() {
            self.outputs.push_back(Output::Transmit { flow, bytes: Bytes::from_static(b"\r\n") });
        }
    }

    /// What a REGISTER wants. One account is one device with one contact; a contact that goes in the same message is not
    /// counted.
    pub(super) fn desk_wish(&self, account: &Account, request: &Message) -> Wish {
        let is_own = request.to().uri().is_ok_and(|uri| uri.user_decoded().unwrap_or_default() == account.user);
        if !is_own {
            return Wish::Stranger;
        }
        if self.bindings.is_overtaken(account.identity.device, &version_of(request)) {
            return Wish::Overtaken;
        }
        if request.has_contact_star() {
            return if request.expires() == Some(0) { Wish::Unbind } else { Wish::Unusable };
        }
        let contacts: Vec<NameAddr> = request.contacts().collect();
        let mut staying = contacts.iter().filter(|contact| contact.param("expires") != Some("0"));
        match (staying.next(), staying.next()) {
            (Some(contact), None) => Wish::of(request, contact, self.longest_for(contact)),
            (Some(_), Some(_)) => Wish::Unusable,
            (None, _) if contacts.is_empty() => Wish::Ask,
            (None, _) => Wish::Unbind,
        }
    }

    /// One that sleeps and is woken need not keep the way to it open.
    fn longest_for(&self, contact: &NameAddr) -> Duration {
        match PushWish::of(contact) {
            PushWish::Offer(_) => self.settings.binding_lifetime,
            PushWish::Nothing | PushWish::Query(_) | PushWish::Unsupported | PushWish::Unusable => {
                self.settings.desk_lifetime
            }
        }
    }

    /// Releases the calls that wait for a desk phone. A refresh releases nothing, unless the phone was given up where it is.
    pub(super) fn release_to_desk(&mut self, now: Timestamp, identity: DeviceIdentity, bound: Bound) {
        let (device, is_refresh) = (identity.device, bound == Bound::Refreshed);
        if !is_refresh {
            self.resume_desk(now, device);
        }
        self.ring_desk_again(now, device, !is_refresh);
        for call in self.calls_for(identity) {
            let event = if is_refresh { Event::Refreshed } else { Event::Registered };
            self.tell(now, call, event(device));
        }
    }
}
