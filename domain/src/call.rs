//! The facts of a call: what the server knows of it, and the milestones that tell why it rang.

use serde::{Deserialize, Serialize};

use crate::{CallId, DeviceId, TenantId, Timestamp, UserId};

/// Who began the call: the outside world or one of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From outside to a company number.
    Inbound,
    /// From one of our users to somebody outside.
    Outbound,
    /// From one of our users to another: it never leaves the house.
    Internal,
}

/// Where a live call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Known, not yet ringing anywhere.
    Queued,
    /// At least one device is being rung or woken.
    Ringing,
    /// Answered, both legs joined.
    InProgress,
    /// Answered, one end holds.
    Held,
    /// Being moved to another party.
    Transferring,
    /// Over; the call has an [`Outcome`].
    Ended,
}

/// How a call ended (features.md 4.3); exactly one a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Two people were connected.
    Completed,
    /// It rang and nobody answered in time.
    NoAnswer,
    /// The called side was busy.
    Busy,
    /// A person declined it.
    Rejected,
    /// The caller gave up first.
    Canceled,
    /// Something broke.
    Failed,
    /// A rule refused it.
    Blocked,
    /// No callflow or no number for it.
    NoRoute,
    /// A message was left.
    Voicemail,
    /// It never rang: no device could be reached.
    MissedDeviceUnreachable,
    /// Another device of the same call answered it.
    AnsweredElsewhere,
}

/// What the server knows of a call. Times are the server's; the phone's clock decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFacts {
    /// The call, the same on every leg.
    pub id: CallId,
    /// Whose call it is.
    pub tenant: TenantId,
    /// Who began it.
    pub direction: Direction,
    /// The caller as it came: E.164 if it could be read, else the user part of the URI; empty when withheld. Of an outbound
    /// call the company number that was shown, of an internal one the caller's extension, or the id of a user who has none.
    pub from: String,
    /// The number that was called.
    pub to: String,
    /// The user it was routed to, or who dialled.
    pub user: Option<UserId>,
    /// The device that answered, or that dialled.
    pub device: Option<DeviceId>,
    /// Where it stands.
    pub state: CallState,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// When the INVITE came, or the call was asked for.
    pub started_at: Timestamp,
    /// When it was answered: by a device, or by the far end of an outbound call.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Whom the far end was passed on to when the device left: the number that was called.
    #[serde(default)]
    pub transferred_to: Option<String>,
}

impl CallFacts {
    /// Milliseconds from the INVITE to the answer or the end; `None` while it still rings.
    pub fn ring_ms(&self) -> Option<u64> {
        let until = self.answered_at.or(self.ended_at)?;
        Some(millis(until, self.started_at))
    }

    /// Milliseconds the two were connected; `None` until the call is over or if nobody answered.
    pub fn talk_ms(&self) -> Option<u64> {
        Some(millis(self.ended_at?, self.answered_at?))
    }
}

fn millis(until: Timestamp, from: Timestamp) -> u64 {
    u64::try_from(until.since(from).as_millis()).unwrap_or(u64::MAX)
}

/// A step on the way of a call, in the words of the why-it-rang timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// One of our users asked for a call that rings them first.
    Requested,
    /// The INVITE came in.
    Invited,
    /// The route was decided; the detail says how.
    Routed,
    /// A push was ordered for the device; the detail of a repeated one is its number.
    PushQueued,
    /// The push was written to the provider's connection.
    PushSent,
    /// The provider took the push; the detail is its id.
    PushAccepted,
    /// The provider refused the push or could not be reached; the detail is the reason.
    PushFailed,
    /// The woken device asked for the call's state.
    StateAsked,
    /// The device registered.
    Registered,
    /// The INVITE was sent to the device, or without one to the trunk whose id is the detail.
    InviteForwarded,
    /// The device, or without one the far end, rings (180).
    DeviceRinging,
    /// The device, or without one the far end, answered (200).
    Answered,
    /// The device declined, or without one the far end: the detail is its SIP status, or why its trunk was left (`silent`,
    /// `full`).
    Declined,
    /// The device could not take the call, or was not reached where it is registered; the detail is a SIP status.
    DeviceFailed,
    /// The user called has no device that could be rung or woken.
    NoDevice,
    /// The call waited or rang as long as it may.
    RingLimit,
    /// The device was told that the call is over or answered elsewhere.
    Cancelled,
    /// The caller gave up before an answer.
    CallerGone,
    /// The device asks that the far end be passed on to somebody else (REFER).
    TransferAsked,
    /// That somebody answered, and the far end talks with them: the device has left.
    Transferred,
    /// Nobody could be reached to pass the far end on to; the detail is a SIP status.
    TransferFailed,
    /// One end hung up (BYE).
    HungUp,
    /// The server died during the call, and ended it when it was started again.
    Repaired,
    /// The call's row with its outcome is on disk.
    Durable,
    /// The provider took the push that tells the device of a call it missed; the detail is its id.
    MissedTold,
    /// The device could not be told of a call it missed; the detail is the reason.
    MissedUntold,
    /// The device's log of the call arrived by sync.
    Synced,
}

/// One entry of the why-it-rang timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When it happened, by the server's clock.
    pub at: Timestamp,
    /// What happened.
    pub milestone: Milestone,
    /// The device it happened to, if one.
    pub device: Option<DeviceId>,
    /// A reason, a provider's id or a status; never a name or a number.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Random, Seed};

    #[test]
    fn a_call_nobody_answered_has_no_talk_time() {
        let mut random = Random::new(Seed::from_number(1));
        let facts = CallFacts {
            id: CallId::new(Timestamp::ZERO, &mut random),
            tenant: TenantId::new(Timestamp::ZERO, &mut random),
            direction: Direction::Inbound,
            from: "+81312345678".to_owned(),
            to: "+81350001000".to_owned(),
            user: None,
            device: None,
            state: CallState::Ended,
            outcome: Some(Outcome::NoAnswer),
            started_at: Timestamp::from_millis(1_000),
            answered_at: None,
            ended_at: Some(Timestamp::from_millis(46_000)),
            transferred_to: None,
        };
        assert_eq!(facts.talk_ms(), None);
        assert_eq!(facts.ring_ms(), Some(45_000));
    }
}
