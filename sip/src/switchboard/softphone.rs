//! Foreign softphones that want to be woken (RFC 8599): what their REGISTER offers is kept by the shell before it is
//! answered, and shows that they sleep. What is kept outlives the registration.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::{CallId, DeviceId, Timestamp};

use super::bindings::Binding;
use super::push_offer::{Installation, PushOffer, PushProvider, PushWish};
use super::registrar::{Wish, version_of};
use super::trunk::flow_of;
use super::{Account, Output, Switchboard};
use crate::message::{Message, NameAddr};
use crate::transaction::{Flow as Hop, Input as Layer, ServerId};

/// The most REGISTERs that may wait until what they offer is kept; one more is answered 503.
const WAITING_MAX: usize = 4_096;

/// What the shell says to a [`PushOffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushVerdict {
    /// It is kept, or forgotten, as was wanted.
    Kept,
    /// No sender is configured for this app: 555.
    Unsupported,
    /// It could not be kept: 503.
    Unavailable,
}

/// The Call-ID of the INVITE to a foreign softphone: its push names it, so that the two are one call on the screen.
pub fn softphone_call_id(call: CallId, device: DeviceId) -> String {
    format!("{call}-{device}")
}

/// REGISTERs whose offer is being kept.
#[derive(Default)]
pub(super) struct Offers {
    waiting: BTreeMap<ServerId, Waiting>,
}

struct Waiting {
    flow: Hop,
    account: Account,
    request: Message,
    offer: Option<PushOffer>,
}

impl Offers {
    /// Forgets a request that is over.
    pub(super) fn forget(&mut self, id: ServerId) {
        self.waiting.remove(&id);
    }
}

impl Switchboard {
    /// A desk phone registers a contact: what it says about pushes is settled first.
    pub(super) fn admit_desk(
        &mut self,
        now: Timestamp,
        (id, flow): (ServerId, Hop),
        account: &Account,
        request: &Message,
        contact: &NameAddr,
    ) {
        let refused = match PushWish::of(contact) {
            // It was woken so far, and wants that no more.
            PushWish::Nothing if knows(account, contact) => {
                return self.keep_offer(now, (id, flow), account, request, None);
            }
            PushWish::Nothing | PushWish::Query(None) => {
                return self.bind_desk(now, (id, flow), account, request, None);
            }
            PushWish::Query(Some(provider)) if self.supports(provider) => {
                return self.bind_desk(now, (id, flow), account, request, None);
            }
            PushWish::Offer(offer) if self.supports(offer.provider) => {
                return self.keep_offer(now, (id, flow), account, request, Some(*offer));
            }
            PushWish::Offer(_) | PushWish::Query(Some(_)) | PushWish::Unsupported => 555,
            PushWish::Unusable => 400,
        };
        self.count(if refused == 555 { "push_unsupported" } else { "register_refused" });
        self.respond(now, id, request, refused);
    }

    /// A desk phone goes: it is not woken any more either, if it is the installation that would be.
    pub(super) fn dismiss_desk(
        &mut self,
        now: Timestamp,
        (id, flow): (ServerId, Hop),
        account: &Account,
        request: &Message,
    ) {
        let goes = request.has_contact_star() || request.contacts().any(|contact| knows(account, &contact));
        if account.push.is_some() && goes {
            return self.keep_offer(now, (id, flow), account, request, None);
        }
        self.unbind_desk(now, id, account, request);
    }

    /// Has what a softphone offers kept, or forgotten; at once if it is what is kept already.
    fn keep_offer(
        &mut self,
        now: Timestamp,
        (id, flow): (ServerId, Hop),
        account: &Account,
        request: &Message,
        offer: Option<PushOffer>,
    ) {
        let device = account.identity.device;
        let bound = self.bindings.binding(device).and_then(|binding| binding.push.as_ref());
        if offer.is_some() && bound == offer.as_ref() && account.push.is_some() {
            return self.bind_desk(now, (id, flow), account, request, offer);
        }
        if self.offers.waiting.len() >= WAITING_MAX {
            self.count("flooded");
            return self.respond(now, id, request, 503);
        }
        self.logins.forget_account(&account.user);
        let (identity, request) = (account.identity, request.detached());
        let waiting = Waiting { flow, account: account.clone(), request, offer: offer.clone() };
        self.offers.waiting.insert(id, waiting);
        self.outputs.push_back(Output::PushOffered { login: id, identity, offer });
    }

