//! What must leave the house: enqueued in the transaction of its cause, finished when it is done.

use callfield_domain::Timestamp;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Result, Scoped, on, statements};

/// Something to deliver.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// Its id.
    pub id: Uuid,
    /// What it is: `push`.
    pub kind: String,
    /// A second delivery of the same kind and key is not added.
    pub dedupe_key: String,
    /// What the deliverer needs; no secrets.
    pub payload: Value,
    /// 0 goes first.
    pub priority: i64,
    /// After this nobody wants it.
    pub expires_at: Timestamp,
    /// How often it is tried.
    pub max_attempts: i64,
    /// When it was wanted.
    pub created_at: Timestamp,
}

/// A delivery and how far it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub kind: String,
    /// What names its cause.
    pub dedupe_key: String,
    /// What the deliverer needs.
    pub payload: Value,
    /// `pending`, `done` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// Why it was not taken the last time; no secrets.
    pub last_error: Option<String>,
    /// When it was finished.
    pub done_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    dedupe_key: String,
    payload: Json<Value>,
    state: String,
    attempts: i64,
    last_error: Option<String>,
    done_at: Option<i64>,
}

statements! {
    INSERT = "INSERT INTO outbox (tenant_id, id, kind, dedupe_key, payload, state, priority, next_at, expires_at,
            attempts, max_attempts, created_at)
        VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, 0, $9, $7)
        ON CONFLICT (tenant_id, kind, dedupe_key) DO NOTHING RETURNING id";
    FINISH = "UPDATE outbox SET state = $3, attempts = attempts + 1, last_error = $4, done_at = $5
        WHERE tenant_id = $1 AND id = $2 AND state = 'pending'";
    ONE = "SELECT id, kind, dedupe_key, payload, state, attempts, last_error, done_at
        FROM outbox WHERE tenant_id = $1 AND id = $2";
}

impl Scoped {
    /// Adds a delivery; false if the same one was added before.
    pub async fn insert_delivery(&mut self, delivery: &NewDelivery) -> Result<bool> {
        let tenant = self.tenant.uuid();
        let row: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(INSERT)
            .bind(tenant)
            .bind(delivery.id)
            .bind(&delivery.kind)
            .bind(&delivery.dedupe_key)
            .bind(Json(&delivery.payload))
            .bind(delivery.priority)
            .bind(delivery.created_at.as_millis())
            .bind(delivery.expires_at.as_millis())
            .bind(delivery.max_attempts)
            .fetch_optional(connection).await)?;
        Ok(row.is_some())
    }

    /// Ends a delivery: done, or failed with a reason without secrets.
    pub async fn finish_delivery(&mut self, id: Uuid, failed: Option<&str>, at: Timestamp) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(FINISH)
            .bind(tenant)
            .bind(id)
            .bind(if failed.is_some() { "failed" } else { "done" })
            .bind(failed)
            .bind(at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// One delivery.
    pub async fn delivery(&mut self, id: Uuid) -> Result<Option<Delivery>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(id)
            .fetch_optional(connection).await)?;
        Ok(row.map(|row| Delivery {
            id: row.id,
            kind: row.kind,
            dedupe_key: row.dedupe_key,
            payload: row.payload.0,
            state: row.state,
            attempts: row.attempts,
            last_error: row.last_error,
            done_at: row.done_at.map(Timestamp::from_millis),
        }))
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{CallId, Random};
    use serde_json::json;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    fn delivery(random: &mut Random, key: &str) -> NewDelivery {
        NewDelivery {
            id: CallId::new(Timestamp::ZERO, random).uuid(),
            kind: "push".to_owned(),
            dedupe_key: key.to_owned(),
            payload: json!({ "attempt": 0, "why": "record_owner" }),
            priority: 0,
            expires_at: Timestamp::from_millis(45_000),
            max_attempts: 1,
            created_at: Timestamp::ZERO,
        }
    }

    db_test! {
        async fn the_same_delivery_is_wanted_once(db: Db) {
            let mut house = House::new(&db).await;
            let (first, second) = (delivery(&mut house.random, "call-1"), delivery(&mut house.random, "call-1"));
            let mut rows = house.write().await;
            assert!(rows.insert_delivery(&first).await.unwrap());
            assert!(!rows.insert_delivery(&second).await.unwrap());
            rows.commit().await.unwrap();
            let mut rows = house.read().await;
            assert_eq!(rows.delivery(second.id).await.unwrap(), None);
            let stored = rows.delivery(first.id).await.unwrap().unwrap();
            assert_eq!((stored.state.as_str(), stored.attempts, stored.payload), ("pending", 0, first.payload));
        }

        async fn a_delivery_ends_once(db: Db) {
            let mut house = House::new(&db).await;
            let new = delivery(&mut house.random, "call-2");
            let mut rows = house.write().await;
            rows.insert_delivery(&new).await.unwrap();
            rows.finish_delivery(new.id, Some("503"), Timestamp::from_millis(70)).await.unwrap();
            rows.finish_delivery(new.id, None, Timestamp::from_millis(90)).await.unwrap();
            rows.commit().await.unwrap();
            let stored = house.read().await.delivery(new.id).await.unwrap().unwrap();
            assert_eq!((stored.state.as_str(), stored.attempts), ("failed", 1));
            assert_eq!((stored.last_error.as_deref(), stored.done_at), (Some("503"), Some(Timestamp::from_millis(70))));
        }
    }
}
