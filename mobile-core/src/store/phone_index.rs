//! Which records a number belongs to, by its E.164 form.

use callfield_domain::RecordId;
use rusqlite::params;

use super::{StoreError, Tx, parsed};

/// One number of one record, as the caller's screen needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedNumber {
    /// `+` and digits.
    pub e164: String,
    /// Lower comes first.
    pub rank: i64,
    /// What the screen shows.
    pub label: String,
}

impl Tx<'_> {
    /// Puts the numbers of a record in the place of those before; a number that was removed finds nothing any more.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_numbers(&self, record: RecordId, numbers: &[IndexedNumber]) -> Result<(), StoreError> {
        let record = record.to_string();
        self.0.prepare_cached("DELETE FROM phone_index WHERE record = ?1")?.execute([&record])?;
        let mut insert =
            self.0.prepare_cached("INSERT INTO phone_index (record, e164, rank, label) VALUES (?1, ?2, ?3, ?4)")?;
        for number in numbers {
            insert.execute(params![record, number.e164, number.rank, number.label])?;
        }
        Ok(())
    }

    /// The records that have the number, best first, each once.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn records_of_number(&self, e164: &str) -> Result<Vec<(RecordId, String)>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "SELECT record, label FROM phone_index WHERE e164 = ?1 GROUP BY record ORDER BY min(rank), record LIMIT 20",
        )?;
        let rows = statement.query_map([e164], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        rows.map(|row| {
            let (record, label) = row?;
            Ok((parsed(&record, "record id")?, label))
        })
        .collect()
    }
}
