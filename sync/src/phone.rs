//! The phone's side of a sync, as pure functions over rows: build the request, settle the verdicts, merge the pages.
//!
//! The shell's loop: [`build_request`] → HTTP → [`settle`] and store, then for each page [`merge`] each item and
//! store the page's records together with its cursor. Every step may be repeated after a crash.

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::{DeviceId, RecordId, Timestamp};
use serde_json::Value;

use crate::protocol::{Budget, Item, Reason, Request, Response, ScopeCursor, TxnId, Want};
use crate::record::{Change, Edit};
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
/// transaction that does not fit as a whole waits for the next request.
pub fn build_request(session: &Session, outbox: &[Outgoing], scopes: Vec<ScopeCursor>, want: Vec<Want>) -> Request {
    let _ = (session, outbox, scopes, want);
    unimplemented!()
}

/// The records [`settle`] needs: those of every change that was not simply taken.
pub fn touched(response: &Response, outbox: &[Outgoing]) -> BTreeSet<RecordId> {
    let _ = (response, outbox);
    unimplemented!()
}

/// Digests the verdicts. `fresh` must be an actor of a new incarnation: what survives a rejection is replayed with it
/// on the server's state.
pub fn settle(
    response: &Response,
    outbox: &[Outgoing],
    records: &BTreeMap<RecordId, LocalRecord>,
    fresh: &Edit,
) -> Settled {
    let _ = (response, outbox, records, fresh);
    unimplemented!()
}

/// Merges one item of a page into what the phone has. `unsent` are the record's changes still in the outbox.
pub fn merge(item: &Item, local: Option<&LocalRecord>, unsent: &[Outgoing]) -> Merged {
    let _ = (item, local, unsent);
    unimplemented!()
}

/// Edits a record on the phone: the record with its new bytes, and what to put into the outbox.
///
/// # Errors
/// If the patch does not fit the type or the record's bytes are damaged.
pub fn edit(
    local: &LocalRecord,
    txn: TxnId,
    by: &Edit,
    patch: &Value,
) -> Result<(LocalRecord, Vec<Outgoing>), EditFailed> {
    let _ = (local, txn, by, patch);
    unimplemented!()
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
    let _ = (
        id,
        record_type,
        txn,
        by,
        patch,
        Change { hash: ChangeHash::from_bytes([0; 32]), bytes: Vec::new() },
        Timestamp::ZERO,
    );
    unimplemented!()
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
