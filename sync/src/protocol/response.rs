//! The server's half of a round trip.

use callfield_domain::{RecordId, Timestamp};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::limits::{
    MAX_CHANGES, MAX_ITEMS, MAX_PAGES, MAX_RESPONSE_BYTES, MAX_SCOPES, MAX_WANTS, at_most, short_text,
};
use super::{Cursor, DecodeError, PROTO, TxnId, id};
use crate::{ChangeHash, Heads};

/// What the server answers: a verdict for every pushed change, and what is new.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Response {
    /// [`PROTO`] of the server.
    #[n(0)]
    pub proto: u32,
    /// The server's clock when it answered, in milliseconds UTC.
    #[n(1)]
    pub server_time: i64,
    /// One verdict a pushed change, in the order they were pushed.
    #[cbor(n(2), decode_with = "at_most::<MAX_CHANGES, _, _>")]
    pub verdicts: Vec<Verdict>,
    /// What the server changed because of the push.
    #[cbor(n(3), decode_with = "at_most::<MAX_CHANGES, _, _>")]
    pub corrections: Vec<Correction>,
    /// News, most urgent scope first.
    #[cbor(n(4), decode_with = "at_most::<MAX_PAGES, _, _>")]
    pub pages: Vec<Page>,
    /// The records asked for by id.
    #[cbor(n(5), decode_with = "at_most::<MAX_WANTS, _, _>")]
    pub wanted: Vec<Item>,
    /// Scopes the device may hold and did not name.
    #[cbor(n(6), decode_with = "at_most::<MAX_SCOPES, _, _>")]
    pub scopes_added: Vec<String>,
    /// Scopes the device must purge and stop naming.
    #[cbor(n(7), decode_with = "at_most::<MAX_SCOPES, _, _>")]
    pub scopes_removed: Vec<String>,
    /// Milliseconds to wait before the next sync.
    #[n(8)]
    pub retry_after_ms: Option<u32>,
    /// The least [`super::SCHEMA`] that may go on pulling; an older app may still push.
    #[n(9)]
    pub min_schema: Option<u32>,
}

impl Response {
    /// An answer with nothing in it.
    pub fn new(now: Timestamp) -> Self {
        Self { proto: PROTO, server_time: now.as_millis(), ..Self::default() }
    }

    /// The response as it travels, before compression.
    pub fn encode(&self) -> Vec<u8> {
        super::encode(self)
    }

    /// Reads a response.
    ///
    /// # Errors
    /// If it is too long, malformed, past a count, or of another protocol.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let response: Self = super::decode(bytes, MAX_RESPONSE_BYTES)?;
        if response.proto != PROTO {
            return Err(DecodeError::OtherProtocol(response.proto));
        }
        Ok(response)
    }
}

/// What became of one pushed change.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Verdict {
    /// The change: SHA-256 over chunk type, length and content, also for one that cannot be read.
    #[n(0)]
    pub hash: ChangeHash,
    /// What became of it.
    #[n(1)]
    pub code: VerdictCode,
    /// Why it was rejected: a [`crate::ingest::Rejection`] code. Only with `Rejected`.
    #[n(2)]
    pub reason: Option<String>,
    /// The rejected change it depends on (`BlockedBy`).
    #[n(3)]
    pub by: Option<ChangeHash>,
    /// The record's epoch now (`EpochGone`).
    #[n(4)]
    pub epoch: Option<u32>,
}

/// What became of a pushed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum VerdictCode {
    /// Taken and durable.
    #[n(0)]
    Ok,
    /// Known already: as good as taken.
    #[n(1)]
    Duplicate,
    /// Refused for ever; the values go to the inbox.
    #[n(2)]
    Rejected,
    /// Depends on a refused change: to be replayed on the server's state.
    #[n(3)]
    BlockedBy,
    /// Depends on changes the server does not have: send those too.
    #[n(4)]
    NeedDeps,
    /// The record was rebuilt or is gone: to be replayed on its new epoch.
    #[n(5)]
    EpochGone,
}

/// Something the server wrote into a record because a rule asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Correction {
    /// The record.
    #[cbor(n(0), with = "id")]
    pub doc: RecordId,
    /// The rule, as a code: `latest`, `max`, `edit_over_delete`, `required_missing`.
    #[cbor(n(1), decode_with = "short_text::<64, _>")]
    pub code: String,
    /// The field it concerns, as a path.
    #[cbor(n(2), decode_with = "short_text::<256, _>")]
    pub field: String,
    /// The transaction that caused it, if one did.
    #[n(3)]
    pub txn: Option<TxnId>,
}

/// The next part of a scope's feed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Page {
    /// The scope.
    #[cbor(n(0), decode_with = "short_text::<64, _>")]
    pub scope: String,
    /// Records that changed since the cursor, each once, by `seq`.
    #[cbor(n(1), decode_with = "at_most::<MAX_ITEMS, _, _>")]
    pub docs: Vec<Item>,
    /// The cursor to store together with these records.
    #[n(2)]
    pub next: Cursor,
    /// Whether more is waiting behind `next`.
    #[n(3)]
    pub more: bool,
    /// The server's [`crate::checksum`] of the scope at `next`; only when `more` is false and one was asked for.
    #[n(4)]
    pub checksum: Option<u64>,
}

/// One record in the feed: its latest state.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Item {
    /// The record.
    #[cbor(n(0), with = "id")]
    pub doc: RecordId,
    /// The name of its type; a type a phone does not know is skipped.
    #[cbor(n(1), decode_with = "short_text::<32, _>")]
    pub record_type: String,
    /// Its epoch.
    #[n(2)]
    pub epoch: u32,
    /// Its place in the tenant's feed.
    #[n(3)]
    pub seq: u64,
    /// What `body` holds.
    #[n(4)]
    pub kind: ItemKind,
    /// One entry for a projection (JSON) or a snapshot (Automerge document); one a change for changes; else none.
    #[cbor(n(5), decode_with = "at_most::<MAX_CHANGES, _, _>")]
    pub body: Vec<ByteVec>,
    /// The server's heads of the record at `seq`; empty when it is gone.
    #[n(6)]
    pub heads: Heads,
}

/// What an [`Item`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ItemKind {
    /// The current values as JSON.
    #[n(0)]
    Projection,
    /// The whole record.
    #[n(1)]
    Snapshot,
    /// The changes since the cursor, in an order that can be applied.
    #[n(2)]
    Changes,
    /// It left the scope: drop it unless another scope holds it.
    #[n(3)]
    Gone,
    /// It was erased: purge it everywhere, unsent changes too.
    #[n(4)]
    Erase,
}
