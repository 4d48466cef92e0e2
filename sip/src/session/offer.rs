//! Offers and answers: at most one offer is open at a time, and each has one message that brings its answer.

use bytes::Bytes;
use callfield_domain::Timestamp;

use super::{End, Output, Session};

/// The open offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// There is none.
    None,
    /// The owner makes one, for this message.
    Making(Carrier),
    /// An offer of this end went out in this message.
    Sent(Carrier),
    /// An offer of the other end came in this message; the owner, or the callee's user, makes the answer.
    Received(Carrier),
}

/// A message that carries an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// An INVITE.
    Invite,
    /// A 2xx to an INVITE.
    Success,
    /// A reliable 1xx, by its RSeq.
    Progress(u32),
    /// A PRACK; of the other end by its CSeq.
    Prack(u32),
    /// An UPDATE; of the other end by its CSeq.
    Update(u32),
}

impl Offer {
    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether this end makes or made it.
    pub(super) const fn is_own(&self) -> bool {
        matches!(self, Self::Making(_) | Self::Sent(_))
    }

    /// The request of the other end, other than INVITE, that waits for the answer.
    pub(super) const fn cseq_owed(&self) -> Option<u32> {
        match self {
            Self::Received(Carrier::Prack(cseq) | Carrier::Update(cseq)) => Some(*cseq),
            Self::None | Self::Making(_) | Self::Sent(_) | Self::Received(_) => None,
        }
    }
}

impl Session {
    /// An offer came, and the owner is asked for the answer.
    pub(super) fn ask_for_answer(&mut self, carrier: Carrier, offer: Bytes) {
        self.offer = Offer::Received(carrier);
        self.outputs.push_back(Output::AnswerWanted { offer });
    }

    /// The answer to the offer of this end came.
    pub(super) fn agree(&mut self, answer: Bytes) {
        self.offer = Offer::None;
        self.has_agreed = true;
        self.outputs.push_back(Output::Agreed { answer });
    }

    /// The offer of this end came to nothing.
    pub(super) fn keep(&mut self, status: u16) {
        if self.offer.is_own() {
            self.offer = Offer::None;
            self.outputs.push_back(Output::Kept { status });
        }
    }

    /// The owner made what it was asked for.
    pub(super) fn take_sdp(&mut self, now: Timestamp, sdp: Option<Bytes>) {
        match self.offer {
            Offer::Making(Carrier::Invite | Carrier::Update(_)) => self.send_change(sdp),
            Offer::Making(Carrier::Success) => self.answer_change(now, Offer::Sent(Carrier::Success), sdp),
            Offer::Received(Carrier::Invite) if self.stage == super::Stage::Talking => {
                self.answer_change(now, Offer::None, sdp);
            }
            Offer::Received(Carrier::Update(cseq)) => self.answer_update(now, cseq, sdp),
            Offer::Received(Carrier::Prack(cseq)) => self.answer_prack(now, cseq, sdp),
            Offer::Received(Carrier::Progress(rseq)) => self.answer_progress(rseq, sdp),
            Offer::Received(Carrier::Success) => self.answer_success(sdp),
            Offer::None | Offer::Making(_) | Offer::Sent(_) | Offer::Received(_) => {}
        }
    }

    /// The answer to an offer of the other end is on its way, if it could be made.
    pub(super) fn settle(&mut self, is_made: bool) {
        self.offer = Offer::None;
        self.has_agreed |= is_made;
    }

    /// An offer that came in a 2xx: the ACK has the answer.
    fn answer_success(&mut self, sdp: Option<Bytes>) {
        let is_made = sdp.is_some();
        self.settle(is_made);
        self.acknowledge(sdp);
        if is_made {
            self.establish();
        } else {
            self.end(End::Unanswerable);
        }
    }

    /// An offer that came in a reliable 1xx: the PRACK has the answer.
    fn answer_progress(&mut self, rseq: u32, sdp: Option<Bytes>) {
        let is_made = sdp.is_some();
        self.settle(is_made);
        self.send_prack(rseq, sdp);
        if !is_made {
            self.end(End::Unanswerable);
        }
    }

    /// Whether an offer of the other end may be taken now; else it is refused.
    pub(super) fn admits_offer(&mut self, cseq: u32) -> bool {
        let crossing = match self.offer {
            Offer::Making(_) | Offer::Sent(_) => 491,
            Offer::Received(_) => 500,
            // The first INVITE had no SDP: its callee offers first.
            Offer::None if !self.has_agreed => 491,
            Offer::None => return true,
        };
        self.refuse_crossing(cseq, crossing);
        false
    }
}
