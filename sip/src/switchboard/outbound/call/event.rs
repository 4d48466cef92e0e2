//! What happens to an outbound call, and what it wants done.

use callfield_domain::{CallFacts, Outcome, TimelineEvent};

use crate::switchboard::call::{Event as Inside, Farewell};
use crate::switchboard::transfer::Passing;
use crate::switchboard::{Decision, OutboundDecision};

/// Something that happened to an outbound call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::switchboard) enum Event {
    /// The shell decided.
    Routed(OutboundDecision),
    /// Its user or company has called enough; which cap was reached.
    Capped(&'static str),
    /// The offer for the trunk is made, or cannot be.
    Offered { is_there: bool },
    /// The trunk is there: it said something that is no answer.
    Heard,
    /// The trunk whose turn it is has as many calls as it may.
    TrunkFull,
    /// The far end rings.
    Rings,
    /// The far end answered.
    Answered,
    /// The far end refused, or could not be reached: a SIP status.
    Refused(u16),
    /// The answer for the device is made, or the two ends have no codec in common.
    Joined { is_there: bool },
    /// The device takes its INVITE back.
    Cancelled,
    /// The device hung up.
    DeviceHungUp,
    /// The far end hung up.
    FarHungUp,
    /// The device's connection is gone.
    ConnectionLost,
    /// The device is registered again; it does not know the call any more if its app was killed.
    Registered { is_known: bool },
    /// The device never acknowledged the answer.
    DeviceLost,
    /// The far end is being passed on to somebody else.
    Passing(Passing),
    /// The row is on disk.
    Persisted,
    /// The call of a colleague's devices is over.
    Over(Farewell),
}

/// What is to be done for an outbound call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::switchboard) enum Action {
    /// Call a colleague.
    CallColleague(Decision),
    /// Tell the call of the colleague's devices what the device that calls does.
    TellInside(Inside),
    /// Ask for the offer for the trunk.
    AskOffer,
    /// Send the INVITE.
    Invite,
    /// Leave the trunk that was tried and send the INVITE to the next one.
    InviteNext,
    /// Tell the device that the far end rings.
    Ring,
    /// Ask for the answer for the device.
    AskAnswer,
    /// Answer the device.
    Accept,
    /// Take the INVITE back.
    Cancel,
    /// End the dialog with the far end.
    HangUpFar,
    /// End the dialog with the device.
    HangUpDevice,
    /// Let the device go: answer its BYE, or send one. The call goes on.
    ReleaseDevice,
    /// Tell the shell that no media flows any more.
    EndMedia,
    /// Tell the call that rang its own user first that its far half is over, and how.
    Over(Outcome),
    /// Write the row.
    Persist(CallFacts),
    /// Show where the call stands.
    Changed(CallFacts),
    /// Put an entry on the timeline.
    Timeline(TimelineEvent),
    /// Answer what either end still waits for; the call is then gone.
    Finish(Farewell),
    /// The same for the device that called a colleague: the call of the colleague's devices is remembered for both.
    FinishInside(Farewell),
}
