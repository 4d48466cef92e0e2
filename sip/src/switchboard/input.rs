//! What a [`Switchboard`](super::Switchboard) is told.

use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, Outcome, TenantId, Timestamp, TrunkId, UserId};

use super::{
    ConnectionId, DeviceIdentity, Flow, Installation, Peer, PushVerdict, RegisteringTrunk, Side, Transport,
    TrunkAccount,
};
use crate::digest::Ha1;
use crate::transaction::ServerId;

/// Something that happened, or the shell's answer to an [`Output`](super::Output) that asked for one.
///
/// An answer that comes after its call has ended is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A stream is open. Nothing else about it may come earlier.
    ConnectionOpened {
        /// The stream.
        connection: ConnectionId,
        /// Who is at its other end.
        peer: Peer,
        /// What carries it, as Via says it.
        transport: Transport,
    },
    /// A stream is gone, whoever closed it; nothing about it may come later.
    ConnectionClosed {
        /// The stream.
        connection: ConnectionId,
    },
    /// One datagram, one WebSocket frame, or any stretch of a TCP or TLS stream: messages are cut out of it here.
    Received {
        /// Where it came from.
        flow: Flow,
        /// What came.
        bytes: Bytes,
    },
    /// Answers [`Output::RouteWanted`](super::Output::RouteWanted).
    Routed {
        /// The call.
        call: CallId,
        /// What to do with it.
        decision: Decision,
    },
    /// Answers [`Output::BranchOfferWanted`](super::Output::BranchOfferWanted).
    BranchOffered {
        /// The call.
        call: CallId,
        /// The device that will get the offer.
        device: DeviceId,
        /// The SDP offer for the device; `None` if none can be made of the caller's.
        sdp: Option<Bytes>,
    },
    /// Answers [`Output::AnswerWanted`](super::Output::AnswerWanted).
    CallerAnswer {
        /// The call.
        call: CallId,
        /// The SDP for the caller; `None` if the two ends share no codec: the caller gets 488.
        sdp: Option<Bytes>,
    },
    /// Answers [`Output::OutboundRouteWanted`](super::Output::OutboundRouteWanted).
    OutboundRouted {
        /// The call.
        call: CallId,
        /// What to do with it.
        decision: OutboundDecision,
    },
    /// Answers [`Output::TrunkOfferWanted`](super::Output::TrunkOfferWanted).
    TrunkOffered {
        /// The call.
        call: CallId,
        /// The SDP offer for the trunk; `None` if none can be made of the device's: the device gets 488.
        sdp: Option<Bytes>,
    },
    /// Answers [`Output::DeviceAnswerWanted`](super::Output::DeviceAnswerWanted).
    DeviceAnswer {
        /// The call.
        call: CallId,
        /// The SDP answer for the device; `None` if the two ends share no codec: the device gets 488.
        sdp: Option<Bytes>,
    },
    /// A user wants to call somebody and be rung first (P8). Answered by [`Output::CallbackBegun`](super::Output::CallbackBegun).
    CallBack(Box<CallBack>),
    /// A user wants no more of a call that rang them first. Answered by [`Output::CallbackEnded`](super::Output::CallbackEnded).
    EndCallback {
        /// The call.
        call: CallId,
        /// Whose call it must be.
        tenant: TenantId,
        /// Whose call it must be; `None` for an administrator.
        user: Option<UserId>,
    },
    /// Answers [`Output::FarOfferWanted`](super::Output::FarOfferWanted).
    FarOffered {
        /// The call.
        call: CallId,
        /// The SDP offer for the trunk; `None` if the device's answer is of no use.
        sdp: Option<Bytes>,
    },
    /// Answers [`Output::FarAnswered`](super::Output::FarAnswered).
    FarJoined {
        /// The call.
        call: CallId,
        /// Whether the two ends are connected; else the call fails.
        is_joined: bool,
        /// Whether the device must be offered what the far end took.
        renews_device: bool,
    },
    /// Answers [`Output::ChangeWanted`](super::Output::ChangeWanted).
    ChangeMade {
        /// The call.
        call: CallId,
        /// Which leg.
        side: Side,
        /// The SDP; `None` if none can be made: the leg stays as it was, who asked gets 488.
        sdp: Option<Bytes>,
        /// Whether it changes what can be offered to the other leg: that is then renewed, as by [`Input::Renew`].
        renews_other: bool,
    },
    /// Answers [`Output::TransferOfferWanted`](super::Output::TransferOfferWanted).
    TransferOffered {
        /// The call whose end is passed on.
        call: CallId,
        /// The SDP offer for the target; `None` if none can be made: the transfer fails with 488.
        sdp: Option<Bytes>,
    },
    /// Answers [`Output::TransferAnswerWanted`](super::Output::TransferAnswerWanted).
    TransferAnswered {
        /// The call whose end is passed on.
        call: CallId,
        /// Whether the target has the device's place; if not the transfer fails with 488.
        is_joined: bool,
    },
    /// What the shell agreed on one side changes what it can offer to the other: make a new offer to this side.
    ///
    /// [`Output::ChangeWanted`](super::Output::ChangeWanted) asks for it when the leg may change.
    Renew {
        /// The call.
        call: CallId,
        /// Which leg.
        side: Side,
    },
    /// Answers [`Output::Persist`](super::Output::Persist): the call's row is on disk.
    Persisted {
        /// The call.
        call: CallId,
    },
    /// At which trunks the edge registers from now on: all of them, those that it knows too.
    TrunksChanged {
        /// The trunks.
        registering: Vec<RegisteringTrunk>,
    },
    /// Answers [`Output::CredentialsWanted`](super::Output::CredentialsWanted).
    Credentials {
        /// The login, as in the question.
        login: ServerId,
        /// The account; `None` if there is none of that name.
        account: Option<Account>,
    },
    /// Answers [`Output::PushOffered`](super::Output::PushOffered).
    PushStored {
        /// The login, as in the question.
        login: ServerId,
        /// What became of it.
        verdict: PushVerdict,
    },
    /// A device lost its account: it is not reached any more.
    DeviceRevoked {
        /// The device.
        device: DeviceId,
    },
    /// What became of a wake push.
    WakeReported(WakeReport),
}

