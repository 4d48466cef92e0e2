//! What other parts ask of the SIP edge.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use callfield_domain::{CallId, DeviceId};
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
    /// A device's account is gone.
    DeviceRevoked(DeviceId),
    /// What became of a wake push.
    WakeReported(WakeReport),
}
