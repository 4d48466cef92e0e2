//! The rows of the journal.

use std::time::Duration;

use callfield_domain::{CallId, Direction, Timestamp};
use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};

use super::{StoreError, Tx, from_json, json, parsed};
use crate::journal::{Entry, EntryState, Medium};

const COLUMNS: &str = "call, medium, direction, number, record, name, started_at, answered_at, ended_at, outcome,
    state, form";

impl Tx<'_> {
    /// Stores an entry in the place of the one before.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_entry(&self, entry: &Entry) -> Result<(), StoreError> {
        self.0.execute(
            &format!(
                "INSERT INTO journal ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
                 ON CONFLICT (call) DO UPDATE SET number = ?4, record = ?5, name = ?6, started_at = ?7,
                 answered_at = ?8, ended_at = ?9, outcome = ?10, state = ?11, form = ?12"
            ),
            params![
                entry.call.to_string(),
                json(&entry.medium)?,
                json(&entry.direction)?,
                entry.number,
                entry.record.map(|record| record.to_string()),
                entry.name,
                entry.started_at.as_millis(),
                entry.answered_at.map(Timestamp::as_millis),
                entry.ended_at.map(Timestamp::as_millis),
                entry.outcome.as_ref().map(json).transpose()?,
                json(&entry.state)?,
                entry.form.as_ref().map(json).transpose()?,
            ],
        )?;
        Ok(())
    }

    /// The entry of a call.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn entry(&self, call: CallId) -> Result<Option<Entry>, StoreError> {
        let mut statement = self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM journal WHERE call = ?1"))?;
        let mut rows = statement.query([call.to_string()])?;
        rows.next()?.map(entry_of).transpose()
    }

    /// The entries in one of `states`, the newest first.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn entries(&self, states: &[EntryState], limit: u32) -> Result<Vec<Entry>, StoreError> {
        let states = states.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        let places: Vec<_> = (1..=states.len()).map(|n| format!("?{n}")).collect();
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM journal WHERE state IN ({}) ORDER BY started_at DESC, n DESC LIMIT {limit}",
            places.join(", ")
        ))?;
        let mut rows = statement.query(params_from_iter(states))?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push(entry_of(row)?);
        }
        Ok(entries)
    }

    /// The native call that is the same as one seen now: same number and direction, begun within `tolerance`.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn native_twin(
        &self,
        number: Option<&str>,
        direction: Direction,
        started_at: Timestamp,
        tolerance: Duration,
    ) -> Result<Option<CallId>, StoreError> {
        let call: Option<String> = self
            .0
            .query_row(
                "SELECT call FROM journal WHERE medium = ?1 AND direction = ?2 AND number IS ?3
                 AND started_at BETWEEN ?4 AND ?5 ORDER BY started_at LIMIT 1",
                params![
                    json(&Medium::Native)?,
                    json(&direction)?,
                    number,
                    (started_at - tolerance).as_millis(),
                    (started_at + tolerance).as_millis()
                ],
                |row| row.get(0),
            )
            .optional()?;
        call.map(|call| parsed(&call, "call id")).transpose()
    }

    /// Never again offers calls with this number for logging.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn ignore_number(&self, number: &str) -> Result<(), StoreError> {
        self.0.execute("INSERT OR IGNORE INTO ignored_numbers (number) VALUES (?1)", [number])?;
        self.0.execute(
            "UPDATE journal SET state = ?2 WHERE number = ?1 AND state IN (?3, ?4)",
            params![number, json(&EntryState::Ignored)?, json(&EntryState::ToLog)?, json(&EntryState::Later)?],
        )?;
        Ok(())
    }

    /// Whether the user asked not to be offered calls with this number.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn is_ignored(&self, number: &str) -> Result<bool, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT EXISTS (SELECT 1 FROM ignored_numbers WHERE number = ?1)")?;
        Ok(statement.query_row([number], |row| row.get(0))?)
    }
}

fn entry_of(row: &Row<'_>) -> Result<Entry, StoreError> {
    let time = |at: Option<i64>| at.map(Timestamp::from_millis);
    let record: Option<String> = row.get(4)?;
    let outcome: Option<String> = row.get(9)?;
    let form: Option<String> = row.get(11)?;
    Ok(Entry {
        call: parsed(&row.get::<_, String>(0)?, "call id")?,
        medium: from_json(&row.get::<_, String>(1)?, "medium")?,
        direction: from_json(&row.get::<_, String>(2)?, "direction")?,
        number: row.get(3)?,
        record: record.map(|record| parsed(&record, "record id")).transpose()?,
        name: row.get(5)?,
        started_at: Timestamp::from_millis(row.get(6)?),
        answered_at: time(row.get(7)?),
        ended_at: time(row.get(8)?),
        outcome: outcome.map(|outcome| from_json(&outcome, "outcome")).transpose()?,
        state: from_json(&row.get::<_, String>(10)?, "state of an entry")?,
        form: form.map(|form| from_json(&form, "form")).transpose()?,
    })
}
