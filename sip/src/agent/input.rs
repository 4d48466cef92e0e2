//! What an [`Agent`](super::Agent) is told.

use bytes::Bytes;
use callfield_domain::CallId;

use crate::extension::WokenCallState;

/// Something that happened to the phone or that its user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The connection that [`Output::Connect`](super::Output::Connect) asked for is open.
    Connected,
    /// The connection could not be opened, or is gone.
    Disconnected,
    /// One frame came over the connection.
    Received(Bytes),
    /// Be registered: without a call from now on until [`Input::Sleep`] (the app is in the foreground), with a call as
    /// long as that call lives (a push for it came).
    ///
    /// With a call, the agent asks for its state at once, and again if its INVITE does not come within 10 s.
    Register {
        /// The call a push woke the phone for.
        call: Option<CallId>,
    },
    /// The app goes to the background: close the connection once no call needs it.
    Sleep,
    /// The phone has another network: the old connection is dead even if it does not know yet.
    NetworkChanged,
    /// The user calls somebody. The agent registers first if it has to; an id is used once. Another call that talks is held.
    Dial {
        /// The call, with an id that the app made.
        call: CallId,
        /// The user part of whom to call: a number.
        to: String,
        /// The phone's SDP offer.
        sdp: Bytes,
    },
    /// The user answers. Kept until the INVITE is there if it is not yet. Another call that talks is held.
    Answer {
        /// The call.
        call: CallId,
    },
    /// Answers [`Output::AnswerWanted`](super::Output::AnswerWanted).
    AnswerSdp {
        /// The call.
        call: CallId,
        /// The SDP answer; `None` if none can be made: the call fails with 488.
        sdp: Option<Bytes>,
    },
    /// The user declines. Kept until the INVITE is there if it is not yet.
    Decline {
        /// The call.
        call: CallId,
    },
    /// The user ends a call, whatever its state.
    HangUp {
        /// The call.
        call: CallId,
    },
    /// The user holds a call that talks: the far end is not heard, nor hears the user, until [`Input::Resume`].
    ///
    /// [`Output::ChangeWanted`](super::Output::ChangeWanted) follows as soon as the call may change.
    Hold {
        /// The call.
        call: CallId,
    },
    /// The user resumes a call that they hold. Another call that talks is held: so two calls are swapped.
    Resume {
        /// The call.
        call: CallId,
    },
    /// The user passes the far end of a call that talks on to somebody else.
    ///
    /// [`Output::TransferChanged`](super::Output::TransferChanged) tells what becomes of it: done, the call ends for this phone;
    /// failed, it goes on as it was. One at a time.
    Transfer {
        /// The call.
        call: CallId,
        /// The user part of whom to call: a number.
        to: String,
    },
    /// The user turns from the call that is talked on to the one that is held; with none held nothing happens.
    Swap,
    /// Answers [`Output::ChangeWanted`](super::Output::ChangeWanted).
    ChangeMade {
        /// The call.
        call: CallId,
        /// The SDP; `None` if none can be made: the call goes on as it was.
        sdp: Option<Bytes>,
    },
    /// Answers [`Output::AskState`](super::Output::AskState); `None` if the question could not be put.
    StateKnown {
        /// The call.
        call: CallId,
        /// How it stands.
        state: Option<WokenCallState>,
    },
}
