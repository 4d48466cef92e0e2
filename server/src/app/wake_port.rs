//! What the SIP edge asks of push, and what it is told back: the switchboard's own words.

use callfield_domain::{DeviceId, TenantId};
pub use callfield_sip::switchboard::{Missed, Wake as WakeRequest, WakeReport, WakeResult};
use tokio_util::sync::CancellationToken;

/// Something that push is asked for.
#[derive(Debug)]
pub enum PushRequest {
    /// Wake a device.
    Wake {
        /// Which, and what for.
        wake: WakeRequest,
        /// Cancelled when nobody waits for it any more.
        over: CancellationToken,
    },
    /// Tell a device of a call that it missed.
    Missed(Missed),
    /// Make a foreign softphone register again.
    Remind {
        /// Whose it is.
        tenant: TenantId,
        /// The device.
        device: DeviceId,
    },
}
