//! The server's answer to conflicts, field by field (sync.md 6): counter-changes, made once.
//!
//! A counter-change writes the value that wins, so nothing is left to decide: running this again changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use callfield_domain::Timestamp;
use serde_json::{Map, Value};

use crate::record::{Change, Conflict, ConflictValue, Edit, Known, Record};
use crate::schema::Conflicts;
use crate::{Author, ChangeHash};

/// What the server knows of the time of the changes it settles.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// The changes that came just now.
    pub changes: &'a BTreeSet<ChangeHash>,
    /// When their device synced before.
    pub last_contact: Option<Timestamp>,
    /// Now, by the server's clock.
    pub now: Timestamp,
}

/// A field the server decided, and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The rule: `latest`, `max`, `rank` or `edit_over_delete`.
    pub code: &'static str,
    /// The field.
    pub field: String,
}

/// Decides what the schema lets the server decide, and writes it as the server.
pub fn resolve(record: &mut Record, by: &Edit, received: &Received<'_>) -> (Vec<Change>, Vec<Decision>) {
    let mut patch = Map::new();
    let mut decisions = Vec::new();
    if is_deleted_against_an_edit(record) {
        patch.insert(DELETED_AT.to_owned(), Value::Null);
        decisions.push(Decision { code: "edit_over_delete", field: DELETED_AT.to_owned() });
    }
    for conflict in record.conflicts() {
        let Some(field) = record.record_type().field(&conflict.field) else { continue };
        let winner = match field.conflicts {
            Conflicts::Ask | Conflicts::Union => None,
            Conflicts::Latest => latest(&conflict, received).map(|value| ("latest", value)),
            Conflicts::Max => greatest(&conflict).map(|value| ("max", value)),
            Conflicts::Rank(order) => highest(&conflict, order).map(|value| ("rank", value)),
        };
        let Some((code, value)) = winner.filter(|_| !patch.contains_key(&conflict.field)) else { continue };
        patch.insert(conflict.field.clone(), value);
        decisions.push(Decision { code, field: conflict.field });
    }
    if decisions.is_empty() {
        return (Vec::new(), decisions);
    }
    let Ok(changes) = record.edit(by, &Value::Object(patch)) else {
        unreachable!("the values are in the record already, so they fit it");
    };
    (changes, decisions)
}

const DELETED_AT: &str = "deleted_at";

/// How far a phone's clock may run ahead before its word counts for nothing.
const AHEAD: Duration = Duration::from_mins(5);

/// The claimed time, as far as it can be true; equal times are decided by the hash, the same everywhere. A claim far
/// in the future is worth less than any other, also when it came long ago: else one wrong clock would win for years.
fn latest(conflict: &Conflict, received: &Received<'_>) -> Option<Value> {
    let believed = |value: &ConflictValue| {
        let earliest = received.last_contact.filter(|_| received.changes.contains(&value.change));
        let claimed = value.claimed_at.max(earliest.unwrap_or(value.claimed_at));
        (claimed <= received.now + AHEAD, claimed.min(received.now), value.change)
    };
    conflict.values.iter().max_by_key(|value| believed(value)).map(|value| value.value.clone())
}

fn greatest(conflict: &Conflict) -> Option<Value> {
    let rank = |value: &Value| value.as_i64().or_else(|| value.as_bool().map(i64::from));
    conflict.values.iter().max_by_key(|value| rank(&value.value)).map(|value| value.value.clone())
}

fn highest(conflict: &Conflict, order: &[&str]) -> Option<Value> {
    let rank = |value: &Value| order.iter().position(|key| value == key).unwrap_or(order.len());
    conflict.values.iter().min_by_key(|value| rank(&value.value)).map(|value| value.value.clone())
}

/// Whether a user edited the record without knowing that it was deleted.
fn is_deleted_against_an_edit(record: &Record) -> bool {
    let Some(deletion) = record.writer_of(DELETED_AT) else {
        return false;
    };
    // What is not before the deletion is after it or beside it.
    let mut after = BTreeSet::from([deletion]);
    let mut is_beside = |known: &Known| {
        let is_after = known.deps.iter().any(|dep| after.contains(dep));
        if is_after {
            after.insert(known.hash);
        }
        !is_after
    };
    let beside: Vec<_> = record.known_beside(&deletion).into_iter().filter(|known| is_beside(known)).collect();
    beside
        .iter()
        .any(|known| matches!(known.author, Some(Author::User(_))) && !record.only_writes(&known.hash, DELETED_AT))
}
