//! What a person must see: refused edits and corrections. Refused never means lost.

use callfield_domain::Timestamp;
use callfield_sync::phone::{InboxEntry, InboxKind};
use rusqlite::params;

use super::{StoreError, Tx, from_json, parsed};

/// A card of the inbox and when it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// What happened to which record.
    pub entry: InboxEntry,
    /// When the phone learned of it.
    pub came_at: Timestamp,
}

impl Tx<'_> {
    /// Adds a card.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn add_card(&self, entry: &InboxEntry, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute(
            "INSERT INTO inbox (record, type, kind, code, detail, came_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                entry.doc.to_string(),
                entry.record_type.as_str(),
                kind_name(entry.kind),
                entry.code,
                entry.values.to_string(),
                now.as_millis()
            ],
        )?;
        Ok(())
    }

    /// Every card, the newest first.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn cards(&self) -> Result<Vec<Card>, StoreError> {
        let mut statement =
            self.0.prepare_cached("SELECT record, type, kind, code, detail, came_at FROM inbox ORDER BY n DESC")?;
        let mut rows = statement.query([])?;
        let mut cards = Vec::new();
        while let Some(row) = rows.next()? {
            let entry = InboxEntry {
                doc: parsed(&row.get::<_, String>(0)?, "record id")?,
                record_type: parsed(&row.get::<_, String>(1)?, "record type")?,
                txn: None,
                kind: kind_of(&row.get::<_, String>(2)?)?,
                code: row.get(3)?,
                values: from_json(&row.get::<_, String>(4)?, "values of a card")?,
            };
            cards.push(Card { entry, came_at: Timestamp::from_millis(row.get(5)?) });
        }
        Ok(cards)
    }
}

const fn kind_name(kind: InboxKind) -> &'static str {
    match kind {
        InboxKind::Rejected => "rejected",
        InboxKind::Corrected => "corrected",
    }
}

fn kind_of(name: &str) -> Result<InboxKind, StoreError> {
    match name {
        "rejected" => Ok(InboxKind::Rejected),
        "corrected" => Ok(InboxKind::Corrected),
        _ => Err(StoreError::Unreadable("kind of card")),
    }
}
