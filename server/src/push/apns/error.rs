//! What APNs says when it does not take a push.

use std::fmt;
use std::time::Duration;

use callfield_domain::Timestamp;
use serde::Deserialize;

use crate::push::connection::{Answer, TransportError};
use crate::push::retry_after::retry_after;

/// Why a push was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApnsError {
    /// Apple refused it.
    #[error("{reason} ({status})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Apple's reason.
        reason: Reason,
        /// Since when the token is dead, for [`Reason::Unregistered`] and [`Reason::ExpiredToken`].
        since: Option<Timestamp>,
        /// How long Apple wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Apple was not reached or did not answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The push cannot be made: the key signs nothing or the token is no path.
    #[error("the request cannot be made")]
    Unsendable,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Apple's reason for a refusal, in Apple's words.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            /// A reason that this build does not know.
            Other(String),
        }

        impl From<String> for Reason {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $(stringify!($name) => Self::$name,)*
                    _ => Self::Other(word),
                }
            }
        }

        impl fmt::Display for Reason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Other(word) => word,
                })
            }
        }
    };
}

reasons! {
    /// The collapse id is too long.
    BadCollapseId,
    /// No installation of this environment has this token.
    BadDeviceToken,
    /// The expiration is no number.
    BadExpirationDate,
    /// The `apns-id` is no UUID.
    BadMessageId,
    /// The priority does not fit the push type.
    BadPriority,
    /// The topic is malformed.
    BadTopic,
    /// The token belongs to another topic.
    DeviceTokenNotForTopic,
    /// A header came twice.
    DuplicateHeaders,
    /// The connection was idle for too long.
    IdleTimeout,
    /// The push type is unknown or does not fit the topic.
    InvalidPushType,
    /// No token in the path.
    MissingDeviceToken,
    /// No topic.
    MissingTopic,
    /// No payload.
    PayloadEmpty,
    /// The key may not push to this topic.
    TopicDisallowed,
    /// The certificate is bad.
    BadCertificate,
    /// The certificate is of the other environment.
    BadCertificateEnvironment,
    /// The provider token is over an hour old.
    ExpiredProviderToken,
    /// Not allowed.
    Forbidden,
    /// The provider token is not signed by this team's key.
    InvalidProviderToken,
    /// No provider token.
    MissingProviderToken,
    /// The path is wrong.
    BadPath,
    /// Not a POST.
    MethodNotAllowed,
    /// The token has expired.
    ExpiredToken,
    /// The app was removed.
    Unregistered,
    /// The payload is too large.
    PayloadTooLarge,
    /// The provider token is changed too often.
    TooManyProviderTokenUpdates,
    /// Too many pushes to one device.
    TooManyRequests,
    /// Apple's fault.
    InternalServerError,
    /// Apple's fault, for now.
    ServiceUnavailable,
    /// Apple's server is shutting down.
    Shutdown,
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    reason: String,
    timestamp: Option<i64>,
}

impl ApnsError {
    /// The refusal that an answer is.
    pub(super) fn of(answer: &Answer, now: Timestamp) -> Self {
        let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
        Self::Refused {
            status: answer.status,
            reason: Reason::from(body.reason),
            since: body.timestamp.map(Timestamp::from_millis),
            retry_after: retry_after(&answer.headers, now),
        }
    }

    /// Apple's reason, if Apple answered.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            Self::Transport(_) | Self::Unsendable => None,
        }
    }

    /// Whether a token that was registered at `registered_at` is dead: only a 410 whose timestamp is newer says so.
    pub fn condemns(&self, registered_at: Timestamp) -> bool {
        match self {
            Self::Refused { status: 410, since: Some(since), .. } => *since > registered_at,
            Self::Refused { .. } | Self::Transport(_) | Self::Unsendable => false,
        }
    }

    /// How long the service wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::Unsendable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn refused(status: u16, body: &'static str) -> ApnsError {
        let answer = Answer { status, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) };
        ApnsError::of(&answer, Timestamp::ZERO)
    }

    #[test]
    fn a_token_is_dead_only_if_apple_found_out_after_it_was_registered() {
        let error = refused(410, r#"{"reason":"Unregistered","timestamp":5000}"#);
        assert!(error.condemns(Timestamp::from_millis(4_999)));
        assert!(!error.condemns(Timestamp::from_millis(5_000)));
        assert!(!refused(410, r#"{"reason":"Unregistered"}"#).condemns(Timestamp::ZERO));
        assert!(!refused(400, r#"{"reason":"BadDeviceToken"}"#).condemns(Timestamp::ZERO));
    }

    #[test]
    fn a_reason_of_tomorrow_is_kept_as_it_came() {
        let error = refused(418, r#"{"reason":"TeapotEmpty"}"#);
        assert_eq!(error.reason(), Some(&Reason::Other("TeapotEmpty".to_owned())));
        assert_eq!(error.to_string(), "TeapotEmpty (418)");
        assert_eq!(refused(503, "<html>").reason(), Some(&Reason::Other(String::new())));
    }
}
