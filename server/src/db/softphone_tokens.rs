//! Where foreign softphones are woken: one installation an account. It outlives the registration that brought it.

use callfield_domain::{DeviceId, Timestamp};
use sqlx::FromRow;
use uuid::Uuid;

use super::word::{from_word, word};
use super::{PushEnvironment, PushService, Result, Scoped, on, statements};

/// Where a foreign softphone is woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftphoneToken {
    /// The desk phone whose account it uses.
    pub device: DeviceId,
    /// `+sip.instance` of the installation; empty if it names none.
    pub instance: String,
    /// Its `reg-id`; 0 if it names none.
    pub reg_id: u32,
    /// Whose service.
    pub service: PushService,
    /// Which of Apple's two worlds; FCM has one.
    pub environment: PushEnvironment,
    /// Apple's bundle id, or Google's project.
    pub app: String,
    /// The tokens as `app::softphones` sealed them.
    pub tokens: Vec<u8>,
    /// When it named them last.
    pub registered_at: Timestamp,
    /// Since when they are known to be dead, and what the service said.
    pub invalid: Option<(Timestamp, String)>,
}

#[derive(FromRow)]
struct Row {
    device_id: Uuid,
    instance: String,
    reg_id: i64,
    service: String,
    environment: String,
    app: String,
    tokens: Vec<u8>,
    registered_at: i64,
    invalid_since: Option<i64>,
    invalid_reason: Option<String>,
}

statements! {
    PUT = "INSERT INTO softphone_tokens (tenant_id, device_id, instance, reg_id, service, environment, app, tokens,
            registered_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (tenant_id, device_id) DO UPDATE SET instance = excluded.instance, reg_id = excluded.reg_id,
            service = excluded.service, environment = excluded.environment, app = excluded.app,
            tokens = excluded.tokens, registered_at = excluded.registered_at, invalid_since = NULL,
            invalid_reason = NULL";
    ONE = "SELECT device_id, instance, reg_id, service, environment, app, tokens, registered_at, invalid_since,
            invalid_reason
        FROM softphone_tokens WHERE tenant_id = $1 AND device_id = $2";
    DELETE = "DELETE FROM softphone_tokens WHERE tenant_id = $1 AND device_id = $2";
    /// Only what the service spoke of: the softphone may have named others, or the same again.
    INVALIDATE = "UPDATE softphone_tokens SET invalid_since = $4, invalid_reason = $5
        WHERE tenant_id = $1 AND device_id = $2 AND registered_at = $3 AND invalid_since IS NULL RETURNING device_id";
}

impl Scoped {
    /// Keeps where a softphone is woken; what was known to be dead is forgotten.
    pub async fn put_softphone_token(&mut self, token: &SoftphoneToken) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(PUT)
            .bind(tenant)
            .bind(token.device.uuid())
            .bind(&token.instance)
            .bind(i64::from(token.reg_id))
            .bind(word(token.service))
            .bind(word(token.environment))
            .bind(&token.app)
            .bind(&token.tokens)
            .bind(token.registered_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Where a softphone is woken.
    pub async fn softphone_token(&mut self, device: DeviceId) -> Result<Option<SoftphoneToken>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(device.uuid())
            .fetch_optional(connection).await)?;
        row.map(SoftphoneToken::try_from).transpose()
    }

    /// Forgets where a softphone is woken.
    pub async fn delete_softphone_token(&mut self, device: DeviceId) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(DELETE)
            .bind(tenant)
            .bind(device.uuid())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Notes that the service refused for good what was named at `registered_at`; false if something was named since.
    pub async fn invalidate_softphone_token(
        &mut self,
        device: DeviceId,
        registered_at: Timestamp,
        at: Timestamp,
        reason: &str,
    ) -> Result<bool> {
        let tenant = self.tenant.uuid();
        let row: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(INVALIDATE)
            .bind(tenant)
            .bind(device.uuid())
            .bind(registered_at.as_millis())
            .bind(at.as_millis())
            .bind(reason)
            .fetch_optional(connection).await)?;
        Ok(row.is_some())
    }
}

impl TryFrom<Row> for SoftphoneToken {
    type Error = super::DbError;

