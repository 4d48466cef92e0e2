//! What a sender and its request tell each other while the request is on its way.

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Tells when a request was handed to the connection, and whether it may still be.
#[derive(Debug, Default)]
pub struct Handover {
    /// Notified when the connection has taken the whole request.
    pub written: Notify,
    /// Cancelled when nobody waits for the push any more: it is not sent from then on, not a second time either.
    pub over: CancellationToken,
}

impl Handover {
    /// A handover that is off once `over` is cancelled.
    pub fn until(over: CancellationToken) -> Self {
        Self { over, ..Self::default() }
    }
}
