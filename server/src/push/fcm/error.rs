//! What FCM says when it does not take a message.

use std::fmt;
use std::time::Duration;

use callfield_domain::Timestamp;
use serde::Deserialize;

use crate::push::connection::{Answer, TransportError};
use crate::push::retry_after::retry_after;

/// The one sentence by which Google tells a malformed token from a malformed request.
const NOT_A_TOKEN: &str = "not a valid FCM registration token";

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FcmError {
    /// Google refused it.
    #[error("{code} ({status})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// FCM's code, or Google's status where there is none.
        code: Code,
        /// Whether the refusal is about the token being none at all.
        is_not_a_token: bool,
        /// How long Google wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Google's token endpoint gave no access token.
    #[error("no access token: {error} ({status})")]
    NoAccessToken {
        /// The HTTP status.
        status: u16,
        /// OAuth's error.
        error: String,
        /// How long Google wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Google was not reached or did not answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The message cannot be made: the key signs nothing.
    #[error("the request cannot be made")]
    Unsendable,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// FCM's code for a refusal.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// A code that this build does not know.
            Other(String),
        }

        impl From<String> for Code {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$name,)*
                    _ => Self::Other(word),
                }
            }
        }

        impl fmt::Display for Code {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $word,)*
                    Self::Other(word) => word,
                })
            }
        }
    };
}

codes! {
    /// The app was removed or its token replaced.
    Unregistered = "UNREGISTERED",
    /// The token belongs to another project: the configuration is wrong, not the token.
    SenderIdMismatch = "SENDER_ID_MISMATCH",
    /// The message or the token is malformed.
    InvalidArgument = "INVALID_ARGUMENT",
    /// Too much for this device, topic or project.
    QuotaExceeded = "QUOTA_EXCEEDED",
    /// Too much of something else.
    ResourceExhausted = "RESOURCE_EXHAUSTED",
    /// Overloaded, for now.
    Unavailable = "UNAVAILABLE",
    /// Google's fault.
    Internal = "INTERNAL",
    /// Apple or a web push service did not believe the project.
    ThirdPartyAuthError = "THIRD_PARTY_AUTH_ERROR",
    /// The access token is not believed.
    Unauthenticated = "UNAUTHENTICATED",
    /// The service account may not send for this project.
    PermissionDenied = "PERMISSION_DENIED",
    /// There is no such project or method.
    NotFound = "NOT_FOUND",
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
    status: String,
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
}

impl FcmError {
    /// The refusal that an answer is.
    pub(super) fn of(answer: &Answer, now: Timestamp) -> Self {
        let Body { error } = serde_json::from_slice(&answer.body).unwrap_or_default();
        let code = error.details.into_iter().find_map(|detail| detail.error_code);
        Self::Refused {
            status: answer.status,
            code: Code::from(code.unwrap_or(error.status)),
            is_not_a_token: error.message.contains(NOT_A_TOKEN),
            retry_after: retry_after(&answer.headers, now),
        }
    }

    /// FCM's code, if FCM answered.
    pub fn code(&self) -> Option<&Code> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::NoAccessToken { .. } | Self::Transport(_) | Self::Unsendable => None,
        }
    }

    /// Whether the token is dead: removed, or none at all. No other refusal says anything about the token.
    pub fn condemns(&self) -> bool {
        match self {
            Self::Refused { code: Code::Unregistered, .. } => true,
            Self::Refused { code: Code::InvalidArgument, is_not_a_token, .. } => *is_not_a_token,
            Self::Refused { .. } | Self::NoAccessToken { .. } | Self::Transport(_) | Self::Unsendable => false,
        }
    }

    /// How long the service wants to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::NoAccessToken { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::Unsendable => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;

    fn refused(status: u16, body: &'static str) -> FcmError {
        let answer = Answer { status, headers: HeaderMap::new(), body: Bytes::from_static(body.as_bytes()) };
        FcmError::of(&answer, Timestamp::ZERO)
    }

    #[test]
    fn only_what_is_about_the_token_condemns_it() {
        let gone = r#"{"error":{"code":404,"status":"NOT_FOUND","details":[{"errorCode":"UNREGISTERED"}]}}"#;
        assert!(refused(404, gone).condemns());
        assert!(!refused(404, r#"{"error":{"code":404,"status":"NOT_FOUND"}}"#).condemns());
        let no_token = r#"{"error":{"status":"INVALID_ARGUMENT",
            "message":"The registration token is not a valid FCM registration token"}}"#;
        assert!(refused(400, no_token).condemns());
        let wrong_message = r#"{"error":{"status":"INVALID_ARGUMENT","message":"Invalid value at 'message.data'"}}"#;
        assert!(!refused(400, wrong_message).condemns());
        let mismatch = r#"{"error":{"status":"PERMISSION_DENIED","details":[{"errorCode":"SENDER_ID_MISMATCH"}]}}"#;
        assert_eq!(refused(403, mismatch).code(), Some(&Code::SenderIdMismatch));
        assert!(!refused(403, mismatch).condemns());
    }

    #[test]
    fn an_answer_that_is_no_json_is_still_an_error() {
        assert_eq!(refused(502, "<html>").to_string(), " (502)");
        assert_eq!(refused(500, r#"{"error":{"status":"DATA_LOSS"}}"#).to_string(), "DATA_LOSS (500)");
    }
}
