//! Why a device was not woken, and what that says about its token.

use callfield_domain::Timestamp;
use callfield_domain::wake::WakeError;

use crate::db::DbError;
use crate::push::apns::ApnsError;
use crate::push::fcm::FcmError;

/// Why a device was not woken.
#[derive(Debug, thiserror::Error)]
pub(in crate::push) enum WakeFailure {
    #[error("the device is unknown")]
    UnknownDevice,
    #[error("the device has no push token")]
    NoToken,
    #[error("the push token is dead: {0}")]
    DeadToken(String),
    #[error("the push service is not configured")]
    NotConfigured,
    #[error("the ring limit is over")]
    TooLate,
    #[error("the call is over")]
    CallOver,
    #[error("the device named no address for alerts")]
    NoAlerts,
    #[error(transparent)]
    Unsealed(#[from] WakeError),
    #[error("the database: {0}")]
    Database(#[from] DbError),
    #[error("apns: {0}")]
    Apns(#[from] ApnsError),
    #[error("fcm: {0}")]
    Fcm(#[from] FcmError),
}

impl WakeFailure {
    /// What is reported and stored: the reason, and how long the service wants to be left alone.
    pub(in crate::push) fn text(&self) -> String {
        let retry_after = match self {
            Self::Apns(error) => error.retry_after(),
            Self::Fcm(error) => error.retry_after(),
            Self::UnknownDevice
            | Self::NoToken
            | Self::DeadToken(_)
            | Self::NotConfigured
            | Self::TooLate
            | Self::CallOver
            | Self::NoAlerts
            | Self::Unsealed(_)
            | Self::Database(_) => None,
        };
        retry_after.map_or_else(|| self.to_string(), |wait| format!("{self}, retry after {} s", wait.as_secs()))
    }

    /// Whether the service says that a token registered at `registered_at` is dead.
    pub(in crate::push) fn condemns(&self, registered_at: Timestamp) -> bool {
        match self {
            Self::Apns(error) => error.condemns(registered_at),
            Self::Fcm(error) => error.condemns(),
            Self::UnknownDevice
            | Self::NoToken
            | Self::DeadToken(_)
            | Self::NotConfigured
            | Self::TooLate
            | Self::CallOver
            | Self::NoAlerts
            | Self::Unsealed(_)
            | Self::Database(_) => false,
        }
    }
}
