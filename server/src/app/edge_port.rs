//! What other parts ask of the SIP edge.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, TenantId, UserId};
use tokio::sync::{mpsc, oneshot};

pub use callfield_sip::switchboard::{DeviceIdentity, WokenCallState};

use super::wake_port::WakeReport;

/// Something the edge is told or asked.
#[derive(Debug)]
pub enum EdgeCommand {
    /// A device opened `/sip`; frames flow until either channel is closed.
    Connected {
        /// Who it is.
        identity: DeviceIdentity,
        /// Frames from the device, one SIP message each.
        received: mpsc::Receiver<Bytes>,
        /// Frames to the device; bounded: a full one drops the connection.
        to_device: mpsc::Sender<Bytes>,
        /// Bytes of those that are not written; bounded too.
        waiting: Arc<AtomicUsize>,
    },
    /// A woken device asks how its call stands.
    CallState {
        /// The device that asks.
        identity: DeviceIdentity,
        /// The call its push named.
        call: CallId,
        /// The answer.
        reply: oneshot::Sender<WokenCallState>,
    },
    /// A user wants to call somebody and be rung first.
    CallBack {
        /// What they want.
        ask: CallbackAsk,
        /// The call, which rings their devices now, or why there is none.
        reply: oneshot::Sender<Result<CallId, CallbackError>>,
    },
    /// A call that rang its own user first is not wanted any more.
    EndCallback {
        /// The call.
        call: CallId,
        /// Whose it must be.
        tenant: TenantId,
        /// Whose it must be; `None` for an administrator.
        user: Option<UserId>,
        /// Whether there was such a call.
        reply: oneshot::Sender<bool>,
    },
    /// A device's account is gone.
    DeviceRevoked(DeviceId),
    /// What became of a wake push.
    WakeReported(WakeReport),
}

/// Whom a user wants to call, and on which of their devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackAsk {
    /// The company.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The number, as a person wrote it.
    pub to: String,
    /// The only device that is to ring; `None`: all of the user's.
    pub device: Option<DeviceId>,
}

/// Why a user is not rung for a call of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallbackError {
    /// The number is for a phone's own dialler.
    Emergency,
    /// It is no number.
    NoNumber,
    /// The company may not call it (T2).
    Blocked,
    /// It is a colleague, who is called directly.
    Colleague,
    /// The company has no trunk that takes calls, or no number to show.
    NoWayOut,
    /// The user has no device.
    NotEnrolled,
    /// The chosen device is not the user's.
    ForeignDevice,
    /// No device that may ring is there or can be woken.
    NoDeviceReachable,
    /// The user or the company has called enough.
    Capped,
    /// Something does not answer.
    Unavailable,
}
