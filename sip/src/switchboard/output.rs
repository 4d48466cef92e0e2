//! What a [`Switchboard`](super::Switchboard) wants done.

use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::{CallFacts, CallId, DeviceId, Outcome, TenantId, TimelineEvent, Timestamp, TrunkId};

use super::{ConnectionId, DeviceIdentity, DeviceKind, Flow, PushOffer, RegistrationState, Side};
use crate::transaction::ServerId;

/// An effect, or a question to the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this, as one datagram, one text frame or a stretch of the stream.
    Transmit {
        /// Where to.
        flow: Flow,
        /// What.
        bytes: Bytes,
    },
    /// Close a stream; `ConnectionClosed` is still expected for it.
    CloseConnection {
        /// The stream.
        connection: ConnectionId,
    },
    /// Somebody calls: what now? Answered by [`Input::Routed`](super::Input::Routed).
    RouteWanted(RouteQuestion),
    /// Make the SDP offer for one device. Answered by [`Input::BranchOffered`](super::Input::BranchOffered).
    ///
    /// Asked again, once per INVITE, for a device whose first INVITE was lost, or who cannot encrypt.
    BranchOfferWanted {
        /// The call.
        call: CallId,
        /// The device that will get the offer.
        device: DeviceId,
        /// What it is: media of a phone is encrypted, that of a desk phone only if its signalling is.
        kind: DeviceKind,
        /// The caller's offer; `None` if the caller wants to be offered to (late offer).
        caller_sdp: Option<Bytes>,
        /// What calls if it is a device of a colleague: a phone must offer encrypted media.
        caller_kind: Option<DeviceKind>,
    },
    /// A device answered, first of all: join the two. Answered by [`Input::CallerAnswer`](super::Input::CallerAnswer).
    ///
    /// At most once a call; media of the other devices' offers can be let go.
    AnswerWanted {
        /// The call.
        call: CallId,
        /// The device that answered.
        device: DeviceId,
        /// Its SDP answer.
        device_sdp: Bytes,
    },
    /// A late-offer caller answered the SDP it got: it came in the ACK.
    CallerAccepted {
        /// The call.
        call: CallId,
        /// The caller's SDP answer.
        sdp: Bytes,
    },
    /// A device calls somebody: over which trunk, and as whom? Answered by
    /// [`Input::OutboundRouted`](super::Input::OutboundRouted).
    OutboundRouteWanted(OutboundQuestion),
    /// Make the SDP offer for the trunk of an outbound call, once.
    /// Answered by [`Input::TrunkOffered`](super::Input::TrunkOffered).
    TrunkOfferWanted {
        /// The call.
        call: CallId,
        /// The device that calls.
        device: DeviceId,
        /// What it is: a phone must offer encrypted media.
        kind: DeviceKind,
        /// Its SDP offer.
        device_sdp: Bytes,
    },
    /// The far end of an outbound call answered: join the two, once.
    /// Answered by [`Input::DeviceAnswer`](super::Input::DeviceAnswer).
    DeviceAnswerWanted {
        /// The call.
        call: CallId,
        /// The trunk's SDP answer.
        trunk_sdp: Bytes,
    },
    /// A device of the user who calls answered: make the SDP offer for the far end, once, of the device's answer.
    /// Answered by [`Input::FarOffered`](super::Input::FarOffered).
    FarOfferWanted {
        /// The call.
        call: CallId,
        /// The device that answered.
        device: DeviceId,
        /// Its SDP answer.
        device_sdp: Bytes,
    },
    /// The far end of a call that rang its own user first answered: join the two, once.
    /// Answered by [`Input::FarJoined`](super::Input::FarJoined).
    FarAnswered {
        /// The call.
        call: CallId,
        /// The far end's SDP answer.
        far_sdp: Bytes,
    },
    /// What became of a wish to call back.
    CallbackBegun {
        /// The call.
        call: CallId,
        /// Why there is none; nothing is persisted then.
        refused: Option<CallbackRefusal>,
    },
    /// What became of the wish to end a call that rang its own user first.
    CallbackEnded {
        /// The call.
        call: CallId,
        /// Whether there was one.
        is_found: bool,
    },
    /// Somebody logs in: which account has this name? Answered by [`Input::Credentials`](super::Input::Credentials), also
    /// if there is none, and after the same time.
    CredentialsWanted {
        /// The login.
        login: ServerId,
        /// The user name that was given.
        user: String,
    },
    /// A softphone says where it is woken, or, without an offer, that it is not any more: keep that.
    /// Answered by [`Input::PushStored`](super::Input::PushStored).
    PushOffered {
        /// The login.
        login: ServerId,
        /// Which device, proven.
        identity: DeviceIdentity,
        /// Where it is woken.
        offer: Option<PushOffer>,
    },
    /// Push this softphone, quietly, so that it registers again.
    RefreshWanted {
        /// Whose it is.
        tenant: TenantId,
        /// The device.
        device: DeviceId,
        /// 0 for the first since it registered last.
        attempt: u32,
    },
    /// A desk phone has proved who it is: what comes from there is no stranger's.
    Proven {
        /// Where it spoke from.
        flow: Flow,
    },
    /// A leg of a call that talks changes: make its SDP. Answered by [`Input::ChangeMade`](super::Input::ChangeMade).
    ///
    /// Of one leg only one such question is open at a time.
    ChangeWanted {
        /// The call.
        call: CallId,
        /// Which leg.
        side: Side,
        /// The offer to be answered; `None` if an offer is wanted: [`Output::ChangeAnswered`] follows.
        offer: Option<Bytes>,
    },
    /// What became of the last offer that was made for a leg.
    ChangeAnswered {
        /// The call.
        call: CallId,
        /// Which leg.
        side: Side,
        /// The answer; `None` if the offer was refused or crossed another: the leg stays as it was.
        answer: Option<Bytes>,
    },
    /// Whoever is outside is to be passed on: make the SDP offer for the target, in the codecs of the outside leg.
    /// Answered by [`Input::TransferOffered`](super::Input::TransferOffered).
    TransferOfferWanted {
        /// The call whose end is passed on.
        call: CallId,
    },
    /// The target answered: it takes the device's place. Answered by
    /// [`Input::TransferAnswered`](super::Input::TransferAnswered); the outside leg is then renewed.
    TransferAnswerWanted {
        /// The call whose end is passed on.
        call: CallId,
        /// The target's SDP answer.
        target_sdp: Bytes,
    },
    /// The target is not there, or not any more: what was made for its offer, unless it was joined, can be let go.
    TransferEnded {
        /// The call whose end was to be passed on.
        call: CallId,
    },
    /// No media flows any longer (or ever) for this call. Exactly once for each call that was to be `Ring`ed or `Dial`led.
    MediaEnded {
        /// The call.
        call: CallId,
    },
    /// Push this device awake. Never after the call's end.
    Wake(Wake),
    /// A call is over that this device never rang for: tell its user. At most once for each call and device.
    Missed(Missed),
    /// Write the call's row with its outcome, durably, then answer [`Input::Persisted`](super::Input::Persisted).
    /// Exactly once for each call that belongs to a tenant; the far end hears of the end only then.
    Persist(CallFacts),
    /// The call moved on (rings, was answered). For views and the live row; nothing waits for it.
    CallChanged(CallFacts),
    /// A registration at a trunk stands otherwise than before.
    TrunkRegistration {
        /// The trunk.
        trunk: TrunkId,
        /// How.
        state: RegistrationState,
    },
    /// One entry of the why-it-rang timeline.
    Timeline {
        /// The call.
        call: CallId,
        /// The entry.
        event: TimelineEvent,
    },
}

