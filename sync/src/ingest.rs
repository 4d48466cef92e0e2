//! Taking changes that anybody may have crafted: the one way into a stored record (sync.md 5).
//!
//! Pure: the shell loads the records that [`touched`] names, calls [`ingest()`], and writes what comes back in one
//! transaction. REST, console and import use it too, as one more device.

mod chunk;
mod columns;
mod judge;
mod outcome;
mod reader;
mod request;
mod rules;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::{RecordId, Timestamp, UserId};
use serde_json::Value;

use crate::protocol::{Correction, Push, TxnId, Verdict};
use crate::record::Edit;
use crate::schema::RecordType;
use crate::{Actor, ChangeHash, DeviceKey, Heads};

/// What a user may do (features.md 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Writes every record of the tenant.
    Admin,
    /// Writes every record of the tenant.
    Manager,
    /// Writes own records and those nobody owns.
    Rep,
    /// Writes nothing.
    ReadOnly,
}

/// Who sends the changes and when they came.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// The key id of the authenticated device.
    pub device: DeviceKey,
    /// The user it is logged in as.
    pub user: UserId,
    /// What that user may do.
    pub role: Role,
    /// The server's clock.
    pub now: Timestamp,
    /// When this device last synced: an unsent edit cannot be older.
    pub last_contact: Option<Timestamp>,
    /// The server's own actor, new in each run of the server, for counter-changes.
    pub server: Actor,
}

/// A record as the store holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its type.
    pub record_type: RecordType,
    /// Its epoch.
    pub epoch: u32,
    /// [`crate::record::Record::save`]; empty when the record was erased and only its tombstone is left.
    pub snapshot: Vec<u8>,
}

/// Everything one request leads to.
#[derive(Debug, Clone, Default)]
pub struct Ingested {
    /// One verdict a pushed change, in the order they were pushed.
    pub verdicts: Vec<Verdict>,
    /// The records that changed, by id: to be written in one transaction.
    pub records: Vec<Outcome>,
    /// Refused bytes, to be kept aside with the reason.
    pub refused: Vec<Refused>,
}

/// A record after its changes were taken.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The record.
    pub id: RecordId,
    /// Its type.
    pub record_type: RecordType,
    /// Its epoch.
    pub epoch: u32,
    /// Whether the store did not have it.
    pub is_new: bool,
    /// What to append to the changes, in order: the device's, then the server's own.
    pub changes: Vec<Taken>,
    /// The new snapshot; it was loaded again and had these heads.
    pub snapshot: Vec<u8>,
    /// The new heads.
    pub heads: Heads,
    /// How many changes it is made of now.
    pub change_count: usize,
    /// The new values.
    pub projection: Value,
    /// The paths whose values differ, sorted.
    pub changed: Vec<String>,
    /// The scopes it belongs to now ([`crate::scope`]).
    pub scopes: BTreeSet<String>,
    /// When it was deleted, if it is.
    pub deleted_at: Option<Timestamp>,
    /// What the server wrote into it, or found missing, and why.
    pub corrections: Vec<Correction>,
}

/// A change that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub hash: ChangeHash,
    /// The device's life that wrote it.
    pub actor: Actor,
    /// The user who wrote it; none when the server did.
    pub author: Option<UserId>,
    /// The transaction it came with; none when the server made it.
    pub txn: Option<TxnId>,
    /// When it was made, by the writer's clock.
    pub claimed_at: Timestamp,
    /// The change chunk.
    pub bytes: Vec<u8>,
}

/// A change that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The record it was sent for.
    pub doc: RecordId,
    /// Its name.
    pub hash: ChangeHash,
    /// Why.
    pub reason: Rejection,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

/// Why a change is refused for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// Not one whole, uncompressed change chunk with a right checksum, or nonsense inside.
    Malformed,
    /// Over 64 KiB, 2,000 operations, or a record's limits.
    TooLarge,
    /// The record's type is unknown or not the stored one.
    WrongType,
    /// The actor is not of the device that sends it.
    ForeignActor,
    /// The author is not the user who sends it.
    ForeignAuthor,
    /// The actor already wrote another change with this number.
    ActorReused,
    /// The user may not write this record.
    Forbidden,
    /// A field this type does not have.
    UnknownField,
    /// A value of another kind, or a container touched.
    WrongKind,
    /// A value longer than its field allows.
    TooLong,
    /// A field only the server writes.
    ServerField,
    /// The log was written before.
    WrittenOnce,
    /// A write-once field without the log marker in the same change.
    LogIncomplete,
    /// Another change of its transaction was refused.
    TxnRefused,
    /// It could be applied, but the record would not load again.
    Unsound,
}

impl Rejection {
    /// The code on the wire and in the quarantine.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::WrongType => "wrong_type",
            Self::ForeignActor => "foreign_actor",
            Self::ForeignAuthor => "foreign_author",
            Self::ActorReused => "actor_reused",
            Self::Forbidden => "forbidden",
            Self::UnknownField => "unknown_field",
            Self::WrongKind => "wrong_kind",
            Self::TooLong => "too_long",
            Self::ServerField => "server_field",
            Self::WrittenOnce => "written_once",
            Self::LogIncomplete => "log_incomplete",
            Self::TxnRefused => "txn_refused",
            Self::Unsound => "unsound",
        }
    }
}

/// The records a request writes to: what the shell loads, in this order, before [`ingest()`].
pub fn touched(pushes: &[Push]) -> BTreeSet<RecordId> {
    pushes.iter().map(|push| push.doc).collect()
}

/// Judges every pushed change and makes the new records. A record that is not in `stored` is new.
///
/// Costs some milliseconds a record, and more when a change is hostile: run it where blocking is allowed.
pub fn ingest(stored: &BTreeMap<RecordId, Stored>, pushes: &[Push], context: &Context) -> Ingested {
    request::ingest(stored, pushes, context)
}

/// A write that needs no judging: facts of a call, and whatever else the server itself knows. Every field may be
/// written. None if nothing differs.
///
/// # Errors
/// If the patch does not fit the type, or the stored bytes do not load.
pub fn write(
    id: RecordId,
    record_type: RecordType,
    stored: Option<&Stored>,
    by: &Edit,
    patch: &Value,
) -> Result<Option<Outcome>, WriteError> {
    outcome::write(id, record_type, stored, by, patch)
}

/// Why the server could not write a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The patch does not fit.
    #[error(transparent)]
    Patch(#[from] crate::record::EditError),
    /// The stored bytes do not load, were erased, or are of another type.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
}
