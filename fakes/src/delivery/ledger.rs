//! The ledger: every answer that a service gave.

use serde::Serialize;

use super::Service;

/// One answer of a service to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// The provider's id of the push: the `apns-id` or the FCM message name; empty when it has none.
    pub id: String,
    /// Which service.
    pub service: Service,
    /// The phone's push token, as the sender wrote it.
    pub token: String,
    /// When the answer was given, in milliseconds since 1970; an acceptance only if the status is 200.
    pub accepted_at: i64,
    /// The HTTP status.
    pub status: u16,
    /// The service's word for a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
