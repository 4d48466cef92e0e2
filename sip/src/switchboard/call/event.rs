//! What happens to a call, and what it wants done.

use callfield_domain::{CallFacts, DeviceId, Outcome, TimelineEvent};

use super::Farewell;
use crate::switchboard::transfer::Passing;
use crate::switchboard::{Decision, Missed, Wake};

/// Something that happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::switchboard) enum Event {
    /// The shell decided; `bound` are the devices with a live connection that may be rung.
    Routed { decision: Decision, bound: Vec<DeviceId> },
    /// A device is registered.
    Registered(DeviceId),
    /// A device is registered as before, and lives.
    Refreshed(DeviceId),
    /// The device that answered does not know the call any more: its app was killed.
    Forgotten(DeviceId),
    /// The device's connection is gone.
    ConnectionLost(DeviceId),
    /// The device asked how the call stands: it is awake.
    StateAsked(DeviceId),
    /// The device answered the INVITE with a 1xx.
    Progressed { device: DeviceId, rings: bool },
    /// The device answered with 2xx.
    Answered(DeviceId),
    /// The device answered 3xx–6xx.
    Refused { device: DeviceId, status: u16 },
    /// The device was not reached where it is registered: nothing came back within 32 s (408), or no way led there (503).
    Unreached { device: DeviceId, status: u16 },
    /// No SDP offer could be made for the device.
    OfferFailed(DeviceId),
    /// The answer was passed on to the caller.
    Joined,
    /// The two ends have no codec in common.
    JoinFailed,
    /// The far end of a call that rings its own user first refused, was not reached or hung up.
    FarOver(Outcome),
    /// The caller gave up before the answer.
    CallerCancelled,
    /// The caller hung up after the answer.
    CallerHungUp,
    /// The caller never acknowledged the answer, or cannot be reached.
    CallerLost,
    /// The caller is a device of ours that will not come back.
    CallerGone,
    /// The device that answered hung up.
    DeviceHungUp(DeviceId),
    /// The caller is being passed on to somebody else.
    Passing(Passing),
    /// The row is on disk.
    Persisted,
}

/// What is to be done for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::switchboard) enum Action {
    /// Push the device awake.
    Wake(Wake),
    /// Tell the device, which never rang, that it missed the call.
    Missed(Missed),
    /// Send the device a new INVITE.
    Invite(DeviceId),
    /// Take the INVITE back; it was `elsewhere` if another device answered.
    Cancel { device: DeviceId, elsewhere: bool },
    /// End the dialog with a device that answered.
    HangUpDevice { device: DeviceId, elsewhere: bool },
    /// Let the device that talked go: answer its BYE, or send one. The call goes on.
    ReleaseDevice(DeviceId),
    /// Tell the caller that it rings (180) or waits (182).
    Progress(u16),
    /// Make the caller's answer from the device's.
    Join(DeviceId),
    /// Call the far end for the device that answered.
    Dial(DeviceId),
    /// Send BYE to the caller; take the INVITE to the far end back, or send it a BYE.
    HangUpCaller,
    /// Tell the shell that no media flows any more.
    EndMedia,
    /// Write the row.
    Persist(CallFacts),
    /// Show where the call stands.
    Changed(CallFacts),
    /// Put an entry on the timeline.
    Timeline(TimelineEvent),
    /// Answer what the far end still waits for; the call is then gone.
    Finish(Farewell),
}
