//! What the core tells the app, in order, as it happens.

use callfield_domain::{CallId, Outcome, RecordId, Timestamp};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::push::PushDecision;
use crate::transport::api::RemoteCallState;

/// Events that a slow subscriber may be behind before it loses the oldest.
const BACKLOG: usize = 1_024;

/// An event and when it happened, by the phone's clock.
#[derive(Debug, Clone, Serialize)]
pub struct Stamped {
    /// When.
    pub at_ms: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Something the app may want to show.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A push came and was decided about.
    Push {
        /// What was decided.
        #[serde(flatten)]
        decision: PushDecision,
    },
    /// Show the call screen. Once a call.
    Ringing {
        /// The call.
        call: CallId,
        /// The caller's number; empty when withheld or not yet known.
        number: String,
        /// The name from the phone's own records, else the server's, else none.
        name: Option<String>,
        /// Whether the name is from the phone's own records.
        is_from_own_store: bool,
        /// Whether there is another call on this phone: play the call-waiting tone. An answer holds the one that is
        /// talked on.
        is_waiting: bool,
    },
    /// Show the screen of a call that this phone begins. Once a call.
    Dialling {
        /// The call.
        call: CallId,
        /// The number as it is dialled: E.164 where it has that form.
        number: String,
        /// The name from the phone's own records.
        name: Option<String>,
        /// The record that the number belongs to, if it belongs to one only.
        record: Option<RecordId>,
    },
    /// The far end of a call that this phone began rings: play the ringback tone. At most once a call.
    RemoteRinging {
        /// The call.
        call: CallId,
    },
    /// The server said how a call stands.
    StateAsked {
        /// The call.
        call: CallId,
        /// Its state; `None` if the server could not be asked.
        state: Option<RemoteCallState>,
    },
    /// A connection to the server is open.
    Connected,
    /// The server knows the phone.
    Registered,
    /// The server did not take the registration, or cannot be reached; it is tried again.
    NotRegistered {
        /// The SIP status, if there was one.
        status: Option<u16>,
    },
    /// The INVITE of a call is here.
    Invited {
        /// The call.
        call: CallId,
    },
    /// The two talk.
    Established {
        /// The call.
        call: CallId,
    },
    /// Audio flows or can flow.
    AudioStarted {
        /// The call.
        call: CallId,
        /// Whether it is encrypted.
        is_encrypted: bool,
    },
    /// A call is held by somebody else than before, or by nobody: audio flows only if neither end holds it.
    HoldChanged {
        /// The call.
        call: CallId,
        /// Whether the user holds it.
        by_user: bool,
        /// Whether the far end holds it.
        by_far_end: bool,
    },
    /// It rings at whom the user transfers the call to.
    TransferRinging {
        /// The call.
        call: CallId,
    },
    /// The far end talks with whom the user transferred the call to; [`Event::Ended`] follows.
    Transferred {
        /// The call.
        call: CallId,
    },
    /// Whom the user wanted to transfer the call to was not reached: the call goes on as it was.
    TransferFailed {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// Audio stopped.
    AudioEnded {
        /// The call.
        call: CallId,
        /// Packets sent.
        packets_sent: u64,
        /// Packets received and authenticated.
        packets_received: u64,
    },
    /// End the call screen. Once a call.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
        /// How it stands in the journal.
        outcome: Outcome,
    },
    /// No connection is open, nothing is awaited: only a push can wake the phone.
    Asleep,
    /// The network was lost or came back.
    Network {
        /// Whether connections can be made.
        is_on: bool,
    },
    /// The journal changed.
    JournalChanged {
        /// The call.
        call: CallId,
    },
    /// A record changed on this phone.
    RecordChanged {
        /// The record.
        record: RecordId,
    },
    /// A sync is complete.
    Synced {
        /// Changes that the server took.
        sent: u32,
        /// Records that changed here.
        received: u32,
        /// Changes that still wait.
        unsent: u32,
    },
    /// A sync failed; what waits is still there.
    SyncFailed {
        /// Why, without personal data.
        reason: String,
    },
}

/// Why a call is over for this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// An emergency number: call it with the phone's own dialler.
    Emergency,
    /// The server could not be reached, or did not send the call.
    Unreachable,
    /// Something broke.
    Failed,
}

/// Where events go out.
#[derive(Clone)]
pub struct Events(broadcast::Sender<Stamped>);

impl Events {
    /// A stream without subscribers.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    /// Tells every subscriber.
    pub fn tell(&self, now: Timestamp, event: Event) {
        // Nobody listening is no error.
        let _ = self.0.send(Stamped { at_ms: now, event });
    }

    /// Everything from here on.
    pub fn subscribe(&self) -> broadcast::Receiver<Stamped> {
        self.0.subscribe()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}
