//! What other parts ask of the SIP edge.

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId, TenantId, UserId};
use tokio::sync::{mpsc, oneshot};

use super::wake_port::WakeReport;

/// A device whose token was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Its company.
    pub tenant: TenantId,
    /// Its user.
    pub user: UserId,
    /// The installation.
    pub device: DeviceId,
}

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
    /// What became of a wake push.
    WakeReported(WakeReport),
}

/// How a call stands for a device that was woken for it; its API words are the snake_case forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WokenCallState {
    /// Still parked or ringing: connect and register.
    Ringing,
    /// The caller gave up.
    Cancelled,
    /// Another device answered.
    AnsweredElsewhere,
    /// It ended some other way.
    Over,
    /// This server never had such a call for this device.
    Unknown,
}
