//! How calls come into the journal: the company's own as they happen, native ones as the platform tells of them.

use std::time::Duration;

use callfield_domain::{CallId, Direction, Outcome, Random, RecordId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Entry, EntryState, Medium};
use crate::directory;
use crate::store::{StoreError, Tx};

/// Two reports of a native call with the same number and direction are one call if they begin this close.
const TWIN_TOLERANCE: Duration = Duration::from_secs(5);

/// A call of the company's telephone system as the phone learns of it.
#[derive(Debug, Clone)]
pub struct SipCall {
    /// The call.
    pub call: CallId,
    /// Who began it.
    pub direction: Direction,
    /// The other party's number; empty when withheld.
    pub number: String,
    /// The other party's name as the server knows it.
    pub name: Option<String>,
}

/// A call over the phone's own SIM as the platform tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeCall {
    /// The other party's number; `None` where the platform does not tell (iOS).
    pub number: Option<String>,
    /// Who began it.
    pub direction: Direction,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was answered.
    pub answered_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
}

/// Enters a live call; a call that is there gets what is newly known of it. Gives the entry with the name to show.
///
/// # Errors
/// The store's failure.
pub fn sip_call_began(tx: &Tx<'_>, seen: &SipCall, country: &str, now: Timestamp) -> Result<Entry, StoreError> {
    let party = party(tx, Some(seen.number.as_str()).filter(|number| !number.is_empty()), country)?;
    let mut entry = tx.entry(seen.call)?.unwrap_or(new_entry(seen, now));
    if entry.state == EntryState::ToLog && entry.form.is_none() {
        // It was live when the process died, and rings again.
        entry = Entry { state: EntryState::Live, ended_at: None, outcome: None, ..entry };
    }
    if party.number.is_some() {
        entry.number = party.number;
        entry.record = party.record;
    }
    entry.name = party.name.or(entry.name).or_else(|| seen.name.clone());
    tx.put_entry(&entry)?;
    Ok(entry)
}

/// Notes that the call was answered on this phone.
///
/// # Errors
/// The store's failure.
pub fn sip_call_answered(tx: &Tx<'_>, call: CallId, now: Timestamp) -> Result<(), StoreError> {
    let Some(mut entry) = tx.entry(call)? else {
        return Ok(());
    };
    entry.answered_at = entry.answered_at.or(Some(now));
    tx.put_entry(&entry)
}

/// Notes that the call is over, which makes it wait to be logged.
///
/// # Errors
/// The store's failure.
pub fn sip_call_ended(tx: &Tx<'_>, call: CallId, outcome: Outcome, now: Timestamp) -> Result<(), StoreError> {
    let Some(mut entry) = tx.entry(call)?.filter(|entry| entry.state == EntryState::Live) else {
        return Ok(());
    };
    entry.ended_at = Some(now);
    entry.outcome = Some(outcome);
    entry.state = after_call(tx, entry.number.as_deref(), outcome)?;
    tx.put_entry(&entry)
}

/// Enters a call that came and went while this phone could not ring; one that is there stays as it is.
///
/// # Errors
/// The store's failure.
pub fn sip_call_missed(
    tx: &Tx<'_>,
    seen: &SipCall,
    country: &str,
    at: Timestamp,
    outcome: Outcome,
) -> Result<(), StoreError> {
    if tx.entry(seen.call)?.is_some() {
        return Ok(());
    }
    sip_call_began(tx, seen, country, at)?;
    sip_call_ended(tx, seen.call, outcome, at)
}

/// Ends every live entry: no call outlives the process that carried it.
///
/// # Errors
/// The store's failure.
pub fn end_calls_of_a_killed_process(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    for entry in tx.entries(&[EntryState::Live], u32::MAX)? {
        let outcome = if entry.answered_at.is_some() { Outcome::Completed } else { Outcome::Failed };
        sip_call_ended(tx, entry.call, outcome, now)?;
    }
    Ok(())
}

/// Enters a native call, once for however many times the platform tells of it.
///
/// # Errors
/// The store's failure.
pub fn native_call_observed(
    tx: &Tx<'_>,
    seen: &NativeCall,
    country: &str,
    now: Timestamp,
    random: &mut Random,
) -> Result<CallId, StoreError> {
    let party = party(tx, seen.number.as_deref(), country)?;
    let twin = tx.native_twin(party.number.as_deref(), seen.direction, seen.started_at, TWIN_TOLERANCE)?;
    if let Some(call) = twin {
        return Ok(call);
    }
    let outcome = if seen.answered_at.is_some() { Outcome::Completed } else { Outcome::NoAnswer };
    let entry = Entry {
        call: CallId::new(now, random),
        medium: Medium::Native,
        direction: seen.direction,
        state: after_call(tx, party.number.as_deref(), outcome)?,
        number: party.number,
        record: party.record,
        name: party.name,
        started_at: seen.started_at,
        answered_at: seen.answered_at,
        ended_at: Some(seen.ended_at),
        outcome: Some(outcome),
        form: None,
    };
    tx.put_entry(&entry)?;
    Ok(entry.call)
}

const fn new_entry(seen: &SipCall, now: Timestamp) -> Entry {
    Entry {
        call: seen.call,
        medium: Medium::Sip,
        direction: seen.direction,
        number: None,
        record: None,
        name: None,
        started_at: now,
        answered_at: None,
        ended_at: None,
        outcome: None,
        state: EntryState::Live,
        form: None,
    }
}

struct Party {
    number: Option<String>,
    record: Option<RecordId>,
    name: Option<String>,
}

/// Who has the number: a record only if it is the only one, for the user must choose between several.
fn party(tx: &Tx<'_>, number: Option<&str>, country: &str) -> Result<Party, StoreError> {
    let Some(number) = number else {
        return Ok(Party { number: None, record: None, name: None });
    };
    let number = directory::e164(number, country).unwrap_or_else(|| number.to_owned());
    let matches = directory::look_up_in(tx, &number, country)?;
    let record = if let [only] = matches.as_slice() { Some(only.record) } else { None };
    Ok(Party { number: Some(number), record, name: matches.into_iter().next().map(|first| first.label) })
}

fn after_call(tx: &Tx<'_>, number: Option<&str>, outcome: Outcome) -> Result<EntryState, StoreError> {
    if outcome == Outcome::AnsweredElsewhere {
        return Ok(EntryState::Elsewhere);
    }
    let is_ignored = number.map_or(Ok(false), |number| tx.is_ignored(number))?;
    Ok(if is_ignored { EntryState::Ignored } else { EntryState::ToLog })
}
