//! The changes that made records, for the feed and for who wrote what; and those that were refused.

use callfield_domain::{DeviceId, RecordId, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use super::bulk::bulks;
use super::{Result, Scoped, on, statements};

/// A change that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    /// Its record.
    pub doc: RecordId,
    /// Its name, 32 bytes.
    pub hash: Vec<u8>,
    /// Its place in the company's feed.
    pub seq: i64,
    /// The record's epoch.
    pub epoch: u32,
    /// The device's life that wrote it, 16 bytes.
    pub actor: Vec<u8>,
    /// The user who wrote it.
    pub author: Option<UserId>,
    /// The device that sent it.
    pub device: Option<DeviceId>,
    /// The transaction it came with.
    pub txn: Option<Uuid>,
    /// When it was made, by the writer's clock.
    pub claimed_at: Timestamp,
    /// When it came.
    pub received_at: Timestamp,
    /// The change.
    pub bytes: Vec<u8>,
}

/// A change that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChange {
    /// Its name, 32 bytes.
    pub hash: Vec<u8>,
    /// The record it was sent for.
    pub doc: RecordId,
    /// The device that sent it.
    pub device: Option<DeviceId>,
    /// Why it was refused.
    pub reason: String,
    /// When it came.
    pub received_at: Timestamp,
    /// The bytes as they came.
    pub bytes: Vec<u8>,
}

/// A change of a record, as its feed needs it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ChangeBytes {
    /// The device's life that wrote it, 16 bytes.
    pub actor: Vec<u8>,
    /// The change.
    pub bytes: Vec<u8>,
}

#[derive(FromRow)]
struct RefusedRow {
    hash: Vec<u8>,
    doc_id: Uuid,
    device_id: Option<Uuid>,
    reason: String,
    received_at: i64,
    bytes: Vec<u8>,
}

bulks! {
    APPEND = "INSERT INTO changes (tenant_id, doc_id, hash, seq, epoch, actor, author, device_id, txn, claimed_at,
            received_at, bytes)",
        "($1, :1, :2, :3, :4, :5, :6, :7, :8, :9, :10, :11)", 11,
        "ON CONFLICT (tenant_id, doc_id, hash) DO NOTHING";
}

statements! {
    AFTER = "SELECT actor, bytes FROM changes WHERE tenant_id = $1 AND doc_id = $2 AND epoch = $3 AND seq > $4
        ORDER BY seq LIMIT $5";
    DEVICE_OF = "SELECT device_id FROM changes WHERE tenant_id = $1 AND doc_id = $2 AND hash = $3";
    SET_ASIDE = "INSERT INTO quarantine (tenant_id, hash, doc_id, device_id, reason, received_at, bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (tenant_id, hash, doc_id) DO NOTHING";
    REFUSED = "SELECT hash, doc_id, device_id, reason, received_at, bytes FROM quarantine
        WHERE tenant_id = $1 AND doc_id = $2 ORDER BY received_at, hash";
}

