//! What the phone may hold, and how far it has read each scope's feed.

use callfield_sync::protocol::{Cursor, Level, ScopeCursor};
use rusqlite::params;

use super::{StoreError, Tx};

impl Tx<'_> {
    /// Every scope with its cursor, in the order they are to be read.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn scopes(&self) -> Result<Vec<ScopeCursor>, StoreError> {
        // "user:…" holds one's own tasks and comes before "tenant".
        let mut statement = self.0.prepare_cached("SELECT scope, cursor FROM scopes ORDER BY scope DESC")?;
        let mut rows = statement.query([])?;
        let mut scopes = Vec::new();
        while let Some(row) = rows.next()? {
            let cursor: Option<Vec<u8>> = row.get(1)?;
            scopes.push(ScopeCursor {
                scope: row.get(0)?,
                cursor: cursor.and_then(Cursor::from_bytes),
                checksum: None,
                level: Level::Full,
            });
        }
        Ok(scopes)
    }

    /// Adds a scope to be read from its beginning; one that is known keeps its cursor.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn add_scope(&self, scope: &str) -> Result<(), StoreError> {
        self.0.execute("INSERT OR IGNORE INTO scopes (scope) VALUES (?1)", [scope])?;
        Ok(())
    }

    /// Remembers how far the scope was read; in the same transaction as what was read.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_cursor(&self, scope: &str, cursor: &Cursor) -> Result<(), StoreError> {
        self.0.execute("UPDATE scopes SET cursor = ?2 WHERE scope = ?1", params![scope, cursor.as_bytes()])?;
        Ok(())
    }

    /// Drops a scope and every record that no other scope holds; SQLite overwrites what it frees.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn purge_scope(&self, scope: &str) -> Result<(), StoreError> {
        const LOST: &str = "SELECT record FROM record_scopes WHERE scope = ?1
            EXCEPT SELECT record FROM record_scopes WHERE scope <> ?1";
        for (table, column) in [("records", "id"), ("phone_index", "record"), ("inbox", "record")] {
            self.0.execute(&format!("DELETE FROM {table} WHERE {column} IN ({LOST})"), [scope])?;
        }
        self.0.execute("DELETE FROM record_scopes WHERE scope = ?1", [scope])?;
        self.0.execute("DELETE FROM scopes WHERE scope = ?1", [scope])?;
        Ok(())
    }
}
