//! What a [`Session`](super::Session) wants done.

use bytes::Bytes;

use super::{Request, Response};

/// An effect, or a question to the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a request.
    Request(Request),
    /// Answer a request of the other end. A 2xx to INVITE and a reliable 1xx are said again until they are acknowledged.
    Respond {
        /// The number of the request.
        cseq: u32,
        /// What to say.
        response: Response,
    },
    /// Acknowledge the 2xx to the last INVITE, maybe again.
    Acknowledge {
        /// The answer, if the 2xx had the offer.
        sdp: Option<Bytes>,
    },
    /// The first INVITE is here. Answered by `Progress`, `Accept` or `Refuse`.
    Invited {
        /// The caller's offer; `None` if it wants to be offered to.
        offer: Option<Bytes>,
    },
    /// The other end said how far the first INVITE is.
    Progressed {
        /// The status.
        status: u16,
        /// SDP that came unreliably: good for early media, no answer yet.
        preview: Option<Bytes>,
    },
    /// The first INVITE was answered with 2xx, by either end.
    Established,
    /// The first INVITE was refused: the usage is over.
    Refused {
        /// The status.
        status: u16,
    },
    /// Make an offer. Answered by [`Input::Sdp`](super::Input::Sdp).
    OfferWanted,
    /// Make the answer to this offer of the other end. Answered by [`Input::Sdp`](super::Input::Sdp).
    AnswerWanted {
        /// The offer.
        offer: Bytes,
    },
    /// The last offer of this end was answered.
    Agreed {
        /// The answer.
        answer: Bytes,
    },
    /// The last offer of this end came to nothing: the session goes on as it was (RFC 3261 §14.1).
    Kept {
        /// The status; 491 and 500 when it is tried again by itself.
        status: u16,
    },
    /// The session cannot go on: send BYE.
    Ended(End),
}

/// Why a session cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Nobody refreshed it in time (RFC 4028 §10).
    Expired,
    /// The other end does not know the dialog, or no longer answers (RFC 3261 §12.2.1.2).
    Gone,
    /// A 2xx, or a reliable 1xx, was never acknowledged.
    Unacknowledged,
    /// An offer had to be answered and was not.
    Unanswerable,
}
