//! What an [`Agent`](super::Agent) wants done.

use bytes::Bytes;
use callfield_domain::{CallId, Timestamp};

/// An effect, or news for the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open a new connection (and drop any older one, without reporting it). The answer is `Connected` or `Disconnected`.
    Connect,
    /// Close the connection, or stop opening it; no `Disconnected` is expected.
    Disconnect,
    /// Send one frame over the connection.
    Transmit(Bytes),
    /// The edge knows this phone.
    Registered {
        /// Until when, unless refreshed (the agent refreshes by itself).
        until: Timestamp,
    },
    /// The edge did not take the registration; the agent tries again.
    RegistrationFailed {
        /// The SIP status; `None` if no answer came or no connection could be opened.
        status: Option<u16>,
        /// When it tries again.
        retry_at: Timestamp,
    },
    /// A call is here and rings. Once for each call, and only if [`Output::Ended`] was not said of it.
    Incoming {
        /// The call, the same id as in the push.
        call: CallId,
        /// The caller's number as the edge says it; empty when withheld.
        from: String,
        /// The caller's name as the edge knows it.
        name: Option<String>,
        /// Whether there is another call: it waits, and its answer will hold the one that is talked on.
        is_waiting: bool,
    },
    /// The user answered and the INVITE is here: make the SDP answer. Answered by `AnswerSdp`.
    AnswerWanted {
        /// The call.
        call: CallId,
        /// The edge's SDP offer.
        offer: Bytes,
    },
    /// The far end of a call that this phone began rings. At most once a call.
    RemoteRinging {
        /// The call.
        call: CallId,
    },
    /// The far end answered a call that this phone began; [`Output::Established`] follows. Once a call.
    RemoteAnswered {
        /// The call.
        call: CallId,
        /// The SDP answer to the offer of [`Input::Dial`](super::Input::Dial).
        sdp: Bytes,
    },
    /// The two talk: the edge confirmed this phone's answer, or the far end answered.
    Established {
        /// The call.
        call: CallId,
    },
    /// A call that talks changes: make its SDP. Answered by [`Input::ChangeMade`](super::Input::ChangeMade).
    ChangeWanted {
        /// The call.
        call: CallId,
        /// The edge's offer, to be answered; it also tells whether the far end holds the call. `None` if an offer of this
        /// phone is wanted: [`Output::ChangeAnswered`] follows.
        offer: Option<Bytes>,
        /// Whether the user holds the call, which the SDP must say.
        is_holding: bool,
    },
    /// What became of the last offer that was made for a change.
    ChangeAnswered {
        /// The call.
        call: CallId,
        /// The answer; `None` if the offer was refused or crossed another: the call goes on as it was.
        answer: Option<Bytes>,
    },
    /// A transfer that the user asked for is a step further.
    TransferChanged {
        /// The call.
        call: CallId,
        /// How far.
        step: TransferStep,
    },
    /// Ask the server how this call stands (`GET /v1/calls/{id}/state`). Answered by `StateKnown`.
    AskState {
        /// The call.
        call: CallId,
    },
    /// The call is over for this phone: end its call screen. Once for each call.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TransferStep {
    /// It rings at the target.
    Ringing,
    /// The target answered: the far end talks with it, and [`Output::Ended`] follows.
    Done,
    /// The target was not reached, for this reason: the call goes on as it was.
    Failed(EndReason),
}

/// Why a call is over for this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndReason {
    /// Another device of the same user answered.
    AnsweredElsewhere,
    /// The caller gave up, or it rang long enough.
    Cancelled,
    /// It had ended before this phone was there.
    Over,
    /// The user declined.
    Declined,
    /// The user hung up.
    HungUp,
    /// The far end hung up.
    RemoteHungUp,
    /// The far end is busy; or this phone has as many calls as it takes.
    Busy,
    /// It rang at the far end, and nobody answered.
    NoAnswer,
    /// The far end or the company's rules refused the call, or there is no such number.
    Rejected,
    /// An emergency number: for the phone's own dialler.
    Emergency,
    /// The edge could not be reached, or did not send the call.
    Unreachable,
    /// Something broke: no common codec, no acknowledgement.
    Failed,
}
