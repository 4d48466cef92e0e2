//! Which scope holds which record, and when that last changed: the feed.

use callfield_domain::RecordId;
use sqlx::FromRow;
use uuid::Uuid;

use super::bulk::bulks;
use super::{Result, Scoped, on, statements};

/// The scope holds the record.
const HELD: &str = "held";
/// The record left the scope.
const LEFT: &str = "left";

/// A record in the feed of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedEntry {
    /// The record.
    pub doc: RecordId,
    /// Its place.
    pub seq: i64,
    /// Whether the scope still holds it.
    pub is_held: bool,
}

/// News of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedItem {
    /// The record and its place.
    pub entry: FeedEntry,
    /// Whether it came into the scope after the place that the news were asked from: who has only that is without it.
    pub is_entered: bool,
}

/// What a scope's checksum is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDoc {
    /// The record.
    pub doc: RecordId,
    /// Its epoch.
    pub epoch: u32,
    /// Its heads, 32 bytes each.
    pub heads: Vec<u8>,
}

#[derive(FromRow)]
struct FeedRow {
    doc_id: Uuid,
    seq: i64,
    entered_seq: i64,
    state: String,
}

#[derive(FromRow)]
struct HeldRow {
    id: Uuid,
    epoch: i64,
    heads: Vec<u8>,
}

bulks! {
    PUT = "INSERT INTO doc_scopes (tenant_id, scope, doc_id, seq, entered_seq, state)",
        "($1, :1, :2, :3, :3, :4)", 4,
        "ON CONFLICT (tenant_id, scope, doc_id) DO UPDATE SET seq = excluded.seq, state = excluded.state,
            entered_seq = CASE WHEN doc_scopes.state = excluded.state
                THEN doc_scopes.entered_seq ELSE excluded.entered_seq END";
}

statements! {
    OF_DOC = "SELECT scope FROM doc_scopes WHERE tenant_id = $1 AND doc_id = $2 AND state = $3 ORDER BY scope";
    FEED = "SELECT doc_id, seq, entered_seq, state FROM doc_scopes WHERE tenant_id = $1 AND scope = $2 AND seq > $3
        ORDER BY seq LIMIT $4";
    HELD_DOCS = "SELECT docs.id AS id, docs.epoch AS epoch, docs.heads AS heads
        FROM doc_scopes JOIN docs ON docs.tenant_id = doc_scopes.tenant_id AND docs.id = doc_scopes.doc_id
        WHERE doc_scopes.tenant_id = $1 AND doc_scopes.scope = $2 AND doc_scopes.state = $3 ORDER BY docs.id";
}

impl Scoped {
    /// Puts records into scopes, or notes that they left them; each pair only once.
    pub async fn put_scopes(&mut self, entries: &[(&str, FeedEntry)]) -> Result<()> {
        let tenant = self.tenant.uuid();
        for (put, entries) in PUT.cut(entries) {
            on!(self.tx, connection => {
                let mut query = sqlx::query(put).bind(tenant);
                for (scope, entry) in entries {
                    query = query
                        .bind(*scope)
                        .bind(entry.doc.uuid())
                        .bind(entry.seq)
                        .bind(if entry.is_held { HELD } else { LEFT });
                }
                query.execute(connection).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// The scopes that hold a record.
    pub async fn scopes_of(&mut self, doc: RecordId) -> Result<Vec<String>> {
        let tenant = self.tenant.uuid();
        Ok(on!(self.tx, connection => sqlx::query_scalar(OF_DOC)
            .bind(tenant)
            .bind(doc.uuid())
            .bind(HELD)
            .fetch_all(connection).await)?)
    }

    /// What happened in a scope after `seq`, each record once, `limit` at most.
    pub async fn feed(&mut self, scope: &str, seq: i64, limit: i64) -> Result<Vec<FeedItem>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<FeedRow> = on!(self.tx, connection => sqlx::query_as(FEED)
            .bind(tenant)
            .bind(scope)
            .bind(seq)
            .bind(limit)
            .fetch_all(connection).await)?;
        let item = |row: FeedRow| FeedItem {
            entry: FeedEntry { doc: RecordId::from_uuid(row.doc_id), seq: row.seq, is_held: row.state == HELD },
            is_entered: row.entered_seq > seq,
        };
        Ok(rows.into_iter().map(item).collect())
    }

    /// Every record that a scope holds.
    pub async fn held_docs(&mut self, scope: &str) -> Result<Vec<HeldDoc>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<HeldRow> = on!(self.tx, connection => sqlx::query_as(HELD_DOCS)
            .bind(tenant)
            .bind(scope)
            .bind(HELD)
            .fetch_all(connection).await)?;
        let held = |row: HeldRow| HeldDoc {
            doc: RecordId::from_uuid(row.id),
            epoch: u32::try_from(row.epoch).unwrap_or(u32::MAX),
            heads: row.heads,
        };
        Ok(rows.into_iter().map(held).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    db_test! {
        async fn a_record_stands_once_in_the_feed_at_its_latest_place(db: Db) {
            let mut house = House::new(&db).await;
            let (one, two) = (house.doc("contact", json!({})).await.id, house.doc("contact", json!({})).await.id);
            let mut rows = house.write().await;
            for (doc, seq) in [(one, 1), (two, 2), (one, 3)] {
                rows.put_scopes(&[("tenant", FeedEntry { doc, seq, is_held: true })]).await.unwrap();
            }
            rows.commit().await.unwrap();
            let mut rows = house.read().await;
            let feed = rows.feed("tenant", 0, 10).await.unwrap();
            assert_eq!(feed.iter().map(|item| (item.entry.doc, item.entry.seq)).collect::<Vec<_>>(), [(two, 2), (one, 3)]);
            let again = FeedItem { entry: FeedEntry { doc: one, seq: 3, is_held: true }, is_entered: false };
            assert_eq!(rows.feed("tenant", 2, 10).await.unwrap(), [again], "it was in the scope before");
            assert_eq!(rows.feed("tenant", 0, 1).await.unwrap()[0].entry.doc, two);
            assert!(rows.feed("user:nobody", 0, 10).await.unwrap().is_empty());
        }

        async fn a_record_that_left_a_scope_is_told_and_not_held(db: Db) {
            let mut house = House::new(&db).await;
            let doc = house.doc("contact", json!({})).await.id;
            let mut rows = house.write().await;
            rows.put_scopes(&[("user:a", FeedEntry { doc, seq: 1, is_held: true })]).await.unwrap();
            rows.put_scopes(&[("user:a", FeedEntry { doc, seq: 2, is_held: false })]).await.unwrap();
            rows.put_scopes(&[("user:b", FeedEntry { doc, seq: 2, is_held: true })]).await.unwrap();
            rows.commit().await.unwrap();
            let mut rows = house.read().await;
            assert_eq!(rows.scopes_of(doc).await.unwrap(), ["user:b"]);
            let left = FeedItem { entry: FeedEntry { doc, seq: 2, is_held: false }, is_entered: true };
            assert_eq!(rows.feed("user:a", 1, 10).await.unwrap(), [left]);
            assert!(rows.held_docs("user:a").await.unwrap().is_empty());
            let held = rows.held_docs("user:b").await.unwrap();
            assert_eq!(held, [HeldDoc { doc, epoch: 0, heads: vec![9; 32] }]);
        }
    }
}