impl Scoped {
    /// Appends changes; one that is known stays as it was.
    pub async fn append_changes(&mut self, changes: &[NewChange]) -> Result<()> {
        let tenant = self.tenant.uuid();
        for (append, changes) in APPEND.cut(changes) {
            on!(self.tx, connection => {
                let mut query = sqlx::query(append).bind(tenant);
                for change in changes {
                    query = query
                        .bind(change.doc.uuid())
                        .bind(&change.hash)
                        .bind(change.seq)
                        .bind(i64::from(change.epoch))
                        .bind(&change.actor)
                        .bind(change.author.map(UserId::uuid))
                        .bind(change.device.map(DeviceId::uuid))
                        .bind(change.txn)
                        .bind(change.claimed_at.as_millis())
                        .bind(change.received_at.as_millis())
                        .bind(&change.bytes);
                }
                query.execute(connection).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// The changes of a record after `seq`, in order, `limit` at most.
    pub async fn changes_after(&mut self, doc: RecordId, epoch: u32, seq: i64, limit: i64) -> Result<Vec<ChangeBytes>> {
        let tenant = self.tenant.uuid();
        Ok(on!(self.tx, connection => sqlx::query_as(AFTER)
            .bind(tenant)
            .bind(doc.uuid())
            .bind(i64::from(epoch))
            .bind(seq)
            .bind(limit)
            .fetch_all(connection).await)?)
    }

    /// The device that sent a change.
    pub async fn device_of_change(&mut self, doc: RecordId, hash: &[u8]) -> Result<Option<DeviceId>> {
        let tenant = self.tenant.uuid();
        let device: Option<Option<Uuid>> = on!(self.tx, connection => sqlx::query_scalar(DEVICE_OF)
            .bind(tenant)
            .bind(doc.uuid())
            .bind(hash)
            .fetch_optional(connection).await)?;
        Ok(device.flatten().map(DeviceId::from_uuid))
    }

    /// What was refused of a record, oldest first.
    pub async fn refused_changes(&mut self, doc: RecordId) -> Result<Vec<RefusedChange>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<RefusedRow> = on!(self.tx, connection => sqlx::query_as(REFUSED)
            .bind(tenant)
            .bind(doc.uuid())
            .fetch_all(connection).await)?;
        Ok(rows.into_iter().map(RefusedChange::from).collect())
    }

    /// Keeps the bytes of a refused change, so that nothing a person typed is lost.
    pub async fn set_aside(&mut self, change: &RefusedChange) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(SET_ASIDE)
            .bind(tenant)
            .bind(&change.hash)
            .bind(change.doc.uuid())
            .bind(change.device.map(DeviceId::uuid))
            .bind(&change.reason)
            .bind(change.received_at.as_millis())
            .bind(&change.bytes)
            .execute(connection).await.map(drop))?;
        Ok(())
    }
}

impl From<RefusedRow> for RefusedChange {
    fn from(row: RefusedRow) -> Self {
        Self {
            hash: row.hash,
            doc: RecordId::from_uuid(row.doc_id),
            device: row.device_id.map(DeviceId::from_uuid),
            reason: row.reason,
            received_at: Timestamp::from_millis(row.received_at),
            bytes: row.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    fn change(doc: RecordId, n: u8, device: Option<DeviceId>) -> NewChange {
        NewChange {
            doc,
            hash: vec![n; 32],
            seq: i64::from(n),
            epoch: 0,
            actor: vec![1; 16],
            author: None,
            device,
            txn: None,
            claimed_at: Timestamp::ZERO,
            received_at: Timestamp::ZERO,
            bytes: vec![n; 3],
        }
    }

    db_test! {
        async fn changes_come_after_a_place_in_order_and_a_known_one_stays_as_it_was(db: Db) {
            let mut house = House::new(&db).await;
            let doc = house.doc("contact", json!({})).await.id;
            let device = DeviceId::new(Timestamp::ZERO, &mut house.random);
            let mut rows = house.write().await;
            for n in [3, 1, 2] {
                rows.append_changes(&[change(doc, n, Some(device))]).await.unwrap();
            }
            let known = NewChange { seq: 9, device: None, ..change(doc, 1, None) };
            let later = NewChange { epoch: 1, ..change(doc, 4, None) };
            rows.append_changes(&[known, later]).await.unwrap();
            rows.commit().await.unwrap();
            let mut rows = house.read().await;
            let sent = |n: u8| ChangeBytes { actor: vec![1; 16], bytes: vec![n; 3] };
            assert_eq!(rows.changes_after(doc, 0, 1, 10).await.unwrap(), [sent(2), sent(3)]);
            assert_eq!(rows.changes_after(doc, 0, 0, 2).await.unwrap(), [sent(1), sent(2)]);
            assert_eq!(rows.device_of_change(doc, &[1; 32]).await.unwrap(), Some(device));
            assert_eq!(rows.device_of_change(doc, &[4; 32]).await.unwrap(), None);
        }

        async fn a_change_of_no_record_is_dangling_and_a_refused_one_is_kept_once(db: Db) {
            let mut house = House::new(&db).await;
            let nothing = RecordId::new(Timestamp::ZERO, &mut house.random);
            let dangling = house.write().await.append_changes(&[change(nothing, 1, None)]).await;
            assert!(dangling.unwrap_err().is_dangling());
            let refused = RefusedChange {
                hash: vec![6; 32],
                doc: nothing,
                device: None,
                reason: "malformed".to_owned(),
                received_at: Timestamp::ZERO,
                bytes: vec![0xff; 9],
            };
            let mut rows = house.write().await;
            rows.set_aside(&refused).await.unwrap();
            rows.set_aside(&refused).await.unwrap();
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.refused_changes(nothing).await.unwrap(), [refused]);
        }
    }
}
