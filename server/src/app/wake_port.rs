//! What the SIP edge asks of push.

use callfield_domain::{CallId, DeviceId, TenantId, Timestamp};

/// Wake one device for one call, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeRequest {
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
    /// The caller as the sealed box shows it: E.164 or what came; empty when withheld.
    pub from: String,
    /// The caller's name, if a record has the number.
    pub name: Option<String>,
    /// Why it rings, e.g. `record_owner`.
    pub why: String,
}

/// What became of a wake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WakeReport {
    /// The call.
    pub call: CallId,
    /// The device.
    pub device: DeviceId,
    /// Which attempt.
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
