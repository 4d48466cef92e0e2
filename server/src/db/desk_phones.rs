//! Desk phones and foreign softphones: devices that log in with a password.

use callfield_domain::{DeviceId, TenantId, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Result, Scoped, Tx, on, statements};

/// One desk phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskPhone {
    /// The device.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// What its owner calls it.
    pub name: String,
    /// The user name it logs in with.
    pub username: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Whom a user name belongs to, and what proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct DeskAccount {
    /// Its company.
    pub tenant: TenantId,
    /// Its user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// MD5 of user name, domain and password (RFC 7616 §3.4.2), hexadecimal.
    pub ha1_md5: String,
    /// The same by SHA-256.
    pub ha1_sha256: String,
    /// The installation that is woken, if one is: `+sip.instance` and `reg-id`.
    pub woken: Option<(String, u32)>,
}

/// Hides the hashes, which are as good as the password.
impl std::fmt::Debug for DeskAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeskAccount({})", self.device)
    }
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    name: String,
    username: String,
    created_at: i64,
}

#[derive(FromRow)]
struct AccountRow {
    tenant_id: Uuid,
    id: Uuid,
    user_id: Uuid,
    ha1_md5: String,
    ha1_sha256: String,
    instance: Option<String>,
    reg_id: Option<i64>,
}

statements! {
    INSERT = "INSERT INTO desk_phones (tenant_id, id, user_id, name, username, ha1_md5, ha1_sha256, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    ALL = "SELECT id, user_id, name, username, created_at FROM desk_phones WHERE tenant_id = $1 ORDER BY id";
    BY_USERNAME = "SELECT d.tenant_id, d.id, d.user_id, d.ha1_md5, d.ha1_sha256, t.instance, t.reg_id FROM desk_phones d
        LEFT JOIN softphone_tokens t ON t.tenant_id = d.tenant_id AND t.device_id = d.id WHERE d.username = $1";
    DELETE = "DELETE FROM desk_phones WHERE tenant_id = $1 AND id = $2 RETURNING id";
}

impl Scoped {
    /// Adds a desk phone with the hashes of its password.
    pub async fn insert_desk_phone(&mut self, phone: &DeskPhone, ha1_md5: &str, ha1_sha256: &str) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(phone.id.uuid())
            .bind(phone.user.uuid())
            .bind(&phone.name)
            .bind(&phone.username)
            .bind(ha1_md5)
            .bind(ha1_sha256)
            .bind(phone.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Every desk phone of the company.
    pub async fn desk_phones(&mut self) -> Result<Vec<DeskPhone>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(ALL).bind(tenant).fetch_all(connection).await)?;
        Ok(rows.into_iter().map(DeskPhone::from).collect())
    }

    /// Takes a desk phone's account away; false if there is none of that id.
    pub async fn delete_desk_phone(&mut self, id: DeviceId) -> Result<bool> {
        self.delete_softphone_token(id).await?;
        let tenant = self.tenant.uuid();
        let row: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(DELETE)
            .bind(tenant)
            .bind(id.uuid())
            .fetch_optional(connection).await)?;
        Ok(row.is_some())
    }
}

impl Tx {
    /// Whose desk phone logs in with a user name.
    pub async fn desk_account(&mut self, username: &str) -> Result<Option<DeskAccount>> {
        let row: Option<AccountRow> = on!(*self, connection => sqlx::query_as(BY_USERNAME)
            .bind(username)
            .fetch_optional(connection).await)?;
        Ok(row.map(|row| DeskAccount {
            tenant: TenantId::from_uuid(row.tenant_id),
            user: UserId::from_uuid(row.user_id),
            device: DeviceId::from_uuid(row.id),
            ha1_md5: row.ha1_md5,
            ha1_sha256: row.ha1_sha256,
            woken: row.instance.zip(row.reg_id).map(|(instance, id)| (instance, u32::try_from(id).unwrap_or_default())),
        }))
    }
}

impl From<Row> for DeskPhone {
    fn from(row: Row) -> Self {
        Self {
            id: DeviceId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            name: row.name,
            username: row.username,
            created_at: Timestamp::from_millis(row.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    fn phone(house: &mut House, user: UserId, username: &str) -> DeskPhone {
        DeskPhone {
            id: DeviceId::new(Timestamp::ZERO, &mut house.random),
            user,
            name: "Reception".to_owned(),
            username: username.to_owned(),
            created_at: Timestamp::from_millis(5),
        }
    }

    async fn insert(house: &House, phone: &DeskPhone) {
        let mut rows = house.write().await;
        rows.insert_desk_phone(phone, "md5", "sha").await.unwrap();
        rows.commit().await.unwrap();
    }

    db_test! {
        async fn a_desk_phone_is_found_by_its_user_name_until_its_account_is_gone(db: Db) {
            let (mut house, mut other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let user = house.user("Suzuki").await;
            let reception = phone(&mut house, user, "abc");
            insert(&house, &reception).await;
            let stranger = other.user("Sato").await;
            let theirs = phone(&mut other, stranger, "xyz");
            insert(&other, &theirs).await;
            assert_eq!(house.read().await.desk_phones().await.unwrap(), std::slice::from_ref(&reception));

            let expected = DeskAccount {
                tenant: house.tenant,
                user,
                device: reception.id,
                ha1_md5: "md5".to_owned(),
                ha1_sha256: "sha".to_owned(),
                woken: None,
            };
            assert_eq!(db.look_up().await.unwrap().desk_account("abc").await.unwrap(), Some(expected));
            assert_eq!(db.look_up().await.unwrap().desk_account("ABC").await.unwrap(), None);

            let mut rows = other.write().await;
            assert!(!rows.delete_desk_phone(reception.id).await.unwrap(), "it belongs to another company");
            drop(rows);
            let mut rows = house.write().await;
            assert!(rows.delete_desk_phone(reception.id).await.unwrap());
            rows.commit().await.unwrap();
            assert_eq!(db.look_up().await.unwrap().desk_account("abc").await.unwrap(), None);
        }
    }
}
