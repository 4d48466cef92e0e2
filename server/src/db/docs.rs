//! Records: one row a document, with the projection of its current values.

use callfield_domain::{RecordId, Timestamp, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::bulk::bulks;
use super::{Result, Scoped, on, statements};

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Doc {
    /// Its id.
    pub id: RecordId,
    /// The name of its type.
    pub record_type: String,
    /// Whose record it is.
    pub owner: Option<UserId>,
    /// How often it was rebuilt.
    pub epoch: u32,
    /// The whole document.
    pub snapshot: Vec<u8>,
    /// The names of its latest changes, 32 bytes each, sorted.
    pub heads: Vec<u8>,
    /// Its current values.
    pub projection: Value,
    /// Its place in the company's feed.
    pub last_seq: i64,
    /// When it came to the server; a later write leaves it.
    pub created_at: Timestamp,
}

/// Which records of a type, in the order of their ids.
#[derive(Debug, Clone, Copy)]
pub struct DocPage<'a> {
    /// The type.
    pub record_type: &'a str,
    /// Only records after this one.
    pub after: Option<RecordId>,
    /// How many at most.
    pub limit: i64,
}

#[derive(FromRow)]
pub(super) struct Row {
    id: Uuid,
    r#type: String,
    owner: Option<Uuid>,
    epoch: i64,
    snapshot: Vec<u8>,
    heads: Vec<u8>,
    projection: Json<Value>,
    last_seq: i64,
    created_at: i64,
}

/// How many ids one statement takes; fewer are filled up with the last.
const AMONG_MAX: usize = 16;

bulks! {
    PUT = "INSERT INTO docs (tenant_id, id, type, owner, epoch, snapshot, heads, projection, last_seq, created_at)",
        "($1, :1, :2, :3, :4, :5, :6, :7, :8, :9)", 9,
        "ON CONFLICT (tenant_id, id) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch,
            snapshot = excluded.snapshot, heads = excluded.heads, projection = excluded.projection,
            last_seq = excluded.last_seq";
}

statements! {
    ONE = "SELECT id, type, owner, epoch, snapshot, heads, projection, last_seq, created_at
        FROM docs WHERE tenant_id = $1 AND id = $2";
    AMONG = "SELECT id, type, owner, epoch, snapshot, heads, projection, last_seq, created_at
        FROM docs WHERE tenant_id = $1
            AND id IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    OF_TYPE = "SELECT id, type, owner, epoch, snapshot, heads, projection, last_seq, created_at
        FROM docs WHERE tenant_id = $1 AND type = $2 AND id > $3 ORDER BY id LIMIT $4";
    PROJECTION = "SELECT projection FROM docs WHERE tenant_id = $1 AND id = $2";
}

