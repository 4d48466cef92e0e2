//! The phone's side of a sync, as pure functions over rows: build the request, settle the verdicts, merge the pages.
//!
//! The shell's loop: [`build_request`] → HTTP → [`settle()`] and store, then for each page [`merge()`] each item and
//! store the page's records together with its cursor; at last [`merge()`] each item of `wanted`. Every step may be
//! repeated after a crash: what it does a second time changes nothing.

mod merge;
mod rebase;
mod request;
mod rows;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::RecordId;
use serde_json::Value;

pub use self::rows::{EditFailed, InboxEntry, InboxKind, LocalRecord, Merged, Outgoing, Replayed, Session, Settled};
use crate::Heads;
use crate::protocol::{Item, Request, Response, ScopeCursor, TxnId, Want};
use crate::record::{Change, Edit, Record};
use crate::schema::RecordType;

/// The request for what waits and where the phone stands; at most the protocol's limits, oldest first. A
/// transaction that does not fit as a whole waits for the next request, and so does everything behind it.
pub fn build_request(session: &Session, outbox: &[Outgoing], scopes: Vec<ScopeCursor>, want: Vec<Want>) -> Request {
    request::build(session, outbox, scopes, want)
}

/// The records [`settle()`] needs: those a verdict or a correction is about.
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

/// Whether an item cannot be merged because it does not hold what the unsent changes build on: the record was rebuilt
/// in a new epoch, or the server was restored and lost them. Then [`replay`] comes instead of [`merge()`].
pub fn needs_replay(item: &Item, local: Option<&LocalRecord>, unsent: &[Outgoing]) -> bool {
    merge::needs_replay(item, local, unsent)
}

/// If [`needs_replay`]: the record on the server's new state, and the changes that replace those in the outbox.
/// `fresh` must be an actor of a new incarnation; the device goes on with it.
///
/// # Errors
/// If the stored bytes or the item's do not load.
pub fn replay(item: &Item, local: &LocalRecord, unsent: &[Outgoing], fresh: &Edit) -> Result<Replayed, EditFailed> {
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
