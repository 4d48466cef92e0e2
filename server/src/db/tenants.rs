//! Companies, and the counter that orders the feed of each.

use callfield_domain::{TenantId, Timestamp};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Result, Scoped, Tx, on, statements};

/// A company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name.
    pub name: String,
    /// Its country, ISO 3166 alpha-2: how numbers without a country code are read.
    pub country: String,
    /// Changes when the database was restored from a backup, so that cursors of the lost future are noticed.
    pub incarnation: Uuid,
    /// What its cursors are signed with.
    pub cursor_key: Vec<u8>,
    /// The last number its feed gave away.
    pub next_seq: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    country: String,
    incarnation: Uuid,
    cursor_key: Vec<u8>,
    next_seq: i64,
    created_at: i64,
}

statements! {
    INSERT = "INSERT INTO tenants (id, name, country, incarnation, cursor_key, next_seq, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    ONE = "SELECT id, name, country, incarnation, cursor_key, next_seq, created_at FROM tenants WHERE id = $1";
    ALL_IDS = "SELECT id FROM tenants ORDER BY id";
    /// The last statement of a transaction that writes records: the order of commits is the order of numbers.
    TAKE_SEQ = "UPDATE tenants SET next_seq = next_seq + $2 WHERE id = $1 RETURNING next_seq";
}

impl Scoped {
    /// Adds the company itself.
    pub async fn insert_tenant(&mut self, tenant: &Tenant) -> Result<()> {
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant.id.uuid())
            .bind(&tenant.name)
            .bind(&tenant.country)
            .bind(tenant.incarnation)
            .bind(&tenant.cursor_key)
            .bind(tenant.next_seq)
            .bind(tenant.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// The company.
    pub async fn tenant_row(&mut self) -> Result<Option<Tenant>> {
        let id = self.tenant.uuid();
        let row: Option<Row> =
            on!(self.tx, connection => sqlx::query_as(ONE).bind(id).fetch_optional(connection).await)?;
        Ok(row.map(Tenant::from))
    }

    /// Takes the next `count` numbers of the feed; answers the last of them. Readers see them when this commits.
    pub async fn take_seq(&mut self, count: i64) -> Result<i64> {
        let id = self.tenant.uuid();
        Ok(on!(self.tx, connection => sqlx::query_scalar(TAKE_SEQ).bind(id).bind(count).fetch_one(connection).await)?)
    }
}

impl Tx {
    /// Every company, for tasks that go round all of them.
    pub async fn tenants(&mut self) -> Result<Vec<TenantId>> {
        let ids: Vec<Uuid> = on!(*self, connection => sqlx::query_scalar(ALL_IDS).fetch_all(connection).await)?;
        Ok(ids.into_iter().map(TenantId::from_uuid).collect())
    }
}

impl From<Row> for Tenant {
    fn from(row: Row) -> Self {
        Self {
            id: TenantId::from_uuid(row.id),
            name: row.name,
            country: row.country,
            incarnation: row.incarnation,
            cursor_key: row.cursor_key,
            next_seq: row.next_seq,
            created_at: Timestamp::from_millis(row.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};

    db_test! {
        async fn numbers_of_the_feed_are_given_once_and_only_when_committed(db: Db) {
            let house = House::new(&db).await;
            let mut dropped = house.write().await;
            assert_eq!(dropped.take_seq(5).await.unwrap(), 5);
            drop(dropped);
            let mut rows = house.write().await;
            assert_eq!(rows.take_seq(3).await.unwrap(), 3);
            assert_eq!(house.read().await.tenant_row().await.unwrap().unwrap().next_seq, 0);
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.tenant_row().await.unwrap().unwrap().next_seq, 3);
        }

        async fn every_company_is_listed_and_has_its_own_feed(db: Db) {
            let (one, two) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let mut rows = one.write().await;
            rows.take_seq(7).await.unwrap();
            rows.commit().await.unwrap();
            let mut ids = [one.tenant, two.tenant];
            ids.sort();
            assert_eq!(db.look_up().await.unwrap().tenants().await.unwrap(), ids);
            assert_eq!(two.read().await.tenant_row().await.unwrap().unwrap().next_seq, 0);
        }
    }
}
