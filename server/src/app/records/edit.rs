//! Records made and edited through REST: as one more device, judged like any other.

use callfield_domain::RecordId;
use callfield_sync::ingest::Rejection;
use callfield_sync::protocol::{Push, TxnId, VerdictCode};
use callfield_sync::record::{Change, Edit, EditError, Record};
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, Heads};
use serde_json::Value;

use super::commit::{ingest, stored_record};
use super::{Party, RecordsError};
use crate::app::App;

/// A record to be made.
#[derive(Debug)]
pub struct NewRecord {
    /// Its type.
    pub record_type: RecordType,
    /// Its values, the owner among them.
    pub fields: Value,
}

/// Makes a record.
///
/// # Errors
/// [`RecordsError::UnknownOwner`], [`RecordsError::Unfit`], [`RecordsError::Forbidden`], [`RecordsError::Refused`], or a
/// failure of the store.
pub async fn create(app: &App, party: &Party, new: NewRecord) -> Result<RecordId, RecordsError> {
    let record_type = new.record_type;
    check_owner(app, party, record_type, &new.fields).await?;
    let id = RecordId::new(app.now(), &mut app.random());
    let changes = Record::new(record_type).edit(&by(app, party), &new.fields).map_err(|error| unfit(&error))?;
    send(app, party, push(app, id, record_type, 0, changes)).await?;
    Ok(id)
}

/// Applies a JSON merge patch on top of `heads`: newer states are not overwritten, the edit becomes concurrent to them.
///
/// # Errors
/// [`RecordsError::NotFound`], [`RecordsError::UnknownHeads`], [`RecordsError::UnknownOwner`], [`RecordsError::Unfit`],
/// [`RecordsError::Forbidden`], [`RecordsError::Refused`], or a failure of the store.
pub async fn edit(app: &App, party: &Party, id: RecordId, heads: &Heads, patch: &Value) -> Result<(), RecordsError> {
    let doc = app.db.read(party.tenant).await?.doc(id).await?;
    let stored = stored_record(doc).ok_or(RecordsError::NotFound)?;
    let mut record = Record::load(stored.record_type, &stored.snapshot)?;
    if !party.may_see(stored.record_type, &record.projection()) {
        return Err(RecordsError::NotFound);
    }
    if heads.is_empty() || heads.as_slice().iter().any(|head| !record.has(head)) {
        return Err(RecordsError::UnknownHeads);
    }
    check_owner(app, party, stored.record_type, patch).await?;
    let changes = record.edit_at(heads, &by(app, party), patch).map_err(|error| unfit(&error))?;
    if changes.is_empty() {
        return Ok(());
    }
    send(app, party, push(app, id, stored.record_type, stored.epoch, changes)).await
}

/// An owner who is nobody would take the record out of everybody's sight.
async fn check_owner(app: &App, party: &Party, record_type: RecordType, patch: &Value) -> Result<(), RecordsError> {
    let owner = patch.get(record_type.owner_field()).and_then(Value::as_str).and_then(|owner| owner.parse().ok());
    let Some(owner) = owner else { return Ok(()) };
    let user = app.db.read(party.tenant).await?.user(owner).await?;
    user.map(drop).ok_or(RecordsError::UnknownOwner)
}

fn by(app: &App, party: &Party) -> Edit {
    // A new life each time: two edits on the same heads must not share an actor.
    let actor = Actor::new(party.key, 1, &mut app.random());
    Edit { actor, author: Author::User(party.user), claimed_at: app.now() }
}

fn push(app: &App, doc: RecordId, record_type: RecordType, epoch: u32, changes: Vec<Change>) -> Push {
    Push {
        txn: TxnId::new(app.now(), &mut app.random()),
        doc,
        record_type: record_type.as_str().to_owned(),
        epoch,
        changes: changes.into_iter().map(|change| change.bytes.into()).collect(),
    }
}

async fn send(app: &App, party: &Party, push: Push) -> Result<(), RecordsError> {
    let ingested = ingest(app, party, vec![push]).await?;
    let refused =
        ingested.verdicts.into_iter().find(|verdict| !matches!(verdict.code, VerdictCode::Ok | VerdictCode::Duplicate));
    let Some(verdict) = refused else { return Ok(()) };
    Err(match verdict.reason {
        Some(reason) if reason == Rejection::Forbidden.as_str() => RecordsError::Forbidden,
        Some(reason) => RecordsError::Refused(reason),
        // The record was changed in a way that leaves no place for the edit: it was rebuilt.
        None => RecordsError::UnknownHeads,
    })
}

fn unfit(error: &EditError) -> RecordsError {
    RecordsError::Unfit(error.to_string())
}
