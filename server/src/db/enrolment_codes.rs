//! One-time codes that make a phone a device of a user, stored as their hash.

use callfield_domain::{DeviceId, TenantId, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Result, Scoped, Tx, on, statements};

/// A code somebody was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentCode {
    /// The company it belongs to.
    pub tenant: TenantId,
    /// Whose device it makes.
    pub user: UserId,
    /// When it stops working.
    pub expires_at: Timestamp,
    /// Whether a device has used it.
    pub is_used: bool,
}

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    user_id: Uuid,
    expires_at: i64,
    used_at: Option<i64>,
}

statements! {
    INSERT = "INSERT INTO enrolment_codes (tenant_id, code_hash, user_id, created_at, expires_at)
        VALUES ($1, $2, $3, $4, $5)";
    FIND = "SELECT tenant_id, user_id, expires_at, used_at FROM enrolment_codes WHERE code_hash = $1
        ORDER BY created_at DESC LIMIT 1";
    /// Takes the code only if nobody has: of two that come at once, one gets no row.
    TAKE = "UPDATE enrolment_codes SET used_at = $3, used_by = $4
        WHERE tenant_id = $1 AND code_hash = $2 AND used_at IS NULL RETURNING user_id";
}

impl Scoped {
    /// Adds a code.
    pub async fn insert_enrolment_code(
        &mut self,
        hash: &[u8],
        user: UserId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(hash)
            .bind(user.uuid())
            .bind(now.as_millis())
            .bind(expires_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Uses a code up; false if it is gone already.
    pub async fn take_enrolment_code(&mut self, hash: &[u8], device: DeviceId, now: Timestamp) -> Result<bool> {
        let tenant = self.tenant.uuid();
        let taken: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(TAKE)
            .bind(tenant)
            .bind(hash)
            .bind(now.as_millis())
            .bind(device.uuid())
            .fetch_optional(connection).await)?;
        Ok(taken.is_some())
    }
}

impl Tx {
    /// The code with this SHA-256, used or not.
    pub async fn enrolment_code(&mut self, hash: &[u8]) -> Result<Option<EnrolmentCode>> {
        let row: Option<Row> = on!(*self, connection => sqlx::query_as(FIND)
            .bind(hash)
            .fetch_optional(connection).await)?;
        Ok(row.map(|row| EnrolmentCode {
            tenant: TenantId::from_uuid(row.tenant_id),
            user: UserId::from_uuid(row.user_id),
            expires_at: Timestamp::from_millis(row.expires_at),
            is_used: row.used_at.is_some(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    db_test! {
        async fn a_code_is_taken_once(db: Db) {
            let mut house = House::new(&db).await;
            let user = house.user("Suzuki").await;
            let (now, later) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
            let device = DeviceId::new(now, &mut house.random);
            let mut rows = house.write().await;
            rows.insert_enrolment_code(&[1; 32], user, now, later).await.unwrap();
            rows.commit().await.unwrap();

            let mut rows = house.write().await;
            assert!(rows.take_enrolment_code(&[1; 32], device, now).await.unwrap());
            assert!(!rows.take_enrolment_code(&[1; 32], device, now).await.unwrap());
            assert!(!rows.take_enrolment_code(&[2; 32], device, now).await.unwrap());
            rows.commit().await.unwrap();
            let code = db.look_up().await.unwrap().enrolment_code(&[1; 32]).await.unwrap();
            let expected = EnrolmentCode { tenant: house.tenant, user, expires_at: later, is_used: true };
            assert_eq!(code, Some(expected));
        }

        async fn a_code_for_nobody_is_dangling(db: Db) {
            let mut house = House::new(&db).await;
            let nobody = house.new_user("nobody").id;
            let mut rows = house.write().await;
            let refused = rows.insert_enrolment_code(&[1; 32], nobody, Timestamp::ZERO, Timestamp::ZERO).await;
            assert!(refused.unwrap_err().is_dangling());
        }
    }
}
