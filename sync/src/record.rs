//! A record: one Automerge document of a known type, with every trap of it kept inside.

mod conflict;
mod edit;
mod error;
mod history;
pub(crate) mod patch;
mod project;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use automerge::ReadDoc as _;
use callfield_domain::Timestamp;
use serde_json::Value;

use crate::genesis;
use crate::guard::guarded;
pub use crate::record::error::{EditError, RecordError};
pub(crate) use crate::record::history::Known;
pub use crate::record::patch::{merge_patch, paths};
use crate::schema::RecordType;
use crate::{Actor, Author, ChangeHash, Heads};

/// One record in memory. Cheap to drop, about 18 kB to hold: load it to edit it, keep only its bytes.
#[derive(Debug, Clone)]
pub struct Record {
    record_type: RecordType,
    doc: automerge::Automerge,
}

/// One change as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub hash: ChangeHash,
    /// An uncompressed Automerge change chunk.
    pub bytes: Vec<u8>,
}

/// Who edits, and when by their own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edit {
    /// The device's life that writes.
    pub actor: Actor,
    /// The person.
    pub author: Author,
    /// The writer's clock; shown, and at most a hint when a conflict is resolved.
    pub claimed_at: Timestamp,
}

/// Values of one field that were written without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field as a path: `title`, `address/city`, `phones/+81312345678/label`.
    pub field: String,
    /// All values, the one the projection shows first.
    pub values: Vec<ConflictValue>,
}

/// One of several values of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictValue {
    /// The value.
    pub value: Value,
    /// The device's life that wrote it.
    pub actor: Actor,
    /// Who wrote it; none if the change names nobody.
    pub author: Option<Author>,
    /// When, by the writer's clock.
    pub claimed_at: Timestamp,
    /// The change it came with.
    pub change: ChangeHash,
}

impl Record {
    /// A new record: its type's genesis and nothing else.
    pub fn new(record_type: RecordType) -> Self {
        Self { record_type, doc: begun(record_type) }
    }

    /// Loads a record from the bytes of [`Record::save`] or from a snapshot the server sent.
    ///
    /// # Errors
    /// If the bytes are damaged or of another type.
    pub fn load(record_type: RecordType, bytes: &[u8]) -> Result<Self, RecordError> {
        let loaded = guarded(|| automerge::Automerge::load(bytes));
        let Ok(Ok(doc)) = loaded else {
            return Err(RecordError::Malformed);
        };
        let record = Self { record_type, doc };
        if !record.has(&genesis::hash(record_type)) || !record.is_whole() {
            return Err(RecordError::Malformed);
        }
        Ok(record)
    }

    /// The whole record, not compressed, so that a store or a page compresses once.
    pub fn save(&self) -> Vec<u8> {
        self.doc.save_with_options(automerge::SaveOptions { deflate: false, retain_orphans: false })
    }

    /// Its type.
    pub const fn record_type(&self) -> RecordType {
        self.record_type
    }

    /// Its newest changes.
    pub fn heads(&self) -> Heads {
        self.doc.get_heads().into_iter().map(ours).collect()
    }

    /// Whether a change is in it.
    pub fn has(&self, hash: &ChangeHash) -> bool {
        self.doc.get_change_meta_by_hash(&theirs(hash)).is_some()
    }

    /// How many changes it is made of, the genesis included.
    pub fn change_count(&self) -> usize {
        usize::try_from(self.doc.stats().num_changes).unwrap_or(usize::MAX)
    }

    /// Its current values: absent fields are absent, keys are sorted.
    pub fn projection(&self) -> Value {
        project::projection(self.record_type, &self.doc)
    }

    /// Every field with more than one value, in the order of their paths.
    pub fn conflicts(&self) -> Vec<Conflict> {
        conflict::conflicts(&self.doc)
    }

    /// Applies a JSON merge patch (RFC 7396) on top of everything known; no change if nothing differs, several if
    /// a long text needs more than one.
    ///
    /// # Errors
    /// If the patch does not fit the type; the record is then as before.
    pub fn edit(&mut self, by: &Edit, patch: &Value) -> Result<Vec<Change>, EditError> {
        let writes = patch::writes(self.record_type, patch)?;
        Ok(edit::write(&mut self.doc, by, &writes))
    }

