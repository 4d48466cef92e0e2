//! Whose number it is: the phone numbers of records.

use callfield_domain::{RecordId, UserId};
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Result, Scoped, on, statements};

/// A number of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedNumber {
    /// `+` and up to 15 digits.
    pub e164: String,
    /// The field or kind it stands under, e.g. `mobile`.
    pub field: String,
    /// The extension behind it.
    pub extension: Option<String>,
    /// Which of several records is meant first: the lowest.
    pub rank: i64,
}

/// A record that has a caller's number.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownCaller {
    /// The record.
    pub record: RecordId,
    /// `contact`, `organization` or `lead`.
    pub record_type: String,
    /// Whose record it is.
    pub owner: Option<UserId>,
    /// Its current values.
    pub projection: Value,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    r#type: String,
    owner: Option<Uuid>,
    projection: Json<Value>,
}

statements! {
    INSERT = "INSERT INTO phone_index (tenant_id, e164, record_id, field, extension, rank)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, e164, record_id, field) DO UPDATE SET extension = excluded.extension,
            rank = excluded.rank";
    FORGET = "DELETE FROM phone_index WHERE tenant_id = $1 AND record_id = $2";
    FIND = "SELECT docs.id AS id, docs.type AS type, docs.owner AS owner, docs.projection AS projection
        FROM phone_index JOIN docs ON docs.tenant_id = phone_index.tenant_id AND docs.id = phone_index.record_id
        WHERE phone_index.tenant_id = $1 AND phone_index.e164 = $2
        ORDER BY phone_index.rank, docs.id LIMIT 20";
}

impl Scoped {
    /// Replaces the numbers of a record.
    pub async fn index_numbers(&mut self, record: RecordId, numbers: &[IndexedNumber]) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(FORGET)
            .bind(tenant)
            .bind(record.uuid())
            .execute(connection).await.map(drop))?;
        for number in numbers {
            on!(self.tx, connection => sqlx::query(INSERT)
                .bind(tenant)
                .bind(&number.e164)
                .bind(record.uuid())
                .bind(&number.field)
                .bind(&number.extension)
                .bind(number.rank)
                .execute(connection).await.map(drop))?;
        }
        Ok(())
    }

    /// The records that have the number `e164`, the likeliest first.
    pub async fn known_callers(&mut self, e164: &str) -> Result<Vec<KnownCaller>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(FIND)
            .bind(tenant)
            .bind(e164)
            .fetch_all(connection).await)?;
        Ok(rows.into_iter().map(KnownCaller::from).collect())
    }
}

impl From<Row> for KnownCaller {
    fn from(row: Row) -> Self {
        Self {
            record: RecordId::from_uuid(row.id),
            record_type: row.r#type,
            owner: row.owner.map(UserId::from_uuid),
            projection: row.projection.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    fn number(e164: &str, rank: i64) -> IndexedNumber {
        IndexedNumber { e164: e164.to_owned(), field: format!("phones/{e164}"), extension: None, rank }
    }

    db_test! {
        async fn the_likeliest_record_comes_first(db: Db) {
            let mut house = House::new(&db).await;
            let (main, side) = (house.doc("contact", json!({ "last_name": "Tanaka" })).await,
                house.doc("contact", json!({ "last_name": "Sato" })).await);
            let mut rows = house.write().await;
            rows.index_numbers(side.id, &[number("+81312345678", 2)]).await.unwrap();
            rows.index_numbers(main.id, &[number("+819012345678", 1), number("+81312345678", 0)]).await.unwrap();
            rows.commit().await.unwrap();
            let known = house.read().await.known_callers("+81312345678").await.unwrap();
            assert_eq!(known.iter().map(|caller| caller.record).collect::<Vec<_>>(), [main.id, side.id]);
            assert_eq!(known[0].projection, json!({ "last_name": "Tanaka" }));
        }

        async fn a_number_a_record_lost_finds_it_no_longer(db: Db) {
            let (mut house, other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let doc = house.doc("contact", json!({})).await;
            for numbers in [vec![number("+81312345678", 0)], vec![number("+81398765432", 0)]] {
                let mut rows = house.write().await;
                rows.index_numbers(doc.id, &numbers).await.unwrap();
                rows.commit().await.unwrap();
            }
            let mut rows = house.read().await;
            assert!(rows.known_callers("+81312345678").await.unwrap().is_empty());
            assert_eq!(rows.known_callers("+81398765432").await.unwrap().len(), 1);
            assert!(other.read().await.known_callers("+81398765432").await.unwrap().is_empty());
        }
    }
}
