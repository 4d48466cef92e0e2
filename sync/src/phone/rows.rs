//! What the phone's store keeps and what it is told to do.

use callfield_domain::{DeviceId, RecordId};
use serde_json::Value;

use crate::protocol::{Budget, Reason, TxnId, Want};
use crate::schema::RecordType;
use crate::{ChangeHash, Heads};

/// A record as the phone's store holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalRecord {
    /// The record.
    pub id: RecordId,
    /// Its type.
    pub record_type: RecordType,
    /// Its epoch.
    pub epoch: u32,
    /// The whole record with the unsent changes; none while only the values are known.
    pub snapshot: Option<Vec<u8>>,
    /// The heads of `snapshot`, or the server's if there is none.
    pub heads: Heads,
    /// What the server is known to have.
    pub synced_heads: Heads,
    /// The current values, unsent changes included.
    pub projection: Value,
}

/// A change that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The transaction it belongs to.
    pub txn: TxnId,
    /// The record.
    pub doc: RecordId,
    /// Its type.
    pub record_type: RecordType,
    /// The record's epoch it was made in.
    pub epoch: u32,
    /// Its name.
    pub hash: ChangeHash,
    /// The change chunk.
    pub bytes: Vec<u8>,
}

/// What a request is made of.
#[derive(Debug, Clone)]
pub struct Session {
    /// This device.
    pub device: DeviceId,
    /// Why it syncs.
    pub reason: Reason,
    /// How much answer it wants.
    pub budget: Budget,
}

/// What to do with the outbox and the records after the verdicts came.
#[derive(Debug, Clone, Default)]
pub struct Settled {
    /// Leave the outbox: taken, known before, or refused (then also in `inbox`).
    pub done: Vec<ChangeHash>,
    /// Records that were made here and refused altogether: nothing is left of them.
    pub dropped: Vec<RecordId>,
    /// Replace a change in the outbox, at its place, by those it was replayed as; nothing if nothing was left of it.
    pub replaced: Vec<(ChangeHash, Vec<Outgoing>)>,
    /// Records with new bytes, to be stored in the same transaction.
    pub records: Vec<LocalRecord>,
    /// Whether `fresh` was used: the device goes on with it as its actor, also for the records it did not touch.
    pub is_rebased: bool,
    /// Cards for the person.
    pub inbox: Vec<InboxEntry>,
    /// Records to ask for in the next request.
    pub want: Vec<Want>,
}

/// Something the person should see.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxEntry {
    /// The record.
    pub doc: RecordId,
    /// Its type.
    pub record_type: RecordType,
    /// The transaction.
    pub txn: Option<TxnId>,
    /// What happened.
    pub kind: InboxKind,
    /// The rejection's or the correction's code.
    pub code: String,
    /// A rejected edit's own values, as a merge patch that may be tried again; else the field.
    pub values: Value,
}

/// What an inbox entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxKind {
    /// The server refused an edit; its values are kept here.
    Rejected,
    /// The server wrote something after an edit.
    Corrected,
}

/// What a page's item does to the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Merged {
    /// Store it.
    Store(Box<LocalRecord>),
    /// As it was.
    Unchanged,
    /// Ask for it: changes were missing, or the unsent ones have to be replayed first ([`super::needs_replay`]).
    Want(Want),
    /// It left this scope: drop it unless another scope holds it or unsent changes do.
    Leave,
    /// Purge it everywhere, its unsent changes too.
    Erase,
    /// Of a type or kind this build does not know: keep the row's bytes as they came.
    Skip,
}

/// What [`super::replay`] made.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The record, to be stored.
    pub record: LocalRecord,
    /// As [`Settled::replaced`]. What the server lost is among what replaces the first one.
    pub replaced: Vec<(ChangeHash, Vec<Outgoing>)>,
}

/// Why the phone could not edit a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditFailed {
    /// The patch does not fit.
    #[error(transparent)]
    Patch(#[from] crate::record::EditError),
    /// The stored bytes do not load.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
    /// Only the values are here; the record must be fetched first (`want`).
    #[error("the record itself is not on this phone yet")]
    NotHere,
}