    /// Applies a patch as somebody would who knew the record only up to `heads`, then merges it.
    ///
    /// # Errors
    /// As [`Record::edit`], and if the heads are unknown or the actor went past them.
    pub fn edit_at(&mut self, heads: &Heads, by: &Edit, patch: &Value) -> Result<Vec<Change>, EditError> {
        if *heads == self.heads() {
            return self.edit(by, patch);
        }
        let mut past = self.at(heads).map_err(|_| EditError::UnknownHeads)?;
        if self.last_seq(by.actor) != past.last_seq(by.actor) {
            return Err(EditError::ActorInUse);
        }
        let changes = past.edit(by, patch)?;
        let bytes: Vec<_> = changes.iter().map(|change| &change.bytes).collect();
        if self.apply(&bytes).is_err() {
            unreachable!("a change of this record's own past fits it");
        }
        Ok(changes)
    }

    /// The record as it was at `heads`.
    ///
    /// # Errors
    /// If the heads are not in its history.
    pub fn at(&self, heads: &Heads) -> Result<Self, RecordError> {
        if heads.is_empty() {
            return Err(RecordError::UnknownHeads);
        }
        let heads: Vec<_> = heads.as_slice().iter().map(theirs).collect();
        let doc = self.doc.fork_at(&heads).map_err(|_| RecordError::UnknownHeads)?;
        Ok(Self { record_type: self.record_type, doc })
    }

    /// A new record with the same values and no history: what an epoch starts with (sync.md 8).
    #[must_use]
    pub fn rebuilt(&self, by: &Edit) -> Self {
        let mut record = Self::new(self.record_type);
        let known = self.record_type.fields().iter().map(|field| field.name);
        let values = self.projection();
        let values = known.filter_map(|name| Some((name.to_owned(), values.get(name)?.clone()))).collect();
        if record.edit(by, &Value::Object(values)).is_err() {
            unreachable!("ingest let no value in that does not fit its field");
        }
        record
    }

    /// The changes that are not in the history of `heads`, in an order that can be applied. Heads it does not know
    /// count for nothing.
    pub fn changes_since(&self, heads: &Heads) -> Vec<Change> {
        let known: Vec<_> = heads.as_slice().iter().filter(|hash| self.has(hash)).map(theirs).collect();
        let changes = self.doc.get_changes(&known);
        changes.iter().map(|change| Change { hash: ours(change.hash()), bytes: change.raw_bytes().to_vec() }).collect()
    }

    /// Merges changes that a server verified; all or none.
    ///
    /// # Errors
    /// If one cannot be read or depends on something unknown.
    pub fn apply<B: AsRef<[u8]>>(&mut self, changes: &[B]) -> Result<(), RecordError> {
        let mut next = self.clone();
        let applied = guarded(|| {
            let read = changes.iter().map(|bytes| automerge::Change::from_bytes(bytes.as_ref().to_vec()));
            let changes: Vec<_> = read.collect::<Result<_, _>>().map_err(|_| RecordError::Malformed)?;
            next.doc.apply_changes(changes).map_err(|_| RecordError::Malformed)
        });
        applied.unwrap_or(Err(RecordError::Malformed))?;
        if !next.is_whole() {
            return Err(RecordError::MissingDependencies);
        }
        *self = next;
        Ok(())
    }

    /// Whether every change in it has found its place.
    fn is_whole(&self) -> bool {
        self.doc.get_missing_deps(&[]).is_empty()
    }
}

/// A document with the genesis of a type in it. It is a constant, made once: a copy costs a fraction of it.
fn begun(record_type: RecordType) -> automerge::Automerge {
    static BEGUN: LazyLock<BTreeMap<RecordType, automerge::Automerge>> = LazyLock::new(|| {
        let begin = |record_type: &RecordType| {
            let mut doc = automerge::Automerge::new();
            let genesis = automerge::Change::from_bytes(genesis::bytes(*record_type).to_vec());
            if genesis.map_err(drop).and_then(|genesis| doc.apply_changes([genesis]).map_err(drop)).is_err() {
                unreachable!("the genesis is a constant, and a test applies every one");
            }
            (*record_type, doc)
        };
        RecordType::ALL.iter().map(begin).collect()
    });
    BEGUN[&record_type].clone()
}

pub(crate) const fn ours(hash: automerge::ChangeHash) -> ChangeHash {
    ChangeHash::from_bytes(hash.0)
}

pub(crate) const fn theirs(hash: &ChangeHash) -> automerge::ChangeHash {
    automerge::ChangeHash(*hash.as_bytes())
}