impl Scoped {
    /// Stores new states of records; each id only once.
    pub async fn put_docs(&mut self, docs: &[Doc]) -> Result<()> {
        let tenant = self.tenant.uuid();
        for (put, docs) in PUT.cut(docs) {
            on!(self.tx, connection => {
                let mut query = sqlx::query(put).bind(tenant);
                for doc in docs {
                    query = query
                        .bind(doc.id.uuid())
                        .bind(&doc.record_type)
                        .bind(doc.owner.map(UserId::uuid))
                        .bind(i64::from(doc.epoch))
                        .bind(&doc.snapshot)
                        .bind(&doc.heads)
                        .bind(Json(&doc.projection))
                        .bind(doc.last_seq)
                        .bind(doc.created_at.as_millis());
                }
                query.execute(connection).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// One record.
    pub async fn doc(&mut self, id: RecordId) -> Result<Option<Doc>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(id.uuid())
            .fetch_optional(connection).await)?;
        Ok(row.map(Doc::from))
    }

    /// Those of these records that exist, in no particular order.
    pub async fn docs_among(&mut self, ids: &[RecordId]) -> Result<Vec<Doc>> {
        let tenant = self.tenant.uuid();
        let mut docs = Vec::new();
        for some in ids.chunks(AMONG_MAX) {
            let last = some.last().into_iter().cycle();
            let found: Vec<Row> = on!(self.tx, connection => {
                let query = sqlx::query_as(AMONG).bind(tenant);
                let query = some.iter().chain(last).take(AMONG_MAX).fold(query, |query, id| query.bind(id.uuid()));
                query.fetch_all(connection).await
            })?;
            docs.extend(found.into_iter().map(Doc::from));
        }
        Ok(docs)
    }

    /// A page of the records of a type.
    pub async fn docs(&mut self, page: DocPage<'_>) -> Result<Vec<Doc>> {
        let tenant = self.tenant.uuid();
        let after = page.after.map_or(Uuid::nil(), RecordId::uuid);
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(OF_TYPE)
            .bind(tenant)
            .bind(page.record_type)
            .bind(after)
            .bind(page.limit)
            .fetch_all(connection).await)?;
        Ok(rows.into_iter().map(Doc::from).collect())
    }

    /// The current values of a record.
    pub async fn projection(&mut self, record: RecordId) -> Result<Option<Value>> {
        let tenant = self.tenant.uuid();
        let projection: Option<Json<Value>> = on!(self.tx, connection => sqlx::query_scalar(PROJECTION)
            .bind(tenant)
            .bind(record.uuid())
            .fetch_optional(connection).await)?;
        Ok(projection.map(|Json(value)| value))
    }
}

impl From<Row> for Doc {
    fn from(row: Row) -> Self {
        Self {
            id: RecordId::from_uuid(row.id),
            record_type: row.r#type,
            owner: row.owner.map(UserId::from_uuid),
            // Written from a u32.
            epoch: u32::try_from(row.epoch).unwrap_or(u32::MAX),
            snapshot: row.snapshot,
            heads: row.heads,
            projection: row.projection.0,
            last_seq: row.last_seq,
            created_at: Timestamp::from_millis(row.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    db_test! {
        async fn a_newer_state_replaces_a_record_but_not_when_it_came(db: Db) {
            let mut house = House::new(&db).await;
            let doc = house.doc("contact", json!({ "title": "manager" })).await;
            let newer = Doc {
                projection: json!({ "title": "director", "tags": { "vip": true } }),
                snapshot: vec![4; 5000],
                heads: vec![8; 64],
                last_seq: 9,
                created_at: Timestamp::from_millis(999),
                ..doc.clone()
            };
            let mut rows = house.write().await;
            rows.put_docs(std::slice::from_ref(&newer)).await.unwrap();
            rows.commit().await.unwrap();
            let mut rows = house.read().await;
            assert_eq!(rows.projection(doc.id).await.unwrap(), Some(newer.projection.clone()));
            let expected = Doc { created_at: doc.created_at, ..newer };
            assert_eq!(rows.doc(doc.id).await.unwrap(), Some(expected));
        }

        async fn records_of_a_type_are_paged_in_the_order_of_their_ids(db: Db) {
            let mut house = House::new(&db).await;
            let mut ids = Vec::new();
            for _ in 0..3 {
                ids.push(house.doc("contact", json!({})).await.id);
                house.doc("task", json!({})).await;
            }
            ids.sort();
            let mut rows = house.read().await;
            let first = rows.docs(DocPage { record_type: "contact", after: None, limit: 2 }).await.unwrap();
            let after = first.last().map(|doc| doc.id);
            let second = rows.docs(DocPage { record_type: "contact", after, limit: 2 }).await.unwrap();
            assert_eq!(first.iter().chain(&second).map(|doc| doc.id).collect::<Vec<_>>(), ids);
        }

        async fn of_many_records_those_that_exist_are_found(db: Db) {
            let mut house = House::new(&db).await;
            let mut stored = Vec::new();
            for _ in 0..20 {
                stored.push(house.doc("call", json!({})).await.id);
            }
            let mut wanted = stored.clone();
            wanted.insert(7, RecordId::new(Timestamp::ZERO, &mut house.random));
            let mut rows = house.read().await;
            let mut found: Vec<_> = rows.docs_among(&wanted).await.unwrap().iter().map(|doc| doc.id).collect();
            found.sort();
            stored.sort();
            assert_eq!(found, stored);
            assert!(rows.docs_among(&[]).await.unwrap().is_empty());
        }

        async fn a_record_is_nobody_elses(db: Db) {
            let (mut house, other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let doc = house.doc("contact", json!({})).await;
            assert_eq!(other.read().await.doc(doc.id).await.unwrap(), None);
            assert_eq!(other.read().await.projection(doc.id).await.unwrap(), None);
        }
    }
}
