//! The phone's registration: one contact with its instance, refreshed before it runs out.

use std::time::Duration;

use callfield_domain::{CallId, Random, Timestamp};

use super::{Identity, Why};
use crate::extension::CALL_HEADER;
use crate::message::{Message, Method, NameAddr, RequestBuilder, Via};
use crate::uri::Uri;

/// How long the phone asks to be registered.
const EXPIRES_S: u32 = 3_600;
/// The shortest time that a registration is kept before its refresh.
const SHORTEST: Duration = Duration::from_secs(5);

/// The addresses of this phone, the same for all its messages.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) domain: Uri,
    pub(super) user: NameAddr,
    /// `<sip:<device>@<random>.invalid;transport=ws>` (RFC 7118 §5.1).
    pub(super) contact: NameAddr,
    sent_by: String,
    instance: String,
}

impl Address {
    /// The addresses; `None` if the domain cannot be one.
    pub(super) fn new(identity: &Identity, random: &mut Random) -> Option<Self> {
        let sent_by = format!("{}.invalid", random.token(12));
        let user = Uri::sip(Some(&identity.user.to_string()), &identity.domain, None).ok()?;
        let contact = Uri::sip(Some(&identity.device.to_string()), &sent_by, None).ok()?;
        Some(Self {
            domain: Uri::sip(None, &identity.domain, None).ok()?,
            user: NameAddr::new(None, &user),
            contact: NameAddr::new(None, &contact.with_param("transport", Some("ws"))),
            instance: format!("\"<urn:uuid:{}>\"", identity.device),
            sent_by,
        })
    }

    /// A new Via and its branch.
    pub(super) fn via(&self, random: &mut Random) -> (String, String) {
        let branch = format!("{}{}", Via::MAGIC_COOKIE, random.token(16));
        (format!("SIP/2.0/WSS {};branch={branch};rport", self.sent_by), branch)
    }
}

/// The phone's registration.
#[derive(Debug)]
pub(super) struct Registration {
    call_id: String,
    tag: String,
    cseq: u32,
    /// The branch of the REGISTER that is not answered.
    pending: Option<String>,
    refresh_at: Option<Timestamp>,
    is_registered: bool,
}

/// What came of a REGISTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registered {
    /// The edge knows the phone; `is_new` if it did not on this connection.
    Until { at: Timestamp, is_new: bool },
    /// The edge refused.
    Refused(u16),
}

impl Registration {
    pub(super) fn new(random: &mut Random) -> Self {
        let (call_id, tag) = (random.token(24), random.token(12));
        Self { call_id, tag, cseq: 0, pending: None, refresh_at: None, is_registered: false }
    }

    pub(super) const fn is_registered(&self) -> bool {
        self.is_registered
    }

    /// Notes that the connection of the registration is gone.
    pub(super) fn lose(&mut self) {
        self.pending = None;
        self.refresh_at = None;
        self.is_registered = false;
    }

    /// The next REGISTER; it names the calls that the phone knows, so that it learns how they stand.
    pub(super) fn register(&mut self, address: &Address, calls: &[CallId], random: &mut Random) -> Message {
        self.cseq += 1;
        self.refresh_at = None;
        let (via, branch) = address.via(random);
        self.pending = Some(branch);
        let contact = format!("{};+sip.instance={};reg-id=1", address.contact, address.instance);
        let request = RequestBuilder::new(Method::Register, &address.domain)
            .header("Via", via)
            .from(&address.user.with_tag(&self.tag))
            .to(&address.user)
            .call_id(&self.call_id)
            .cseq(self.cseq)
            .header("Contact", contact)
            .header("Expires", EXPIRES_S)
            .header("Supported", "outbound, path");
        calls.iter().fold(request, |request, call| request.header(CALL_HEADER, call)).build()
    }

    /// Takes in a response if it is the one that is waited for.
    pub(super) fn take_in(&mut self, now: Timestamp, response: &Message, random: &mut Random) -> Option<Registered> {
        let status = response.status().filter(|status| *status >= 200)?;
        let via = response.top_via()?;
        self.pending.take_if(|branch| via.branch() == Some(branch))?;
        if status >= 300 {
            self.is_registered = false;
            return Some(Registered::Refused(status));
        }
        let granted = Duration::from_secs(u64::from(granted_s(response)));
        // Between 80 and 90 percent of the time, so that phones that registered together do not refresh together.
        let margin = u64::try_from(granted.as_millis() / 10).unwrap_or(0);
        let refresh = granted.saturating_sub(Duration::from_millis(margin + random.below(margin + 1)));
        self.refresh_at = Some(now + refresh.max(SHORTEST));
        let is_new = !std::mem::replace(&mut self.is_registered, true);
        Some(Registered::Until { at: now + granted, is_new })
    }

    pub(super) fn poll_timeout(&self) -> Option<(Timestamp, Why)> {
        self.refresh_at.map(|at| (at, Why::Refresh))
    }
}

/// How long the edge keeps the contact, in seconds.
fn granted_s(response: &Message) -> u32 {
    let of_contact = response.contacts().find_map(|contact| contact.param("expires")?.parse().ok());
    of_contact.or_else(|| response.expires()).unwrap_or(EXPIRES_S)
}
