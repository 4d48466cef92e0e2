//! The pushes that came, so that one that comes twice rings once, also after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::{CallId, Timestamp};
use rusqlite::params;

use super::{StoreError, Tx, from_json, json, parsed};
use crate::push::Known;

/// How long a push may come again: longer than any provider keeps one with a ring limit's time to live.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

impl Tx<'_> {
    /// Counts a push for `call` and remembers how far the call is; forgets those of the day before.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_push(&self, call: CallId, known: Known, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute("DELETE FROM pushes WHERE first_at < ?1", [(now - MEMORY).as_millis()])?;
        self.0.execute(
            "INSERT INTO pushes (call, first_at, times, known) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (call) DO UPDATE SET times = times + 1, known = excluded.known",
            params![call.to_string(), now.as_millis(), json(&known)?],
        )?;
        Ok(())
    }

    /// How far each call of the last day is that a push came for.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn known_calls(&self) -> Result<BTreeMap<CallId, Known>, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT call, known FROM pushes")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (call, known) = row?;
            Ok((parsed(&call, "call id")?, from_json(&known, "state of a call")?))
        })
        .collect()
    }
}
