//! What to do about a push, decided at once: no store, no network, no clock, and an answer for every payload.
//!
//! An iPhone must show a call before its push handler returns, and Android gives seconds. So the decision reads only
//! the payload and what the process already holds in memory; the store adds the name later.

use std::collections::BTreeMap;

use callfield_domain::wake::{self, MissedPayload, SealedCaller, SecretKey, WakeError, WakePayload};
use callfield_domain::{CallId, Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The channel that a push came by; it fixes what the system expects to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushKind {
    /// A data message of FCM: nothing has to be shown.
    Fcm,
    /// A VoIP push of APNs: a call must be shown for every one, or iOS kills the app.
    ApnsVoip,
    /// A background or alert push of APNs.
    Apns,
}

/// What the process holds in memory when the push comes.
#[derive(Default, Clone, Copy)]
pub struct PushContext<'a> {
    /// The device's key, if the keystore could be read.
    pub secret: Option<&'a SecretKey>,
    /// The calls this process knows of.
    pub calls: Option<&'a BTreeMap<CallId, Known>>,
    /// Whether the device has not been unlocked since it was started, so that nothing can be read or answered.
    pub is_before_first_unlock: bool,
}

/// How far a call that is already known has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// It rings or is being talked on.
    Live,
    /// The caller gave up, or another device took it.
    Cancelled,
    /// It was shown and is over.
    Over,
}

/// What the app must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum PushDecision {
    /// Show the system's call screen and go to the call.
    Ring {
        /// The call that waits.
        call: CallId,
        /// The node that parked it, as a URL.
        node: String,
        /// When the ring limit ends.
        expires: Timestamp,
        /// The caller, if the box could be opened.
        caller: Option<Caller>,
    },
    /// The call is on the screen already.
    AlreadyRinging {
        /// The call on the screen.
        call: CallId,
    },
    /// There is no call to take: where the system wants one shown, show it and end it at once.
    ReportAndEnd {
        /// The call, if the payload named one.
        call: Option<CallId>,
        /// Why it must not ring.
        reason: EndReason,
    },
    /// A call came and went that this phone never rang for: show that, and enter it.
    Missed {
        /// The call.
        call: CallId,
        /// When it came.
        at: Timestamp,
        /// How it ended.
        outcome: Outcome,
        /// The caller, if the box could be opened.
        caller: Option<Caller>,
    },
    /// The push is about something else.
    NotACall {
        /// Whether it asks for a sync.
        sync: bool,
    },
}

/// The caller as the server knew it when it sent the push; the phone's own store outranks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// E.164 or what came; empty when withheld.
    pub from: String,
    /// The name that a record of the server has for the number.
    pub name: Option<String>,
    /// Why this phone rings, e.g. `record_owner`.
    pub why: String,
}

/// Why a push must not ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The call was cancelled before the push came.
    Cancelled,
    /// The ring limit is over.
    Expired,
    /// The call was shown before and is over.
    Duplicate,
    /// The payload cannot be read.
    Undecodable,
    /// The box was sealed for another key: an account this device left.
    WrongAccount,
    /// The device was not unlocked since it was started.
    BeforeFirstUnlock,
}

/// Decides about a push.
///
/// `payload` is the JSON as the platform hands it over: FCM's data (or the message around it) with the wake as text
/// in `callfield`, or APNs' user info with the wake as an object in `callfield`. Never panics, never fails.
pub fn decode_push(kind: PushKind, payload: &[u8], now: Timestamp, context: &PushContext<'_>) -> PushDecision {
    match read(payload) {
        Content::Wake(wake) => decide(&wake, now, context),
        Content::Missed(missed) if kind != PushKind::ApnsVoip => note(&missed, context),
        Content::SyncHint if kind != PushKind::ApnsVoip => PushDecision::NotACall { sync: true },
        Content::Foreign if kind != PushKind::ApnsVoip => PushDecision::NotACall { sync: false },
        Content::Missed(_) | Content::SyncHint | Content::Foreign | Content::Unreadable => {
            PushDecision::ReportAndEnd { call: None, reason: EndReason::Undecodable }
        }
    }
}

enum Content {
    Wake(WakePayload),
    Missed(MissedPayload),
    SyncHint,
    Foreign,
    Unreadable,
}

/// The most bytes of any push: APNs' limit for VoIP, which is the largest, and what a provider's envelope may add.
const PUSH_BYTES_MAX: usize = 8_192;

fn read(payload: &[u8]) -> Content {
    if payload.len() > PUSH_BYTES_MAX {
        return Content::Unreadable;
    }
    let Ok(push) = serde_json::from_slice::<Value>(payload) else {
        return Content::Unreadable;
    };
    let places = [&push, &push["data"], &push["message"]["data"]];
    let Some(ours) = places.into_iter().find_map(|place| place.get("callfield")) else {
        let is_hint = push["aps"]["content-available"] == 1;
        return if is_hint { Content::SyncHint } else { Content::Foreign };
    };
    let json = ours.as_str().map_or_else(|| ours.to_string(), str::to_owned).into_bytes();
    match serde_json::from_slice::<Value>(&json).ok().as_ref().and_then(|value| value["kind"].as_str()) {
        Some("sync") => Content::SyncHint,
        Some("missed") => MissedPayload::from_json(&json).map_or(Content::Unreadable, Content::Missed),
        _ => WakePayload::from_json(&json).map_or(Content::Unreadable, Content::Wake),
    }
}

/// What a missed call means: nothing if the phone knows of it, or if it is of an account that the device left.
fn note(missed: &MissedPayload, context: &PushContext<'_>) -> PushDecision {
    let nothing = PushDecision::NotACall { sync: false };
    let MissedPayload { call, at, outcome, .. } = *missed;
    if context.calls.is_some_and(|calls| calls.contains_key(&call)) {
        return nothing;
    }
    match context.secret.map(|secret| wake::open_missed(secret, missed)) {
        None => PushDecision::Missed { call, at, outcome, caller: None },
        Some(Ok(caller)) => PushDecision::Missed { call, at, outcome, caller: Some(caller.into()) },
        Some(Err(_)) => nothing,
    }
}

fn decide(wake: &WakePayload, now: Timestamp, context: &PushContext<'_>) -> PushDecision {
    let call = wake.call;
    let end = |reason| PushDecision::ReportAndEnd { call: Some(call), reason };
    match context.calls.and_then(|calls| calls.get(&call)) {
        Some(Known::Live) => return PushDecision::AlreadyRinging { call },
        Some(Known::Cancelled) => return end(EndReason::Cancelled),
        Some(Known::Over) => return end(EndReason::Duplicate),
        None => {}
    }
    if wake.expires <= now {
        return end(EndReason::Expired);
    }
    if context.is_before_first_unlock {
        return end(EndReason::BeforeFirstUnlock);
    }
    let caller = match context.secret.map(|secret| wake::open(secret, wake)) {
        None => None,
        Some(Ok(caller)) => Some(caller.into()),
        Some(Err(WakeError::NotForThisDevice)) => return end(EndReason::WrongAccount),
        Some(Err(_)) => return end(EndReason::Undecodable),
    };
    PushDecision::Ring { call, node: wake.node.clone(), expires: wake.expires, caller }
}

impl From<SealedCaller> for Caller {
    fn from(SealedCaller { from, name, why }: SealedCaller) -> Self {
        Self { from, name, why }
    }
}

#[cfg(test)]
mod tests;
