//! The calls of this phone: seen by the core or by the platform, logged in two taps, without a network too.

use callfield_domain::{CallId, Direction, RecordId, Timestamp};
use callfield_mobile_core::journal::{self, Entry, EntryState, Medium};
use callfield_mobile_core::session::Session;

use crate::error::LogError;
use crate::runtime;

/// A call over the phone's own SIM, as the platform tells of it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NativeCall {
    /// The other party's number; `None` where the platform does not tell (iOS).
    pub number: Option<String>,
    /// Whether this phone called.
    pub is_outgoing: bool,
    /// When it began, milliseconds since 1970.
    pub started_at: i64,
    /// When it was answered.
    pub answered_at: Option<i64>,
    /// When it was over.
    pub ended_at: i64,
}

/// One call of the journal.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct JournalEntry {
    /// The call.
    pub call: String,
    /// Whether the phone's own SIM carried it.
    pub is_native: bool,
    /// Whether this phone called.
    pub is_outgoing: bool,
    /// The other party's number; `None` when withheld or not told.
    pub number: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// The record the number belongs to, if it is one only.
    pub record: Option<String>,
    /// When it began, milliseconds since 1970.
    pub started_at: i64,
    /// When it was over.
    pub ended_at: Option<i64>,
}

/// The after-call sheet; every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, uniffi::Record)]
pub struct LogForm {
    /// What the call was about, in one line.
    #[uniffi(default = None)]
    pub subject: Option<String>,
    /// What the call was for: a key of the picklist.
    #[uniffi(default = None)]
    pub purpose: Option<String>,
    /// What came of it: a key of the picklist.
    #[uniffi(default = None)]
    pub result: Option<String>,
    /// Anything else.
    #[uniffi(default = None)]
    pub details: Option<String>,
    /// Whom the user chose, where the number belongs to several or to nobody.
    #[uniffi(default = None)]
    pub contact: Option<String>,
    /// When to get back to them.
    #[uniffi(default = None)]
    pub follow_up: Option<FollowUp>,
}

/// When to get back to somebody.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum FollowUp {
    /// In 20 minutes.
    In20Minutes,
    /// Tomorrow at 9:00 local time.
    Tomorrow,
    /// On the next Monday at 9:00 local time.
    NextMonday,
    /// At a time the user picked, milliseconds since 1970.
    At {
        /// The time.
        time: i64,
    },
}

/// What logging made.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LoggedCall {
    /// The call's record.
    pub record: String,
    /// The follow-up task.
    pub follow_up: Option<String>,
}

/// The journal of one installation.
#[derive(uniffi::Object)]
pub struct Journal {
    session: Session,
}

impl Journal {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }
}

#[uniffi::export]
impl Journal {
    /// The calls that wait to be logged, newest first.
    pub async fn to_log(&self, limit: u32) -> Result<Vec<JournalEntry>, LogError> {
        let session = self.session.clone();
        runtime::run(async move {
            let entries = session.journal(EntryState::TO_LOG, limit)?;
            Ok(entries.into_iter().map(JournalEntry::from).collect())
        })
        .await
    }

    /// Enters a call over the phone's own SIM; the same call told twice is one entry. Returns its id.
    pub async fn native_call_observed(&self, seen: NativeCall) -> Result<String, LogError> {
        let session = self.session.clone();
        runtime::run(async move { Ok(session.native_call_observed(&seen.into())?.to_string()) }).await
    }

    /// Logs a call that is over, once; it is on the phone when this returns, and waits to be sent.
    pub async fn log(&self, call: String, form: LogForm) -> Result<LoggedCall, LogError> {
        let session = self.session.clone();
        runtime::run(async move {
            let call: CallId = call.parse().map_err(|_| bad("call"))?;
            let logged = session.log(call, &form.try_into()?)?;
            Ok(LoggedCall {
                record: logged.record.to_string(),
                follow_up: logged.follow_up.map(|record| record.to_string()),
            })
        })
        .await
    }
}

fn bad(what: &str) -> LogError {
    LogError::BadInput { what: what.to_owned() }
}

impl From<NativeCall> for journal::NativeCall {
    fn from(seen: NativeCall) -> Self {
        Self {
            number: seen.number,
            direction: if seen.is_outgoing { Direction::Outbound } else { Direction::Inbound },
            started_at: Timestamp::from_millis(seen.started_at),
            answered_at: seen.answered_at.map(Timestamp::from_millis),
            ended_at: Timestamp::from_millis(seen.ended_at),
        }
    }
}

impl TryFrom<LogForm> for journal::LogForm {
    type Error = LogError;

    fn try_from(form: LogForm) -> Result<Self, LogError> {
        let contact = form.contact.map(|id| id.parse::<RecordId>()).transpose().map_err(|_| bad("contact"))?;
        Ok(Self {
            subject: form.subject,
            purpose: form.purpose,
            result: form.result,
            details: form.details,
            contact,
            follow_up: form.follow_up.map(|follow_up| match follow_up {
                FollowUp::In20Minutes => journal::FollowUp::In20Minutes,
                FollowUp::Tomorrow => journal::FollowUp::Tomorrow,
                FollowUp::NextMonday => journal::FollowUp::NextMonday,
                FollowUp::At { time } => journal::FollowUp::At(Timestamp::from_millis(time)),
            }),
            follow_up_subject: None,
        })
    }
}

impl From<Entry> for JournalEntry {
    fn from(entry: Entry) -> Self {
        Self {
            call: entry.call.to_string(),
            is_native: entry.medium == Medium::Native,
            is_outgoing: entry.direction == Direction::Outbound,
            number: entry.number,
            name: entry.name,
            record: entry.record.map(|record| record.to_string()),
            started_at: entry.started_at.as_millis(),
            ended_at: entry.ended_at.map(Timestamp::as_millis),
        }
    }
}