    /// The shell has kept or forgotten what a softphone offered.
    pub(super) fn settle_offer(&mut self, now: Timestamp, id: ServerId, verdict: PushVerdict) {
        let Some(Waiting { flow, account, request, offer }) = self.offers.waiting.remove(&id) else { return };
        // A login while it was stored may have been let in as it was before.
        self.logins.forget_account(&account.user);
        let status = match verdict {
            PushVerdict::Kept => match self.desk_wish(&account, &request) {
                Wish::Bind { .. } => return self.bind_desk(now, (id, flow), &account, &request, offer),
                Wish::Overtaken => 500,
                Wish::Ask | Wish::Unbind | Wish::Stranger | Wish::Unusable | Wish::TooBrief => {
                    return self.unbind_desk(now, id, &account, &request);
                }
            },
            PushVerdict::Unsupported => 555,
            PushVerdict::Unavailable => 503,
        };
        self.count(if status == 555 { "push_unsupported" } else { "register_refused" });
        self.respond(now, id, &request, status);
    }

    fn bind_desk(
        &mut self,
        now: Timestamp,
        (id, flow): (ServerId, Hop),
        account: &Account,
        request: &Message,
        push: Option<PushOffer>,
    ) {
        let Wish::Bind { contact, expires_s } = self.desk_wish(account, request) else { return };
        let (identity, expires_at) = (account.identity, now + Duration::from_secs(u64::from(expires_s)));
        self.watch_binding(now, identity, expires_at, push.as_ref());
        let bound = self.bindings.bind(Binding {
            identity,
            flow: flow_of(flow),
            desk: Some(account.user.clone()),
            contact: contact.uri_text().to_owned(),
            version: version_of(request),
            expires_at,
            push,
        });
        self.confirm_desk(now, id, identity.device, request);
        self.release_to_desk(now, identity, bound);
    }

    fn unbind_desk(&mut self, now: Timestamp, id: ServerId, account: &Account, request: &Message) {
        let device = account.identity.device;
        self.bindings.unbind(device);
        self.stop_refreshing(device);
        self.confirm_desk(now, id, device, request);
    }

    pub(super) fn confirm_desk(&mut self, now: Timestamp, id: ServerId, device: DeviceId, request: &Message) {
        let mut start = request.response(200, "OK").to_tag(&self.random.token(16));
        if let Some(binding) = self.bindings.binding(device) {
            let left_s = binding.expires_at.since(now).as_secs();
            start = start.header("Contact", format!("<{}>;expires={left_s}", binding.contact));
        }
        for capability in self.capabilities(request) {
            start = start.header("Feature-Caps", capability);
        }
        self.transactions.handle(now, Layer::Respond { id, response: start.build() });
    }

    /// Which services a softphone that asked may be woken by (RFC 8599 §5.2), and when one that can refresh its registration by
    /// itself has to (§5.5).
    fn capabilities(&self, request: &Message) -> Vec<String> {
        let Some(contact) = request.contacts().next() else { return Vec::new() };
        let providers = match PushWish::of(&contact) {
            PushWish::Query(None) => self.settings.push_providers.clone(),
            PushWish::Query(Some(provider)) => vec![provider],
            PushWish::Offer(offer) => vec![offer.provider],
            PushWish::Nothing | PushWish::Unsupported | PushWish::Unusable => return Vec::new(),
        };
        let own = contact.params().has("+sip.pnsreg").then(|| self.self_refresh(request)).flatten();
        let own = own.map_or_else(String::new, |seconds| format!(";+sip.pnsreg=\"{seconds}\""));
        providers.iter().map(|provider| format!("*;+sip.pns=\"{}\"{own}", provider.name())).collect()
    }

    fn supports(&self, provider: PushProvider) -> bool {
        self.settings.push_providers.contains(&provider)
    }
}

/// Whether this contact is of the installation that is woken so far.
fn knows(account: &Account, contact: &NameAddr) -> bool {
    account.push.as_ref().is_some_and(|known| *known == Installation::of(contact))
}
