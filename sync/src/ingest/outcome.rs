//! What the store writes for a record that changed: settled conflicts, new snapshot, scopes, and what to tell.

use callfield_domain::{RecordId, Timestamp};
use serde_json::Value;

use super::{Outcome, Stored, Taken, WriteError};
use crate::protocol::Correction;
use crate::record::{Change, Edit, Record, RecordError, merge_patch, paths};
use crate::resolve::{Received, resolve};
use crate::schema::RecordType;
use crate::{Actor, Author, scope};

/// A record with changes in it that the store does not have yet.
pub(super) struct Written<'a> {
    pub(super) id: RecordId,
    pub(super) epoch: u32,
    pub(super) is_new: bool,
    pub(super) before: &'a Record,
    pub(super) record: Record,
    pub(super) taken: Vec<Taken>,
}

impl Written<'_> {
    /// None if there is nothing to write.
    pub(super) fn outcome(self, server: Actor, now: Timestamp, last_contact: Option<Timestamp>) -> Option<Outcome> {
        let Self { id, epoch, is_new, before, mut record, mut taken } = self;
        let txn = taken.last()?.txn;
        let by = Edit { actor: server, author: Author::Server, claimed_at: now };
        let hashes = taken.iter().map(|change| change.hash).collect();
        let (changes, decisions) = resolve(&mut record, &by, &Received { changes: &hashes, last_contact, now });
        taken.extend(changes.into_iter().map(|change| own(change, &by)));
        let projection = record.projection();
        let changed = paths(&merge_patch(&before.projection(), &projection));
        let decided = decisions.iter().map(|decision| (decision.code, decision.field.as_str()));
        let missing = missing(record.record_type(), &projection, &changed, is_new);
        let correction =
            |(code, field): (&str, &str)| Correction { doc: id, code: code.to_owned(), field: field.to_owned(), txn };
        Some(Outcome {
            id,
            record_type: record.record_type(),
            epoch,
            is_new,
            changes: taken,
            snapshot: record.save(),
            heads: record.heads(),
            change_count: record.change_count(),
            scopes: scope::of_record(record.record_type(), &projection),
            deleted_at: projection.get("deleted_at").and_then(Value::as_i64).map(Timestamp::from_millis),
            corrections: decided
                .chain(missing.into_iter().map(|field| ("required_missing", field)))
                .map(correction)
                .collect(),
            projection,
            changed,
        })
    }
}

/// A change that this server made.
fn own(change: Change, by: &Edit) -> Taken {
    let author = match by.author {
        Author::User(user) => Some(user),
        Author::Server => None,
    };
    Taken { hash: change.hash, actor: by.actor, author, txn: None, claimed_at: by.claimed_at, bytes: change.bytes }
}

/// Required fields that the changes left empty.
fn missing(record_type: RecordType, projection: &Value, changed: &[String], is_new: bool) -> Vec<&'static str> {
    let required = record_type.fields().iter().filter(|field| field.is_required).map(|field| field.name);
    let touched = required.filter(|name| is_new || changed.iter().any(|path| path == name));
    touched.filter(|name| projection.get(name).is_none_or(|value| value == "")).collect()
}

pub(super) fn write(
    id: RecordId,
    record_type: RecordType,
    stored: Option<&Stored>,
    by: &Edit,
    patch: &Value,
) -> Result<Option<Outcome>, WriteError> {
    let before = match stored {
        None => Record::new(record_type),
        Some(stored) if stored.record_type != record_type => return Err(RecordError::Malformed.into()),
        Some(stored) => Record::load(record_type, &stored.snapshot)?,
    };
    let mut record = before.clone();
    let taken = record.edit(by, patch)?.into_iter().map(|change| own(change, by)).collect();
    let epoch = stored.map_or(0, |stored| stored.epoch);
    let written = Written { id, epoch, is_new: stored.is_none(), before: &before, record, taken };
    Ok(written.outcome(by.actor, by.claimed_at, None))
}
