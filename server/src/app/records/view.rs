//! A record as the API shows it.

use callfield_domain::{DeviceId, RecordId, Timestamp, UserId};
use callfield_sync::record::Record;
use callfield_sync::{Author, Heads};
use serde::Serialize;
use serde_json::Value;

use super::RecordsError;
use super::commit::stored_record;
use crate::db::{Doc, Scoped};

/// A record with its values and the fields that have several.
#[derive(Debug, Clone, Serialize)]
pub struct RecordView {
    id: RecordId,
    r#type: String,
    heads: Vec<String>,
    fields: Value,
    conflicts: Vec<ConflictView>,
}

#[derive(Debug, Clone, Serialize)]
struct ConflictView {
    field: String,
    values: Vec<ConflictValueView>,
}

#[derive(Debug, Clone, Serialize)]
struct ConflictValueView {
    value: Value,
    author: Option<UserId>,
    device: Option<DeviceId>,
    claimed_at: Timestamp,
}

impl RecordView {
    /// The `ETag`: the heads, joined by dots.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.heads.join("."))
    }
}

/// Makes the view of a stored record.
///
/// # Errors
/// [`RecordsError::NotFound`] for a type this build does not know, [`RecordsError::Damaged`], or the database's failure.
pub async fn view(rows: &mut Scoped, doc: Doc) -> Result<RecordView, RecordsError> {
    let (id, projection) = (doc.id, doc.projection.clone());
    let heads = Heads::from_bytes(&doc.heads).unwrap_or_default();
    let stored = stored_record(Some(doc)).ok_or(RecordsError::NotFound)?;
    let record = Record::load(stored.record_type, &stored.snapshot)?;
    let mut conflicts = Vec::new();
    for conflict in record.conflicts() {
        let mut values = Vec::new();
        for value in conflict.values {
            let author = match value.author {
                Some(Author::User(user)) => Some(user),
                Some(Author::Server) | None => None,
            };
            let device = rows.device_of_change(id, value.change.as_bytes()).await?;
            values.push(ConflictValueView { value: value.value, author, device, claimed_at: value.claimed_at });
        }
        conflicts.push(ConflictView { field: conflict.field, values });
    }
    let heads = heads.as_slice().iter().map(ToString::to_string).collect();
    Ok(RecordView { id, r#type: stored.record_type.as_str().to_owned(), heads, fields: projection, conflicts })
}

/// What a call screen shows of a contact: its name in the order of the company's country, else the organization.
pub fn display_name(projection: &Value) -> Option<String> {
    let text = |field: &str| projection[field].as_str().filter(|text| !text.is_empty());
    let parts = [text("last_name"), text("first_name")];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    if name.is_empty() { text("organization_name").map(str::to_owned) } else { Some(name) }
}
