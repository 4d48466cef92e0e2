//! Logging a call: the user's half of the call's record and the follow-up task, in one transaction.

use callfield_domain::{CallId, Direction, Random, RecordId, Timestamp};
use callfield_sync::schema::RecordType;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::{Entry, EntryState, LogForm, Medium};
use crate::platform::Platform;
use crate::store::{StoreError, Tx};
use crate::writer::{WriteError, Writer};

/// What logging wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// The call's record.
    pub record: RecordId,
    /// The follow-up task, if one was asked for.
    pub follow_up: Option<RecordId>,
}

/// Why a call could not be logged.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The journal does not hold the call.
    #[error("the journal does not hold the call {0}")]
    UnknownCall(CallId),
    /// The call is not over.
    #[error("the call is not over yet")]
    StillLive,
    /// It was logged before, here or on another device; a log is written once.
    #[error("the call is logged already")]
    AlreadyLogged,
    /// The record could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs a call that is over.
///
/// # Errors
/// Any [`JournalError`]; then nothing is written.
pub fn log(
    tx: &Tx<'_>,
    platform: &Platform,
    call: CallId,
    form: &LogForm,
    now: Timestamp,
    random: &mut Random,
) -> Result<Logged, JournalError> {
    let mut entry = open_entry(tx, call)?;
    let writer = Writer::begin(tx, now, random)?;
    let record = RecordId::of_call(writer.tenant, call);
    let is_logged = tx.record(record)?.is_some_and(|record| record.projection.get("logged_at").is_some());
    if is_logged {
        return Err(JournalError::AlreadyLogged);
    }
    entry.record = form.contact.or(entry.record);
    let follow_up = match form.follow_up {
        None => None,
        Some(when) => {
            let task = RecordId::new(now, random);
            writer.put(task, RecordType::Task, &task_values(&writer, &entry, form, when.due(now, platform)))?;
            Some(task)
        }
    };
    writer.put(record, RecordType::Call, &call_values(&writer, &entry, form, follow_up))?;
    entry.form = Some(form.clone());
    entry.state = EntryState::Logged;
    tx.put_entry(&entry)?;
    Ok(Logged { record, follow_up })
}

/// Logs several calls as "no response" at once, all or none.
///
/// # Errors
/// Any [`JournalError`]; then nothing is written.
pub fn log_no_answer(
    tx: &Tx<'_>,
    platform: &Platform,
    calls: &[CallId],
    now: Timestamp,
    random: &mut Random,
) -> Result<(), JournalError> {
    let form = LogForm { result: Some("no_response".to_owned()), ..LogForm::default() };
    calls.iter().try_for_each(|call| log(tx, platform, *call, &form, now, random).map(|_| ()))
}

/// Keeps what was filled in so far.
///
/// # Errors
/// [`JournalError::UnknownCall`], [`JournalError::AlreadyLogged`] or the store's failure.
pub fn save_draft(tx: &Tx<'_>, call: CallId, form: &LogForm) -> Result<(), JournalError> {
    let mut entry = unlogged_entry(tx, call)?;
    entry.form = Some(form.clone());
    tx.put_entry(&entry)?;
    Ok(())
}

/// Leaves the call for later.
///
/// # Errors
/// As [`save_draft`], and [`JournalError::StillLive`].
pub fn set_aside(tx: &Tx<'_>, call: CallId) -> Result<(), JournalError> {
    let mut entry = open_entry(tx, call)?;
    entry.state = EntryState::Later;
    tx.put_entry(&entry)?;
    Ok(())
}

/// Keeps the call and what was written about it on this phone.
///
/// # Errors
/// As [`set_aside`].
pub fn keep_private(tx: &Tx<'_>, call: CallId) -> Result<(), JournalError> {
    let mut entry = open_entry(tx, call)?;
    entry.state = EntryState::Private;
    tx.put_entry(&entry)?;
    Ok(())
}

fn open_entry(tx: &Tx<'_>, call: CallId) -> Result<Entry, JournalError> {
    let entry = unlogged_entry(tx, call)?;
    if entry.state == EntryState::Live { Err(JournalError::StillLive) } else { Ok(entry) }
}

fn unlogged_entry(tx: &Tx<'_>, call: CallId) -> Result<Entry, JournalError> {
    let entry = tx.entry(call)?.ok_or(JournalError::UnknownCall(call))?;
    if entry.state == EntryState::Logged { Err(JournalError::AlreadyLogged) } else { Ok(entry) }
}

fn call_values(writer: &Writer<'_>, entry: &Entry, form: &LogForm, follow_up: Option<RecordId>) -> Value {
    let mut values = Map::new();
    for (field, value) in
        [("subject", &form.subject), ("purpose", &form.purpose), ("result", &form.result), ("details", &form.details)]
    {
        values.extend(value.as_ref().map(|value| (field.to_owned(), json!(value))));
    }
    values.extend(entry.record.map(|contact| ("contact_id".to_owned(), json!(contact))));
    values.extend(follow_up.map(|task| ("follow_up_ids".to_owned(), json!({ task.to_string(): true }))));
    if entry.medium == Medium::Native {
        values.extend(native_values(entry));
    }
    values.insert("medium".to_owned(), json!(entry.medium));
    values.insert("logged_by".to_owned(), json!(writer.user));
    values.insert("logged_at".to_owned(), json!(writer.by.claimed_at));
    Value::Object(values)
}

/// The server never saw a native call, so the log carries what the phone saw.
fn native_values(entry: &Entry) -> Map<String, Value> {
    let direction = match entry.direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
        Direction::Internal => "internal",
    };
    let mut values = Map::new();
    values.insert("native_direction".to_owned(), json!(direction));
    values.insert("native_started_at".to_owned(), json!(entry.started_at));
    values.extend(entry.number.as_ref().map(|number| ("native_number".to_owned(), json!(number))));
    values.extend(entry.ended_at.map(|ended_at| ("native_ended_at".to_owned(), json!(ended_at))));
    values
}

fn task_values(writer: &Writer<'_>, entry: &Entry, form: &LogForm, due_at: Timestamp) -> Value {
    let party = form.follow_up_subject.clone().or_else(|| entry.name.clone()).or_else(|| entry.number.clone());
    let mut values = json!({
        "subject": party.unwrap_or_else(|| entry.call.to_string()),
        "due_at": due_at,
        "status": "not_started",
        "call_id": entry.call,
        "owner_id": writer.user,
    });
    if let Some(contact) = entry.record {
        values["related"] = json!({ "type": "contact", "id": contact });
    }
    values
}
