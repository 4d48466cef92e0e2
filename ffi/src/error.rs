//! What can go wrong, as few codes without personal data; the app owns the words.

use callfield_mobile_core::journal;
use callfield_mobile_core::session::SessionError;
use callfield_mobile_core::transport::ApiError;
use callfield_mobile_core::writer::WriteError;
use thiserror::Error;

use crate::runtime::Broken;

/// Why the core could not do as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error, uniffi::Error)]
pub enum CoreError {
    /// The installation belongs to no account yet.
    #[error("not enrolled")]
    NotEnrolled,
    /// An argument cannot be used; `what` names it.
    #[error("unusable {what}")]
    BadInput {
        /// The argument.
        what: String,
    },
    /// The server cannot be reached; trying again later may help.
    #[error("unreachable")]
    Unreachable,
    /// The server said no.
    #[error("refused: {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The API's word for the reason.
        code: String,
    },
    /// The deadline passed; the next attempt goes on where this one stopped.
    #[error("stopped")]
    Stopped,
    /// The data folder or the store cannot be used; `code` says how.
    #[error("store: {code}")]
    Store {
        /// `newer`, or `failed`.
        code: String,
    },
    /// The core broke; nothing was changed half-way.
    #[error("broken")]
    Broken,
}

/// Why a record could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error, uniffi::Error)]
pub enum RecordError {
    /// The installation belongs to no account yet.
    #[error("not enrolled")]
    NotEnrolled,
    /// An argument cannot be used; `what` names it.
    #[error("unusable {what}")]
    BadInput {
        /// The argument.
        what: String,
    },
    /// The phone does not hold the record.
    #[error("unknown record")]
    Unknown,
    /// The values do not fit the record.
    #[error("the values do not fit")]
    Invalid,
    /// The store or the core broke; nothing was changed half-way.
    #[error("broken")]
    Broken,
}

/// Why a call could not be logged.
#[derive(Debug, Clone, PartialEq, Eq, Error, uniffi::Error)]
pub enum LogError {
    /// The installation belongs to no account yet.
    #[error("not enrolled")]
    NotEnrolled,
    /// An argument cannot be used; `what` names it.
    #[error("unusable {what}")]
    BadInput {
        /// The argument.
        what: String,
    },
    /// The journal does not hold the call.
    #[error("unknown call")]
    UnknownCall,
    /// The call is not over.
    #[error("still live")]
    StillLive,
    /// It was logged before; a log is written once.
    #[error("logged already")]
    AlreadyLogged,
    /// The values do not fit the record.
    #[error("the values do not fit")]
    Invalid,
    /// The store or the core broke; nothing was changed half-way.
    #[error("broken")]
    Broken,
}

impl CoreError {
    pub(crate) fn bad(what: &str) -> Self {
        Self::BadInput { what: what.to_owned() }
    }
}

impl From<Broken> for CoreError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<Broken> for RecordError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<Broken> for LogError {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

impl From<SessionError> for CoreError {
    fn from(error: SessionError) -> Self {
        use callfield_mobile_core::store::StoreError;
        match error {
            SessionError::NotEnrolled | SessionError::Write(WriteError::NotEnrolled) => Self::NotEnrolled,
            SessionError::Api(ApiError::Unreachable(_)) => Self::Unreachable,
            SessionError::Api(ApiError::Refused { status, code, .. }) => Self::Refused { status, code },
            SessionError::Api(ApiError::BadAnswer) => Self::Refused { status: 0, code: "bad_answer".to_owned() },
            SessionError::Transport(_) => Self::bad("server"),
            SessionError::Store(StoreError::Newer { .. }) => Self::Store { code: "newer".to_owned() },
            SessionError::Store(_) => Self::Store { code: "failed".to_owned() },
            SessionError::Stopped => Self::Stopped,
            SessionError::Emergency | SessionError::NoNumber => Self::bad("number"),
            SessionError::Journal(_) | SessionError::Write(_) | SessionError::NoRandomness(_) => Self::Broken,
        }
    }
}

impl From<SessionError> for RecordError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NotEnrolled => Self::NotEnrolled,
            SessionError::Write(error) => error.into(),
            _ => Self::Broken,
        }
    }
}

impl From<WriteError> for RecordError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotEnrolled => Self::NotEnrolled,
            WriteError::UnknownRecord(_) => Self::Unknown,
            WriteError::Edit(_) => Self::Invalid,
            WriteError::Store(_) => Self::Broken,
        }
    }
}

impl From<SessionError> for LogError {
    fn from(error: SessionError) -> Self {
        use journal::JournalError;
        match error {
            SessionError::NotEnrolled | SessionError::Journal(JournalError::Write(WriteError::NotEnrolled)) => {
                Self::NotEnrolled
            }
            SessionError::Journal(JournalError::UnknownCall(_)) => Self::UnknownCall,
            SessionError::Journal(JournalError::StillLive) => Self::StillLive,
            SessionError::Journal(JournalError::AlreadyLogged) => Self::AlreadyLogged,
            SessionError::Journal(JournalError::Write(WriteError::Edit(_))) => Self::Invalid,
            _ => Self::Broken,
        }
    }
}
