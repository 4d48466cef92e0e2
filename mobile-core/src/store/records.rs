//! The records on the phone: each one's document beside what it says.

use std::iter;

use callfield_domain::RecordId;
use callfield_sync::Heads;
use callfield_sync::phone::LocalRecord;
use callfield_sync::schema::RecordType;
use rusqlite::{OptionalExtension as _, params, params_from_iter};
use serde_json::Value;

use super::{StoreError, Tx, from_json, parsed};
use crate::directory::{search_form, view};

/// A row of a list: what the screen shows, without the document.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// The record.
    pub id: RecordId,
    /// Its type.
    pub record_type: RecordType,
    /// What a list shows.
    pub label: String,
    /// The current values, unsent changes included.
    pub projection: Value,
}

impl Tx<'_> {
    /// Stores a record with everything that is derived from it.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_record(&self, record: &LocalRecord) -> Result<(), StoreError> {
        let view = view(record.record_type, &record.projection);
        let mut put = self.0.prepare_cached(
            "INSERT INTO records (id, type, epoch, snap, heads, synced_heads, proj, label, search, is_deleted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE SET type = ?2, epoch = ?3, snap = ?4, heads = ?5, synced_heads = ?6,
             proj = ?7, label = ?8, search = ?9, is_deleted = ?10",
        )?;
        put.execute(params![
            record.id.to_string(),
            record.record_type.as_str(),
            record.epoch,
            record.snapshot,
            record.heads.to_bytes(),
            record.synced_heads.to_bytes(),
            record.projection.to_string(),
            view.label,
            view.search,
            view.is_deleted,
        ])?;
        self.put_numbers(record.id, &view.numbers)
    }

    /// The record with its document.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn record(&self, id: RecordId) -> Result<Option<LocalRecord>, StoreError> {
        let mut statement =
            self.0.prepare_cached("SELECT type, epoch, snap, heads, synced_heads, proj FROM records WHERE id = ?1")?;
        let mut rows = statement.query([id.to_string()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        Ok(Some(LocalRecord {
            id,
            record_type: parsed(&row.get::<_, String>(0)?, "record type")?,
            epoch: row.get(1)?,
            snapshot: row.get(2)?,
            heads: heads(&row.get::<_, Vec<u8>>(3)?)?,
            synced_heads: heads(&row.get::<_, Vec<u8>>(4)?)?,
            projection: from_json(&row.get::<_, String>(5)?, "projection")?,
        }))
    }

    /// Records of a type whose names, company or numbers hold every word of `query`, by label.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn search(&self, record_type: RecordType, query: &str, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
        let words = words(query);
        let conditions: String = (0..words.len()).map(|n| format!(" AND search LIKE ?{} ESCAPE '\\'", n + 2)).collect();
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT id, label, proj FROM records WHERE type = ?1 AND is_deleted = 0{conditions}
             ORDER BY label, n LIMIT {limit}"
        ))?;
        let parameters = iter::once(record_type.as_str().to_owned()).chain(words.iter().map(|word| pattern(word)));
        let mut rows = statement.query(params_from_iter(parameters))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(StoredRecord {
                id: parsed(&row.get::<_, String>(0)?, "record id")?,
                record_type,
                label: row.get(1)?,
                projection: from_json(&row.get::<_, String>(2)?, "projection")?,
            });
        }
        Ok(found)
    }

    /// What a list shows for the record.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn label(&self, id: RecordId) -> Result<Option<String>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT label FROM records WHERE id = ?1")?;
        Ok(statement.query_row([id.to_string()], |row| row.get(0)).optional()?)
    }

    /// Notes that the scope holds the record.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn enter_scope(&self, scope: &str, id: RecordId) -> Result<(), StoreError> {
        let mut statement =
            self.0.prepare_cached("INSERT OR IGNORE INTO record_scopes (scope, record) VALUES (?1, ?2)")?;
        statement.execute([scope, &id.to_string()])?;
        Ok(())
    }

    /// Notes that the record left the scope, and drops it unless another scope or an unsent change holds it.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn leave_scope(&self, scope: &str, id: RecordId) -> Result<(), StoreError> {
        let record = id.to_string();
        self.0.execute("DELETE FROM record_scopes WHERE scope = ?1 AND record = ?2", [scope, &record])?;
        let is_held: bool = self.0.query_row(
            "SELECT EXISTS (SELECT 1 FROM record_scopes WHERE record = ?1)
             OR EXISTS (SELECT 1 FROM outbox WHERE record = ?1)",
            [&record],
            |row| row.get(0),
        )?;
        if is_held { Ok(()) } else { self.drop_record(id) }
    }

    /// Purges the record with its unsent changes; SQLite overwrites what it frees.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn erase_record(&self, id: RecordId) -> Result<(), StoreError> {
        let record = id.to_string();
        for table in ["outbox", "inbox", "record_scopes"] {
            self.0.execute(&format!("DELETE FROM {table} WHERE record = ?1"), [&record])?;
        }
        self.drop_record(id)
    }

    /// Drops the record with its numbers; its unsent changes and its cards stay.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn drop_record(&self, id: RecordId) -> Result<(), StoreError> {
        self.0.execute("DELETE FROM phone_index WHERE record = ?1", [id.to_string()])?;
        self.0.execute("DELETE FROM records WHERE id = ?1", [id.to_string()])?;
        Ok(())
    }
}

fn heads(bytes: &[u8]) -> Result<Heads, StoreError> {
    Heads::from_bytes(bytes).map_err(|_| StoreError::Unreadable("heads"))
}

/// The words of a query; a query that is a number is its digits.
fn words(query: &str) -> Vec<String> {
    let query = search_form(query);
    let digits: String = query.chars().filter(char::is_ascii_digit).collect();
    let is_number = !digits.is_empty() && !query.chars().any(char::is_alphabetic);
    if is_number { vec![digits] } else { query.split_whitespace().map(str::to_owned).collect() }
}

fn pattern(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
