//! Records: what the app lists, opens and edits, with or without a network.

use callfield_domain::{RecordId, Timestamp, UserId};
use callfield_sync::Author;
use callfield_sync::record::Record;
use callfield_sync::schema::RecordType;
use serde::Serialize;
use serde_json::Value;

use super::{Session, SessionError};
use crate::directory::{self, Match};
use crate::store::inbox::Card;
use crate::store::{StoreError, StoredRecord};
use crate::writer::Writer;

/// A record as it is opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordDetail {
    /// The record.
    pub id: RecordId,
    /// The name of its type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// What a list shows.
    pub label: String,
    /// The current values, unsent changes included.
    pub fields: Value,
    /// Fields with more than one value.
    pub conflicts: Vec<RecordConflict>,
    /// Changes of it that wait to be sent.
    pub unsent: usize,
}

/// A field that was written by several without knowing of each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordConflict {
    /// The field as a path.
    pub field: String,
    /// Every value, the one that is shown first.
    pub values: Vec<RecordConflictValue>,
}

/// One of the values of a conflict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordConflictValue {
    /// The value.
    pub value: Value,
    /// Who wrote it; `None` for the server.
    pub author: Option<UserId>,
    /// When, by the writer's clock.
    pub claimed_at: Timestamp,
}

impl Session {
    /// Contacts whose names, company or numbers hold every word of `query`; all of them for an empty one.
    ///
    /// # Errors
    /// The store's failure.
    pub fn contacts(&self, query: &str, limit: u32) -> Result<Vec<StoredRecord>, SessionError> {
        self.records(RecordType::Contact, query, limit)
    }

    /// Records of a type that hold every word of `query`.
    ///
    /// # Errors
    /// The store's failure.
    pub fn records(&self, kind: RecordType, query: &str, limit: u32) -> Result<Vec<StoredRecord>, SessionError> {
        Ok(self.shared.store.read::<_, StoreError>(|tx| tx.search(kind, query, limit))?)
    }

    /// The record with its conflicts; `None` if the phone does not hold it.
    ///
    /// # Errors
    /// The store's failure.
    pub fn record(&self, id: RecordId) -> Result<Option<RecordDetail>, SessionError> {
        let found = self.shared.store.read::<_, StoreError>(|tx| {
            let Some(record) = tx.record(id)? else { return Ok(None) };
            Ok(Some((record, tx.label(id)?, tx.outgoing_of(id)?.len())))
        })?;
        let Some((record, label, unsent)) = found else {
            return Ok(None);
        };
        Ok(Some(RecordDetail {
            id,
            record_type: record.record_type.to_string(),
            label: label.unwrap_or_default(),
            conflicts: conflicts(record.record_type, record.snapshot.as_deref())?,
            fields: record.projection,
            unsent,
        }))
    }

    /// Applies a JSON merge patch (RFC 7396) to a record, now on the phone and at the next sync everywhere.
    ///
    /// # Errors
    /// [`SessionError::Write`].
    pub fn edit_record(&self, id: RecordId, patch: &Value) -> Result<(), SessionError> {
        let now = self.shared.clock.now();
        self.shared.write(|tx, random| Writer::begin(tx, now, random)?.edit(id, patch))?;
        self.tell_record_changed(id);
        Ok(())
    }

    /// Makes a record of one's own.
    ///
    /// # Errors
    /// [`SessionError::Write`].
    pub fn create_record(&self, kind: RecordType, fields: &Value) -> Result<RecordId, SessionError> {
        let now = self.shared.clock.now();
        let id = self.shared.write(|tx, random| {
            let id = RecordId::new(now, random);
            Writer::begin(tx, now, random)?.put(id, kind, fields).map(|()| id)
        })?;
        self.tell_record_changed(id);
        Ok(id)
    }

    /// Whose number it is, the most likely first.
    ///
    /// # Errors
    /// The store's failure.
    pub fn look_up(&self, number: &str) -> Result<Vec<Match>, SessionError> {
        Ok(directory::look_up(&self.shared.store, number, &self.country())?)
    }

    /// Refused edits and corrections that a person should see.
    ///
    /// # Errors
    /// The store's failure.
    pub fn inbox(&self) -> Result<Vec<Card>, SessionError> {
        Ok(self.shared.store.read::<_, StoreError>(|tx| tx.cards())?)
    }
}

fn conflicts(record_type: RecordType, snapshot: Option<&[u8]>) -> Result<Vec<RecordConflict>, SessionError> {
    let Some(snapshot) = snapshot else {
        return Ok(Vec::new());
    };
    let record = Record::load(record_type, snapshot).map_err(|_| StoreError::Unreadable("document"))?;
    let conflicts = record.conflicts().into_iter().map(|conflict| RecordConflict {
        field: conflict.field,
        values: conflict
            .values
            .into_iter()
            .map(|value| RecordConflictValue {
                value: value.value,
                author: value.author.and_then(user),
                claimed_at: value.claimed_at,
            })
            .collect(),
    });
    Ok(conflicts.collect())
}

const fn user(author: Author) -> Option<UserId> {
    match author {
        Author::User(user) => Some(user),
        Author::Server => None,
    }
}