/// Why a user is not called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackRefusal {
    /// The call's id is that of another call.
    Reused,
    /// None of the user's devices, or not the chosen one, is there or can be woken.
    NoDevice,
    /// The user or the company has called enough; the name of the cap.
    Capped(&'static str),
    /// The edge has as many calls as it may.
    Full,
}

/// Who calls whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteQuestion {
    /// The call, new.
    pub call: CallId,
    /// The address the INVITE came from: the only thing that is proven about the caller.
    pub source: SocketAddr,
    /// The trunk, and whose it is, if the call came on a registration at it: `to` is then of the To header.
    pub registration: Option<(TenantId, TrunkId)>,
    /// The user part of the caller's URI (P-Asserted-Identity, else From); empty when withheld.
    pub from: String,
    /// The display name that came with it; nothing vouches for it.
    pub from_name: Option<String>,
    /// The user part of the Request-URI: the number that was called.
    pub to: String,
}

/// Which device calls whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundQuestion {
    /// The call; the phone chose the id, so it may be one that exists already.
    pub call: CallId,
    /// The device that calls, proven by its connection.
    pub device: DeviceIdentity,
    /// The user part of the Request-URI, or of what a REFER names: whom it calls, as the person wrote it.
    pub to: String,
    /// The call whose end is to be passed on there; the id is then one of the edge's own, and no call for anybody else.
    pub transfers: Option<CallId>,
}

/// A push to be sent at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake {
    /// Whose call it is.
    pub tenant: TenantId,
    /// The call.
    pub call: CallId,
    /// The device to wake.
    pub device: DeviceId,
    /// When the ring limit ends; a push that arrives later must not ring.
    pub expires_at: Timestamp,
    /// 0 for the first push of this device and call, then 1, 2 for its retries.
    pub attempt: u32,
    /// The caller as in the plan; empty when withheld.
    pub from: String,
    /// The caller's name, if a record has the number.
    pub name: Option<String>,
    /// Why it rings, as in the plan.
    pub why: String,
}

/// A call that a device never rang for, and that nobody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Whose call it was.
    pub tenant: TenantId,
    /// The call.
    pub call: CallId,
    /// The device that did not ring.
    pub device: DeviceId,
    /// When the call came.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The caller as in the plan; empty when withheld.
    pub from: String,
    /// The caller's name, if a record has the number.
    pub name: Option<String>,
    /// Why it would have rung, as in the plan.
    pub why: String,
}
