//! The journal: every call the phone took part in or saw, and what its user wrote about it.
//!
//! An entry is live while the call is, then waits to be logged, through airplane mode and kills. Logging writes the
//! call's record (the user's half; the server owns times and outcome) and the follow-up task in one transaction.

mod form;
mod logging;
mod observing;

use callfield_domain::{CallId, Direction, Outcome, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

pub use form::{FollowUp, LogForm};
pub use logging::{JournalError, Logged, keep_private, log, log_no_answer, save_draft, set_aside};
pub use observing::{
    NativeCall, SipCall, end_calls_of_a_killed_process, native_call_observed, sip_call_answered, sip_call_began,
    sip_call_ended, sip_call_missed,
};

/// One call in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The call; for a native call an id that the phone made.
    pub call: CallId,
    /// What carried it.
    pub medium: Medium,
    /// Who began it.
    pub direction: Direction,
    /// The other party's number, E.164 where it has that form; `None` when withheld or not told.
    pub number: Option<String>,
    /// The record the number belongs to, if it belongs to one only.
    pub record: Option<RecordId>,
    /// The name on the call screen.
    pub name: Option<String>,
    /// When it began, by the phone's clock.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// How it ended, as the phone saw it; the server's word outranks it.
    pub outcome: Option<Outcome>,
    /// How far logging is.
    pub state: EntryState,
    /// What was filled in so far, or what was logged.
    pub form: Option<LogForm>,
}

/// What carried a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// The company's telephone system.
    Sip,
    /// The phone's own SIM, seen by the platform.
    #[serde(rename = "sim")]
    Native,
}

/// How far logging is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// The call is not over.
    Live,
    /// It waits to be logged.
    ToLog,
    /// The user said "later"; it waits, and asks no more by itself.
    Later,
    /// It is logged.
    Logged,
    /// It is nobody's business; nothing of it leaves the phone.
    Private,
    /// Its number is not to be logged.
    Ignored,
    /// Another device took it: it is theirs to log.
    Elsewhere,
}

impl EntryState {
    /// The states of the to-log list.
    pub const TO_LOG: &'static [Self] = &[Self::ToLog, Self::Later];
    /// Every state, for the history.
    pub const ALL: &'static [Self] =
        &[Self::Live, Self::ToLog, Self::Later, Self::Logged, Self::Private, Self::Ignored, Self::Elsewhere];
}

#[cfg(test)]
mod tests;
