//! The decision about a push, for a handler that must act at once.

use callfield_domain::Timestamp;
use callfield_domain::wake::SecretKey;
use callfield_mobile_core::push::{self, PushContext};

/// The channel a push came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PushKind {
    /// A data message of FCM.
    Fcm,
    /// A VoIP push of APNs: a call must be shown for every one.
    ApnsVoip,
    /// A background or alert push of APNs.
    Apns,
}

/// What the app must do.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum PushDecision {
    /// Show the system's call screen and go to the call.
    Ring {
        /// The call that waits.
        call: String,
        /// The node that parked it, as a URL.
        node: String,
        /// When the ring limit ends, milliseconds since 1970.
        expires_at: i64,
        /// The caller, if the box could be opened.
        caller: Option<PushCaller>,
    },
    /// The call is on the screen already.
    AlreadyRinging {
        /// The call.
        call: String,
    },
    /// There is no call to take: where the system wants one shown, show it and end it at once.
    ReportAndEnd {
        /// The call, if the payload named one.
        call: Option<String>,
        /// Why it must not ring.
        reason: PushEndReason,
    },
    /// A call came and went that this phone never rang for: show that. It is in the journal.
    Missed {
        /// The call.
        call: String,
        /// When it came, milliseconds since 1970.
        came_at: i64,
        /// The caller, if the box could be opened.
        caller: Option<PushCaller>,
    },
    /// The push is about something else.
    NotACall {
        /// Whether it asks for a sync.
        sync: bool,
    },
}

/// The caller as the server knew it; the phone's own records outrank it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PushCaller {
    /// E.164 or what came; empty when withheld.
    pub from: String,
    /// The name a record has for the number.
    pub name: Option<String>,
    /// Why this phone rings.
    pub why: String,
}

/// Why a push must not ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PushEndReason {
    /// The call was cancelled before the push came.
    Cancelled,
    /// The ring limit is over.
    Expired,
    /// The call was shown before and is over.
    Duplicate,
    /// The payload cannot be read.
    Undecodable,
    /// It was sealed for an account this device left.
    WrongAccount,
    /// The device was not unlocked since it was started.
    BeforeFirstUnlock,
}

/// Decides about a push at once, with no store and no network; every payload gets an answer.
///
/// `now` is milliseconds since 1970. `secret_key` is the device's key (32 bytes) if the keystore could be read; without
/// it, or with one of another length, the caller stays unknown.
#[uniffi::export]
pub fn decode_push(kind: PushKind, payload: Vec<u8>, now: i64, secret_key: Option<Vec<u8>>) -> PushDecision {
    let secret = secret_key.and_then(|key| SecretKey::from_bytes(&key).ok());
    let context = PushContext { secret: secret.as_ref(), ..PushContext::default() };
    push::decode_push(kind.into(), &payload, Timestamp::from_millis(now), &context).into()
}

impl From<PushKind> for push::PushKind {
    fn from(kind: PushKind) -> Self {
        match kind {
            PushKind::Fcm => Self::Fcm,
            PushKind::ApnsVoip => Self::ApnsVoip,
            PushKind::Apns => Self::Apns,
        }
    }
}

impl From<push::PushDecision> for PushDecision {
    fn from(decision: push::PushDecision) -> Self {
        match decision {
            push::PushDecision::Ring { call, node, expires, caller } => Self::Ring {
                call: call.to_string(),
                node,
                expires_at: expires.as_millis(),
                caller: caller.map(PushCaller::from),
            },
            push::PushDecision::Missed { call, at, outcome: _, caller } => {
                Self::Missed { call: call.to_string(), came_at: at.as_millis(), caller: caller.map(PushCaller::from) }
            }
            push::PushDecision::AlreadyRinging { call } => Self::AlreadyRinging { call: call.to_string() },
            push::PushDecision::ReportAndEnd { call, reason } => {
                Self::ReportAndEnd { call: call.map(|call| call.to_string()), reason: reason.into() }
            }
            push::PushDecision::NotACall { sync } => Self::NotACall { sync },
        }
    }
}

impl From<push::Caller> for PushCaller {
    fn from(push::Caller { from, name, why }: push::Caller) -> Self {
        Self { from, name, why }
    }
}

impl From<push::EndReason> for PushEndReason {
    fn from(reason: push::EndReason) -> Self {
        match reason {
            push::EndReason::Cancelled => Self::Cancelled,
            push::EndReason::Expired => Self::Expired,
            push::EndReason::Duplicate => Self::Duplicate,
            push::EndReason::Undecodable => Self::Undecodable,
            push::EndReason::WrongAccount => Self::WrongAccount,
            push::EndReason::BeforeFirstUnlock => Self::BeforeFirstUnlock,
        }
    }
}
