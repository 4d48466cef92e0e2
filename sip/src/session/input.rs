//! What a [`Session`](super::Session) is told.

use bytes::Bytes;

use super::{Request, Response, Verb};

/// Something that happened to the usage, or that its owner wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin the call: send the first INVITE, with an offer or (late offer) without.
    Invite {
        /// The offer.
        sdp: Option<Bytes>,
    },
    /// Tell the caller how far its first INVITE is.
    Progress {
        /// 101 to 199.
        status: u16,
        /// The answer, or the offer if the INVITE had none.
        sdp: Option<Bytes>,
        /// Whether it must arrive (RFC 3262); only if the caller understands that.
        is_reliable: bool,
    },
    /// Answer the first INVITE with 200. It waits until every reliable 1xx was acknowledged (RFC 3262 §3).
    Accept {
        /// The answer, or the offer if the INVITE had none; `None` if a reliable 1xx carried it.
        sdp: Option<Bytes>,
    },
    /// Refuse the first INVITE.
    Refuse {
        /// 300 to 699.
        status: u16,
    },
    /// Change the session, as soon as nothing else is under way: [`Output::OfferWanted`](super::Output::OfferWanted) follows.
    Change,
    /// Answers [`Output::OfferWanted`](super::Output::OfferWanted) or [`Output::AnswerWanted`](super::Output::AnswerWanted).
    Sdp(
        /// The SDP; `None` if none can be made.
        Option<Bytes>,
    ),
    /// The other end sent a request of this usage, for the first time.
    Requested {
        /// Its number, by which it is answered.
        cseq: u32,
        /// What it says.
        request: Request,
    },
    /// The other end answered; also a 2xx to INVITE again.
    Answered {
        /// Which request; there is at most one of a kind under way.
        verb: Verb,
        /// What it says.
        response: Response,
    },
    /// The other end left a request of this end without an answer, or could not be reached.
    Unanswered {
        /// Which request.
        verb: Verb,
    },
    /// The other end acknowledged a 2xx to INVITE.
    Acknowledged {
        /// The number of the INVITE.
        cseq: u32,
        /// The answer, if the 2xx had the offer.
        sdp: Option<Bytes>,
    },
    /// The usage is over (BYE, either way; CANCEL): what still waits for an answer is refused with 487.
    Over,
}
