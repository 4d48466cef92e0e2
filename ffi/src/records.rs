//! The records this phone holds: readable and editable without a network.

use callfield_domain::RecordId;
use callfield_mobile_core::session::{RecordConflict, Session};
use callfield_mobile_core::store::StoredRecord;

use crate::error::RecordError;
use crate::runtime;

/// A record as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RecordSummary {
    /// The record.
    pub id: String,
    /// `contact`, `task`, `call`.
    pub record_type: String,
    /// What a list shows.
    pub label: String,
    /// The current values as a JSON object, unsent changes included.
    pub fields_json: String,
}

/// A record as its page shows it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RecordDetail {
    /// The record.
    pub id: String,
    /// Its type.
    pub record_type: String,
    /// What a list shows.
    pub label: String,
    /// The current values as a JSON object, unsent changes included.
    pub fields_json: String,
    /// Fields that several people set at the same time: all values are kept until one is chosen.
    pub conflicts: Vec<FieldConflict>,
    /// Changes of it that wait to be sent.
    pub unsent: u32,
}

/// A field with several values.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FieldConflict {
    /// The field.
    pub field: String,
    /// Its values.
    pub values: Vec<ConflictValue>,
}

/// One of several values.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ConflictValue {
    /// The value as JSON.
    pub value_json: String,
    /// The user who wrote it; `None` for the server.
    pub author: Option<String>,
    /// When, by the writer's clock, milliseconds since 1970.
    pub claimed_at: i64,
}

/// The records of one installation.
#[derive(uniffi::Object)]
pub struct RecordStore {
    session: Session,
}

impl RecordStore {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }
}

#[uniffi::export]
impl RecordStore {
    /// Contacts whose names, company or numbers hold every word of `query`; all of them for an empty one.
    pub async fn contacts(&self, query: String, limit: u32) -> Result<Vec<RecordSummary>, RecordError> {
        let session = self.session.clone();
        runtime::run(async move {
            let found = session.contacts(&query, limit)?;
            Ok(found.into_iter().map(RecordSummary::from).collect())
        })
        .await
    }

    /// One record, if this phone holds it.
    pub async fn record(&self, id: String) -> Result<Option<RecordDetail>, RecordError> {
        let session = self.session.clone();
        runtime::run(async move {
            let Some(found) = session.record(parse(&id)?)? else { return Ok(None) };
            Ok(Some(RecordDetail {
                id: found.id.to_string(),
                record_type: found.record_type,
                label: found.label,
                fields_json: found.fields.to_string(),
                conflicts: found.conflicts.into_iter().map(FieldConflict::from).collect(),
                unsent: u32::try_from(found.unsent).unwrap_or(u32::MAX),
            }))
        })
        .await
    }

    /// Applies a JSON merge patch (RFC 7396); it is on the phone when this returns, and waits to be sent.
    pub async fn edit(&self, id: String, patch_json: String) -> Result<(), RecordError> {
        let session = self.session.clone();
        runtime::run(async move {
            let patch = serde_json::from_str(&patch_json).map_err(|_| bad("patch_json"))?;
            Ok(session.edit_record(parse(&id)?, &patch)?)
        })
        .await
    }
}

fn parse(id: &str) -> Result<RecordId, RecordError> {
    id.parse().map_err(|_| bad("id"))
}

fn bad(what: &str) -> RecordError {
    RecordError::BadInput { what: what.to_owned() }
}

impl From<StoredRecord> for RecordSummary {
    fn from(record: StoredRecord) -> Self {
        Self {
            id: record.id.to_string(),
            record_type: record.record_type.as_str().to_owned(),
            label: record.label,
            fields_json: record.projection.to_string(),
        }
    }
}

impl From<RecordConflict> for FieldConflict {
    fn from(conflict: RecordConflict) -> Self {
        let values = conflict.values.into_iter().map(|value| ConflictValue {
            value_json: value.value.to_string(),
            author: value.author.map(|author| author.to_string()),
            claimed_at: value.claimed_at.as_millis(),
        });
        Self { field: conflict.field, values: values.collect() }
    }
}