    fn try_from(row: Row) -> Result<Self> {
        let invalid_since = row.invalid_since.map(Timestamp::from_millis);
        Ok(Self {
            device: DeviceId::from_uuid(row.device_id),
            instance: row.instance,
            reg_id: u32::try_from(row.reg_id).unwrap_or_default(),
            service: from_word(row.service, "push service")?,
            environment: from_word(row.environment, "push environment")?,
            app: row.app,
            tokens: row.tokens,
            registered_at: Timestamp::from_millis(row.registered_at),
            invalid: invalid_since.map(|since| (since, row.invalid_reason.unwrap_or_default())),
        })
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::UserId;

    use super::super::DeskPhone;
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    async fn woken(house: &House, user: UserId) -> Vec<DeviceId> {
        house.read().await.reach(user).await.unwrap().devices.iter().map(|reached| reached.device).collect()
    }

    async fn softphone(house: &mut House, user: UserId, username: &str) -> SoftphoneToken {
        let device = DeviceId::new(Timestamp::ZERO, &mut house.random);
        let (name, username, created_at) = ("Linphone".to_owned(), username.to_owned(), Timestamp::ZERO);
        let mut rows = house.write().await;
        rows.insert_desk_phone(&DeskPhone { id: device, user, name, username, created_at }, "md5", "sha")
            .await
            .unwrap();
        let token = SoftphoneToken {
            device,
            instance: "<urn:uuid:1>".to_owned(),
            reg_id: 1,
            service: PushService::Fcm,
            environment: PushEnvironment::Production,
            app: "project".to_owned(),
            tokens: vec![1, 2, 3],
            registered_at: Timestamp::from_millis(10),
            invalid: None,
        };
        rows.put_softphone_token(&token).await.unwrap();
        rows.commit().await.unwrap();
        token
    }

    db_test! {
        async fn a_softphone_is_woken_until_its_token_is_dead_and_again_once_it_names_one(db: Db) {
            let mut house = House::new(&db).await;
            let user = house.user("Suzuki").await;
            let token = softphone(&mut house, user, "abc").await;
            assert_eq!(house.read().await.softphone_token(token.device).await.unwrap(), Some(token.clone()));
            assert_eq!(woken(&house, user).await, [token.device]);

            let (before, at) = (Timestamp::from_millis(9), Timestamp::from_millis(50));
            let mut rows = house.write().await;
            assert!(!rows.invalidate_softphone_token(token.device, before, at, "Unregistered").await.unwrap());
            assert!(rows.invalidate_softphone_token(token.device, token.registered_at, at, "Unregistered").await.unwrap());
            rows.commit().await.unwrap();
            assert!(woken(&house, user).await.is_empty());
            let stored = house.read().await.softphone_token(token.device).await.unwrap().unwrap();
            assert_eq!(stored.invalid, Some((at, "Unregistered".to_owned())));

            let again = SoftphoneToken { registered_at: Timestamp::from_millis(60), instance: String::new(), ..token };
            let mut rows = house.write().await;
            rows.put_softphone_token(&again).await.unwrap();
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.softphone_token(again.device).await.unwrap(), Some(again.clone()));
            assert_eq!(woken(&house, user).await, [again.device]);
        }

        async fn a_login_tells_which_installation_is_woken_and_an_account_takes_its_token_along(db: Db) {
            let mut house = House::new(&db).await;
            let user = house.user("Suzuki").await;
            let token = softphone(&mut house, user, "abc").await;
            let account = db.look_up().await.unwrap().desk_account("abc").await.unwrap().unwrap();
            assert_eq!(account.woken, Some(("<urn:uuid:1>".to_owned(), 1)));
            let mut rows = house.write().await;
            rows.delete_softphone_token(token.device).await.unwrap();
            rows.commit().await.unwrap();
            let account = db.look_up().await.unwrap().desk_account("abc").await.unwrap().unwrap();
            assert_eq!(account.woken, None);

            let mut rows = house.write().await;
            rows.put_softphone_token(&token).await.unwrap();
            assert!(rows.delete_desk_phone(token.device).await.unwrap());
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.softphone_token(token.device).await.unwrap(), None);
        }
    }
}