/// What is stored of a desk phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Which device it is, and whose.
    pub identity: DeviceIdentity,
    /// The user name, as it was asked for.
    pub user: String,
    /// A hash of the password for each algorithm, with the domain as the realm.
    pub hashes: Vec<Ha1>,
    /// The installation that is woken, if one is.
    pub push: Option<Installation>,
}

/// What the shell decided about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Ring the devices of a user.
    Ring(RingPlan),
    /// Refuse the caller on behalf of a user who does not want to be rung.
    Spare {
        /// Whose call it is, as what; `why` says what they want: goes into the timeline.
        plan: RingPlan,
        /// The SIP status, 400 to 699.
        status: u16,
        /// How the call ended.
        outcome: Outcome,
    },
    /// Refuse the caller.
    Reject {
        /// The SIP status, 400 to 699.
        status: u16,
        /// How the call ended; it is persisted if it belongs to a tenant.
        outcome: Outcome,
        /// Whose call it was; `None` if it was nobody's (an unknown source): nothing is persisted.
        tenant: Option<TenantId>,
    },
}

/// Whom a call rings, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingPlan {
    /// Whose call it is.
    pub tenant: TenantId,
    /// Whose devices ring; a device of this user that registers while the call waits rings too.
    pub user: UserId,
    /// The devices known now.
    pub targets: Vec<Target>,
    /// Why it rings, e.g. `record_owner`: goes into the push and the timeline.
    pub why: String,
    /// The caller: E.164 if it could be read, else what came; empty when withheld.
    pub caller: String,
    /// The caller's name, if a record has the number.
    pub caller_name: Option<String>,
    /// The company number that was called, normalised; of a colleague the extension.
    pub called: String,
    /// What a decline on one device means for the others.
    pub decline: DeclinePolicy,
}

/// A device that a call may ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The device.
    pub device: DeviceId,
    /// Whether it has a push token.
    pub has_push: bool,
}

/// What the shell decided about a call of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboundDecision {
    /// Call somebody over a trunk.
    Dial(DialPlan),
    /// Call a colleague, like a call that comes in: it never leaves the house.
    Colleague(Decision),
    /// Refuse the device.
    Reject {
        /// The SIP status, 300 to 699; 380 tells the phone to use its own dialler (an emergency number).
        status: u16,
        /// How the call ended; it is persisted.
        outcome: Outcome,
    },
}

/// Whom a device calls, over which trunks and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialPlan {
    /// The trunks that are tried, in this order, until one takes the call.
    pub hops: Vec<Hop>,
    /// The company number that is shown to the far end: E.164.
    pub caller: String,
    /// Whom it calls: E.164, or an internal number as it was dialled.
    pub called: String,
    /// Why this way, e.g. `trunk`: goes into the timeline.
    pub why: String,
}

/// A trunk that may take a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The trunk: goes into the timeline.
    pub trunk: TrunkId,
    /// Where it takes calls, over UDP.
    pub address: SocketAddr,
    /// How many calls may go out through it at once; `None`: any number.
    pub max_calls: Option<u32>,
    /// What its 401 or 407 is answered with, once; `None`: with nothing.
    pub account: Option<TrunkAccount>,
}

/// A call that rings its own user first, and the far end when they have answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBack {
    /// The call, new.
    pub call: CallId,
    /// The user's devices. They are shown whom they call: `caller` is the far end's number and `called` the company number
    /// that the far end is shown.
    pub ring: RingPlan,
    /// The only device that may ring, if the user chose one.
    pub only: Option<DeviceId>,
    /// How the far end is called.
    pub dial: DialPlan,
}

/// What a decline on one device means for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeclinePolicy {
    /// The call is rejected.
    #[default]
    StopAll,
    /// The other devices ring on.
    RingOn,
}

/// What became of a wake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeReport {
    /// The call.
    pub call: CallId,
    /// The device.
    pub device: DeviceId,
    /// Which attempt, as in [`Output::Wake`](super::Output::Wake).
    pub attempt: u32,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub result: WakeResult,
}

/// How far a wake push came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeResult {
    /// The request was written to the provider's connection.
    Sent,
    /// The provider took it; its id.
    Accepted(String),
    /// It was not taken; a short reason without names, numbers or tokens.
    Failed(String),
}
