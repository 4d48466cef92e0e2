//! The phone's side of a sync, as pure functions over rows: build the request, settle the verdicts, merge the pages.
//!
//! The shell's loop: [`build_request`] → HTTP → [`settle`] and store, then for each page [`merge`] each item and
//! store the page's records together with its cursor; at last [`merge`] each item of `wanted`. Every step may be
//! repeated after a crash: what it does a second time changes nothing.

mod merge;
mod rebase;
mod request;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::{DeviceId, RecordId};
use serde_json::Value;

use crate::protocol::{Budget, Item, Reason, Request, Response, ScopeCursor, TxnId, Want};
use crate::record::{Change, Edit, Record};
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
    /// Replace a change in the outbox by those it was replayed as; nothing if nothing was left of it.
    pub replaced: Vec<(ChangeHash, Vec<Outgoing>)>,
    /// Records with new bytes, to be stored in the same transaction.
    pub records: Vec<LocalRecord>,
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
    /// The server's state does not hold what the unsent changes build on: store what [`replay`] makes of them.
    Replay,
    /// Ask for it: changes were missing or the bytes did not fit.
    Want(Want),
    /// It left this scope: drop it unless another scope holds it or unsent changes do.
    Leave,
    /// Purge it everywhere, its unsent changes too.
    Erase,
    /// Of a type or kind this build does not know: keep the row's bytes as they came.
    Skip,
}

/// The request for what waits and where the phone stands; at most the protocol's limits, oldest first. A
/// transaction that does not fit as a whole waits for the next request, and so does everything behind it.
pub fn build_request(session: &Session, outbox: &[Outgoing], scopes: Vec<ScopeCursor>, want: Vec<Want>) -> Request {
    request::build(session, outbox, scopes, want)
}

/// The records [`settle`] needs: those a verdict or a correction is about.
pub fn touched(response: &Response, outbox: &[Outgoing]) -> BTreeSet<RecordId> {
    settle::touched(response, outbox)
}

/// Digests the verdicts. `outbox` is all of it, oldest first. `fresh` must be an actor of a new incarnation: what
/// survives a rejection is replayed with it on the server's state; if nothing was, it is not used up.
pub fn settle(
    response: &Response,
    outbox: &[Outgoing],
    records: &BTreeMap<RecordId, LocalRecord>,
    fresh: &Edit,
) -> Settled {
    settle::settle(response, outbox, records, fresh)
}

/// Merges one item of a page or of `wanted` into what the phone has. `unsent` are the record's changes still in the
/// outbox, oldest first.
pub fn merge(item: &Item, local: Option<&LocalRecord>, unsent: &[Outgoing]) -> Merged {
    merge::merge(item, local, unsent)
}

/// After [`Merged::Replay`]: the record on the server's new state, and the changes that replace those in the outbox.
/// `fresh` must be an actor of a new incarnation.
///
/// # Errors
/// If the stored bytes or the item's do not load.
pub fn replay(
    item: &Item,
    local: &LocalRecord,
    unsent: &[Outgoing],
    fresh: &Edit,
) -> Result<(LocalRecord, Vec<(ChangeHash, Vec<Outgoing>)>), EditFailed> {
    rebase::onto_item(item, local, unsent, fresh)
}

/// Edits a record on the phone: the record with its new bytes, and what to put into the outbox.
///
/// # Errors
/// If the patch does not fit the type, or the record itself is not here or damaged.
pub fn edit(
    local: &LocalRecord,
    txn: TxnId,
    by: &Edit,
    patch: &Value,
) -> Result<(LocalRecord, Vec<Outgoing>), EditFailed> {
    let mut record = local.load()?;
    let changes = record.edit(by, patch)?;
    let next = local.with(&record);
    Ok((next, changes.into_iter().map(|change| local.outgoing(txn, change)).collect()))
}

/// Makes a record on the phone, as [`edit`].
///
/// # Errors
/// If the patch does not fit the type.
pub fn create(
    id: RecordId,
    record_type: RecordType,
    txn: TxnId,
    by: &Edit,
    patch: &Value,
) -> Result<(LocalRecord, Vec<Outgoing>), EditFailed> {
    let record = Record::new(record_type);
    let local = LocalRecord {
        id,
        record_type,
        epoch: 0,
        snapshot: Some(record.save()),
        heads: record.heads(),
        synced_heads: Heads::default(),
        projection: record.projection(),
    };
    edit(&local, txn, by, patch)
}

impl LocalRecord {
    /// The record itself, to edit it or to show its conflicts.
    ///
    /// # Errors
    /// If only the values are here, or the bytes are damaged.
    pub fn load(&self) -> Result<Record, EditFailed> {
        let snapshot = self.snapshot.as_ref().ok_or(EditFailed::NotHere)?;
        Ok(Record::load(self.record_type, snapshot)?)
    }

    /// This row with the state of `record`.
    fn with(&self, record: &Record) -> Self {
        Self {
            snapshot: Some(record.save()),
            heads: record.heads(),
            projection: record.projection(),
            synced_heads: self.synced_heads.clone(),
            ..*self
        }
    }

    fn outgoing(&self, txn: TxnId, change: Change) -> Outgoing {
        Outgoing {
            txn,
            doc: self.id,
            record_type: self.record_type,
            epoch: self.epoch,
            hash: change.hash,
            bytes: change.bytes,
        }
    }
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
