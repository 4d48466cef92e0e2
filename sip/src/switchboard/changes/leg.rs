//! One leg whose session was changed: what was asked and answered on it, in SIP.

use std::collections::BTreeMap;

use callfield_domain::Timestamp;

use super::Arrival;
use crate::message::{Message, Method};
use crate::session::Session;
use crate::transaction::ClientId;

/// How many requests of the other end are remembered, in case one comes again over another connection.
const MEMORY: usize = 4;

/// The session of a leg with its SIP.
pub(super) struct Leg {
    pub(super) session: Session,
    /// Requests of the other end, by CSeq.
    pub(super) asked: BTreeMap<u32, Asked>,
    /// The last request of the edge's own.
    pub(super) sent: Option<Sent>,
    /// The last ACK of the edge's own.
    pub(super) ack: Option<Message>,
}

/// A request of the other end.
pub(super) struct Asked {
    pub(super) arrival: Arrival,
    pub(super) request: Message,
    /// What it was answered last.
    pub(super) answer: Option<Message>,
}

/// A request of the edge's own.
pub(super) struct Sent {
    pub(super) request: Message,
    /// Its transaction with a trunk.
    pub(super) client: Option<ClientId>,
    /// Whether the final answer came.
    pub(super) is_answered: bool,
    /// Whether it was sent again with a proof: a second refusal is the last word.
    pub(super) has_proved: bool,
    /// When a phone that is there has been silent for too long; a trunk and a desk phone have transactions.
    pub(super) silent_at: Option<Timestamp>,
    /// Whether it was given up because of that.
    pub(super) is_given_up: bool,
}

impl Sent {
    pub(super) const fn new(request: Message, client: Option<ClientId>) -> Self {
        Self { request, client, is_answered: false, has_proved: false, silent_at: None, is_given_up: false }
    }
}

impl Leg {
    pub(super) const fn new(session: Session) -> Self {
        Self { session, asked: BTreeMap::new(), sent: None, ack: None }
    }

    /// Notes a request of the other end.
    pub(super) fn note_asked(&mut self, arrival: Arrival, request: &Message) {
        let asked = Asked { arrival, request: request.detached(), answer: None };
        self.asked.insert(request.cseq().number, asked);
        if self.asked.len() > MEMORY {
            self.asked.pop_first();
        }
    }

    /// When the device has been silent for too long.
    pub(super) fn silent_at(&self) -> Option<Timestamp> {
        self.sent.as_ref().filter(|sent| !sent.is_answered).and_then(|sent| sent.silent_at)
    }

    /// Whether a response is to the last request of the edge's own.
    pub(super) fn has_asked(&self, response: &Message) -> bool {
        self.sent.as_ref().is_some_and(|sent| sent.request.cseq() == response.cseq()) || self.is_acknowledged(response)
    }

    /// Whether a response is a 2xx that was acknowledged before.
    pub(super) fn is_acknowledged(&self, response: &Message) -> bool {
        let number = self.ack.as_ref().map(|ack| ack.cseq().number);
        response.method() == &Method::Invite && number == Some(response.cseq().number)
    }
}
