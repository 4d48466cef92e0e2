//! The changes that wait to be sent, oldest first.

use std::collections::BTreeMap;

use callfield_domain::RecordId;
use callfield_sync::ChangeHash;
use callfield_sync::phone::Outgoing;
use callfield_sync::protocol::TxnId;
use rusqlite::{Row, params};
use uuid::Uuid;

use super::{StoreError, Tx, parsed};

const COLUMNS: &str = "txn, record, type, epoch, hash, bytes";

impl Tx<'_> {
    /// Appends changes.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn add_outgoing(&self, changes: &[Outgoing]) -> Result<(), StoreError> {
        let mut insert = self.0.prepare_cached(
            "INSERT OR IGNORE INTO outbox (txn, record, type, epoch, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for change in changes {
            insert.execute(params![
                change.txn.uuid().as_bytes(),
                change.doc.to_string(),
                change.record_type.as_str(),
                change.epoch,
                change.hash.as_bytes(),
                change.bytes,
            ])?;
        }
        Ok(())
    }

    /// What waits, oldest first.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn outgoing(&self) -> Result<Vec<Outgoing>, StoreError> {
        let mut statement = self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox ORDER BY n"))?;
        let mut rows = statement.query([])?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next()? {
            changes.push(outgoing_of(row)?);
        }
        Ok(changes)
    }

    /// Puts other changes in the place of some; what was behind them stays behind.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn replace_outgoing(&self, replaced: &[(ChangeHash, Vec<Outgoing>)]) -> Result<(), StoreError> {
        if replaced.is_empty() {
            return Ok(());
        }
        let replaced: BTreeMap<_, _> = replaced.iter().map(|(hash, changes)| (*hash, changes)).collect();
        let waiting = self.outgoing()?;
        self.0.execute("DELETE FROM outbox", [])?;
        for change in waiting {
            match replaced.get(&change.hash) {
                Some(changes) => self.add_outgoing(changes)?,
                None => self.add_outgoing(&[change])?,
            }
        }
        Ok(())
    }

    /// What waits of one record, oldest first.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn outgoing_of(&self, record: RecordId) -> Result<Vec<Outgoing>, StoreError> {
        let mut statement =
            self.0.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE record = ?1 ORDER BY n"))?;
        let mut rows = statement.query([record.to_string()])?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next()? {
            changes.push(outgoing_of(row)?);
        }
        Ok(changes)
    }

    /// How many changes wait.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn outgoing_count(&self) -> Result<u32, StoreError> {
        Ok(self.0.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?)
    }

    /// Takes a change out: the server has it, or refused it for good.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn remove_outgoing(&self, hash: &ChangeHash) -> Result<(), StoreError> {
        self.0.execute("DELETE FROM outbox WHERE hash = ?1", [hash.as_bytes()])?;
        Ok(())
    }
}

fn outgoing_of(row: &Row<'_>) -> Result<Outgoing, StoreError> {
    Ok(Outgoing {
        txn: TxnId::from_uuid(Uuid::from_bytes(row.get(0)?)),
        doc: parsed(&row.get::<_, String>(1)?, "record id")?,
        record_type: parsed(&row.get::<_, String>(2)?, "record type")?,
        epoch: row.get(3)?,
        hash: ChangeHash::from_bytes(row.get(4)?),
        bytes: row.get(5)?,
    })
}
