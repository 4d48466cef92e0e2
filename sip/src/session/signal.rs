//! What two ends of an INVITE usage say to each other, reduced to what a [`Session`](super::Session) decides on.

use bytes::Bytes;

use crate::message::{Message, Method, RAck, Refresher, RequestBuilder, ResponseBuilder, SessionExpires};

/// A request that may carry an offer or an answer, other than ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// INVITE, the first one or a re-INVITE.
    Invite,
    /// UPDATE (RFC 3311).
    Update,
    /// PRACK (RFC 3262).
    Prack,
}

impl Verb {
    /// The verb of a method; `None` if it changes no session.
    pub fn of(method: &Method) -> Option<Self> {
        [Self::Invite, Self::Update, Self::Prack].into_iter().find(|verb| verb.method() == *method)
    }

    /// Its method.
    pub const fn method(self) -> Method {
        match self {
            Self::Invite => Method::Invite,
            Self::Update => Method::Update,
            Self::Prack => Method::Prack,
        }
    }
}

/// What a message says about session timers (RFC 4028).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimerWords {
    /// Session-Expires.
    pub expires: Option<SessionExpires>,
    /// Min-SE, in seconds.
    pub min_s: Option<u32>,
    /// Whether its sender supports them.
    pub is_supported: bool,
}

impl TimerWords {
    /// What `message` says.
    pub fn of(message: &Message) -> Self {
        let is_supported = message.lists("Supported", "timer") || message.lists("Require", "timer");
        Self { expires: message.session_expires(), min_s: message.min_se(), is_supported }
    }

    /// The headers of a request.
    #[must_use]
    pub fn on_request(&self, start: RequestBuilder) -> RequestBuilder {
        let start = if self.is_supported { start.header("Supported", "timer") } else { start };
        let start = self.expires.iter().fold(start, |start, expires| start.header("Session-Expires", expires));
        self.min_s.iter().fold(start, |start, min_s| start.header("Min-SE", min_s))
    }

    /// The headers of a response.
    #[must_use]
    pub fn on_response(&self, start: ResponseBuilder) -> ResponseBuilder {
        let start = if self.is_supported { start.header("Supported", "timer") } else { start };
        let is_required = self.expires.is_some_and(|expires| expires.refresher == Some(Refresher::Uac));
        let start = if is_required { start.header("Require", "timer") } else { start };
        let start = self.expires.iter().fold(start, |start, expires| start.header("Session-Expires", expires));
        self.min_s.iter().fold(start, |start, min_s| start.header("Min-SE", min_s))
    }
}

/// A reliable 1xx that a PRACK acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its RSeq.
    pub rseq: u32,
    /// The CSeq of its INVITE; `None` in a request of this end, whose owner knows it.
    pub invite: Option<u32>,
}

/// A request of either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it is.
    pub verb: Verb,
    /// Its SDP.
    pub sdp: Option<Bytes>,
    /// What it says about session timers.
    pub timer: TimerWords,
    /// Which answer a PRACK acknowledges.
    pub rack: Option<Acknowledged>,
    /// Whether its sender understands reliable answers (`100rel`).
    pub is_reliable: bool,
    /// Whether its sender takes UPDATE; `None` if it does not say what it takes.
    pub allows_update: Option<bool>,
}

impl Request {
    /// A request of this end.
    pub(super) const fn new(verb: Verb, sdp: Option<Bytes>, timer: TimerWords) -> Self {
        Self { verb, sdp, timer, rack: None, is_reliable: true, allows_update: Some(true) }
    }

    /// What `message` says; `None` if it changes no session.
    pub fn of(message: &Message) -> Option<Self> {
        let rack = message.rack().filter(|rack: &RAck| rack.cseq.method == Method::Invite);
        Some(Self {
            verb: Verb::of(message.method())?,
            sdp: sdp_of(message),
            timer: TimerWords::of(message),
            rack: rack.map(|rack| Acknowledged { rseq: rack.rseq, invite: Some(rack.cseq.number) }),
            is_reliable: message.lists("Supported", "100rel") || message.lists("Require", "100rel"),
            allows_update: allows_update(message),
        })
    }
}

/// An answer to a request of either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The SIP status.
    pub status: u16,
    /// Its SDP.
    pub sdp: Option<Bytes>,
    /// What it says about session timers.
    pub timer: TimerWords,
    /// The number of a reliable 1xx.
    pub rseq: Option<u32>,
    /// After how many seconds the request may be repeated.
    pub retry_after_s: Option<u32>,
    /// Whether its sender takes UPDATE; `None` if it does not say what it takes.
    pub allows_update: Option<bool>,
}

impl Response {
    /// What `message` says; a request says nothing.
    pub fn of(message: &Message) -> Option<Self> {
        let status = message.status()?;
        let is_reliable = message.lists("Require", "100rel") && (101..200).contains(&status);
        Some(Self {
            status,
            sdp: sdp_of(message),
            timer: TimerWords::of(message),
            rseq: message.rseq().filter(|_| is_reliable),
            retry_after_s: message.retry_after(),
            allows_update: allows_update(message),
        })
    }

    /// An answer that says nothing but its status.
    pub fn new(status: u16) -> Self {
        let timer = TimerWords::default();
        Self { status, sdp: None, timer, rseq: None, retry_after_s: None, allows_update: None }
    }
}

fn sdp_of(message: &Message) -> Option<Bytes> {
    Some(message.body()).filter(|body| !body.is_empty() && message.has_content_type("application/sdp"))
}

fn allows_update(message: &Message) -> Option<bool> {
    message.header("Allow").map(|_| message.lists("Allow", "UPDATE"))
}
