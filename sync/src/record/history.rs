//! What a record knows of its changes.

use std::collections::BTreeMap;

use automerge::{ReadDoc as _, legacy};
use callfield_domain::Timestamp;
use serde_json::Value;

use super::{Record, merge_patch, ours, project, theirs};
use crate::{Actor, Author, ChangeHash};

/// A change that is in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) actor: Option<Actor>,
    pub(crate) author: Option<Author>,
    pub(crate) claimed_at: Timestamp,
    pub(crate) deps: Vec<ChangeHash>,
    /// The number of its last operation.
    pub(crate) max_op: u64,
    pub(crate) hash: ChangeHash,
}

impl Record {
    pub(crate) fn known(&self, hash: &ChangeHash) -> Option<Known> {
        self.doc.get_change_meta_by_hash(&theirs(hash)).map(known)
    }

    /// Every change that is not in the history of `hash`, dependencies first.
    pub(crate) fn known_beside(&self, hash: &ChangeHash) -> Vec<Known> {
        self.doc.get_changes_meta(&[theirs(hash)]).into_iter().map(known).collect()
    }

    /// The number of the actor's last change; 0 if it has none.
    pub(crate) fn last_seq(&self, actor: Actor) -> u64 {
        let metas = self.doc.get_changes_meta(&[]);
        metas.iter().filter(|meta| meta.actor.to_bytes() == actor.as_bytes()).map(|meta| meta.seq).max().unwrap_or(0)
    }

    /// The value a scalar field of the root shows.
    pub(crate) fn value(&self, field: &str) -> Option<Value> {
        match self.doc.get(automerge::ROOT, field).ok().flatten()? {
            (automerge::Value::Scalar(value), _) => Some(project::scalar(&value)),
            (automerge::Value::Object(_), _) => None,
        }
    }

    /// How many characters a long text has.
    pub(crate) fn text_length(&self, field: &str) -> usize {
        let text = self.doc.get(automerge::ROOT, field).ok().flatten();
        text.map_or(0, |(_, id)| self.doc.length(id))
    }

    /// Every actor, with the number of its last change.
    pub(crate) fn actors(&self) -> BTreeMap<Vec<u8>, u64> {
        let mut actors = BTreeMap::new();
        for meta in self.doc.get_changes_meta(&[]) {
            let last = actors.entry(meta.actor.to_bytes().to_vec()).or_insert(0);
            *last = meta.seq.max(*last);
        }
        actors
    }

    pub(crate) fn operation_count(&self) -> u64 {
        self.doc.stats().num_ops
    }

    /// What a change did, as a patch: the values after it against those it built on.
    pub(crate) fn patch_of(&self, hash: &ChangeHash) -> Option<Value> {
        let deps = self.known(hash)?.deps.into_iter().collect();
        let (before, after) = (self.at(&deps).ok()?, self.at(&[*hash].into_iter().collect()).ok()?);
        Some(merge_patch(&before.projection(), &after.projection()))
    }

    /// This record and one change more; none if Automerge does not take it as the next one.
    pub(crate) fn with_change(&self, change: automerge::Change) -> Option<Self> {
        let hash = ours(change.hash());
        let mut copy = self.clone();
        copy.doc.apply_changes([change]).ok()?;
        (copy.has(&hash) && copy.is_whole()).then_some(copy)
    }

    /// Whether a change writes this field of the root and nothing else.
    pub(crate) fn only_writes(&self, hash: &ChangeHash, field: &str) -> bool {
        let change = self.doc.get_change_by_hash(&theirs(hash));
        change.is_some_and(|change| {
            let is_it = |operation: &legacy::Op| {
                operation.obj == legacy::ObjectId::Root
                    && matches!(&operation.key, legacy::Key::Map(key) if key == field)
            };
            change.decode().operations.iter().all(is_it)
        })
    }

    /// The change that wrote the value a scalar field of the root shows.
    pub(crate) fn writer_of(&self, field: &str) -> Option<ChangeHash> {
        let (_, id) = self.doc.get(automerge::ROOT, field).ok().flatten()?;
        self.doc.hash_for_opid(&id).map(ours)
    }
}

fn known(meta: automerge::ChangeMetadata<'_>) -> Known {
    Known {
        actor: meta.actor.to_bytes().try_into().ok().map(Actor::from_bytes),
        author: meta.message.as_deref().and_then(Author::from_message),
        claimed_at: Timestamp::from_millis(meta.timestamp),
        max_op: meta.max_op,
        hash: ours(meta.hash),
        deps: meta.deps.into_iter().map(ours).collect(),
    }
}
