//! Why a device was not woken, and what that says about its token.

use callfield_domain::Timestamp;
use callfield_domain::wake::WakeError;

use crate::app::vault::OpenError;
use crate::db::DbError;
use crate::push::apns::ApnsError;
use crate::push::connection::TransportError;
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
    #[error(transparent)]
    Locked(#[from] OpenError),
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
            | Self::Locked(_)
            | Self::Database(_) => None,
        };
        retry_after.map_or_else(|| self.to_string(), |wait| format!("{self}, retry after {} s", wait.as_secs()))
    }

    /// The kind of it, for counting.
    pub(in crate::push) const fn kind(&self) -> &'static str {
        match self {
            Self::UnknownDevice => "unknown_device",
            Self::NoToken => "no_token",
            Self::DeadToken(_) => "dead_token",
            Self::NotConfigured => "not_configured",
            Self::TooLate => "too_late",
            Self::CallOver | Self::Apns(ApnsError::Transport(TransportError::Unwanted)) => "call_over",
            Self::Fcm(FcmError::Transport(TransportError::Unwanted)) => "call_over",
            Self::NoAlerts => "no_alerts",
            Self::Unsealed(_) => "unsealed",
            Self::Locked(_) => "locked",
            Self::Database(_) => "database",
            Self::Apns(ApnsError::Transport(_)) => "apns_unreachable",
            Self::Apns(_) => "apns_refused",
            Self::Fcm(FcmError::Transport(_)) => "fcm_unreachable",
            Self::Fcm(_) => "fcm_refused",
        }
    }

    /// Counts it.
    pub(in crate::push) fn count(&self) {
        metrics::counter!("callfield_push_failed_total", "reason" => self.kind()).increment(1);
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
            | Self::Locked(_)
            | Self::Database(_) => false,
        }
    }
}
