//! Devices: the installations of the app, and how to wake them.

use callfield_domain::{DeviceId, TenantId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::word::{from_word, word};
use super::{Result, Scoped, Tx, on, statements};

/// One installation of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its install id.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// `android`, `ios` or `headless`.
    pub platform: String,
    /// What its owner calls it.
    pub name: String,
    /// The app's version.
    pub app_version: String,
    /// The operating system's version.
    pub os_version: String,
    /// What wake pushes are sealed to: an X25519 key, 32 bytes.
    pub public_key: Vec<u8>,
    /// Where its pushes go, if it can be woken.
    pub push: Option<PushTarget>,
    /// Since when its push token is known to be dead, and what the service said.
    pub push_invalid: Option<(Timestamp, String)>,
    /// When it enrolled last.
    pub enrolled_at: Timestamp,
}

/// Where a device's pushes go.
#[derive(Clone, PartialEq, Eq)]
pub struct PushTarget {
    /// Whose service.
    pub service: PushService,
    /// The service's name for the installation; a secret, so it is not printed.
    pub token: String,
    /// Apple's other name for the installation, by which alerts reach it; FCM has one for all.
    pub alert_token: Option<String>,
    /// Which of Apple's two worlds; FCM has one.
    pub environment: PushEnvironment,
    /// When the installation named it last: what a service found out before that does not condemn it.
    pub registered_at: Timestamp,
}

impl std::fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PushTarget({:?}, {:?})", self.service, self.environment)
    }
}

/// A push service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushService {
    /// Google's.
    Fcm,
    /// Apple's.
    Apns,
}

/// Which of a service's worlds a token belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushEnvironment {
    /// Apps from the store.
    #[default]
    Production,
    /// Development builds.
    Sandbox,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    user_id: Uuid,
    platform: String,
    name: String,
    app_version: String,
    os_version: String,
    public_key: Vec<u8>,
    push_service: Option<String>,
    push_token: Option<String>,
    push_alert_token: Option<String>,
    push_environment: Option<String>,
    push_registered_at: Option<i64>,
    push_invalid_since: Option<i64>,
    push_invalid_reason: Option<String>,
    enrolled_at: i64,
}

statements! {
    /// The same installation enrols again after its app's data was lost: everything of it is replaced.
    ENROL = "INSERT INTO devices (tenant_id, id, user_id, platform, name, app_version, os_version, public_key,
            token_hash, push_service, push_token, push_environment, push_registered_at, created_at, enrolled_at, push_alert_token)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15)
        ON CONFLICT (tenant_id, id) DO UPDATE SET user_id = excluded.user_id, platform = excluded.platform,
            name = excluded.name, app_version = excluded.app_version, os_version = excluded.os_version,
            public_key = excluded.public_key, token_hash = excluded.token_hash,
            push_service = excluded.push_service, push_token = excluded.push_token,
            push_alert_token = excluded.push_alert_token,
            push_environment = excluded.push_environment, push_registered_at = excluded.push_registered_at,
            push_invalid_since = NULL, push_invalid_reason = NULL, enrolled_at = excluded.enrolled_at";
    BY_TOKEN = "SELECT tenant_id, user_id, id FROM devices WHERE token_hash = $1";
    ALL = "SELECT id, user_id, platform, name, app_version, os_version, public_key, push_service, push_token,
            push_alert_token, push_environment, push_registered_at, push_invalid_since, push_invalid_reason, enrolled_at
        FROM devices WHERE tenant_id = $1 ORDER BY id";
    OF_USER = "SELECT id, user_id, platform, name, app_version, os_version, public_key, push_service, push_token,
            push_alert_token, push_environment, push_registered_at, push_invalid_since, push_invalid_reason, enrolled_at
        FROM devices WHERE tenant_id = $1 AND user_id = $2 ORDER BY id";
    ONE = "SELECT id, user_id, platform, name, app_version, os_version, public_key, push_service, push_token,
            push_alert_token, push_environment, push_registered_at, push_invalid_since, push_invalid_reason, enrolled_at
        FROM devices WHERE tenant_id = $1 AND id = $2";
    REPLACE_PUSH = "UPDATE devices SET push_service = $3, push_token = $4, push_environment = $5,
            push_registered_at = $6, push_alert_token = $7, push_invalid_since = NULL, push_invalid_reason = NULL
        WHERE tenant_id = $1 AND id = $2";
    /// Only the token the service spoke of: the device may have brought a newer one, or the same one again.
    INVALIDATE_PUSH = "UPDATE devices SET push_invalid_since = $4, push_invalid_reason = $5
        WHERE tenant_id = $1 AND id = $2 AND push_token = $3 AND push_registered_at = $6
            AND push_invalid_since IS NULL RETURNING id";
}

impl Scoped {
    /// Makes `device` a device of its user, with the hash of its new bearer token.
    pub async fn enrol_device(&mut self, device: &Device, token_hash: &[u8]) -> Result<()> {
        let tenant = self.tenant.uuid();
        let (service, token, environment, registered_at) = columns(device.push.as_ref());
        on!(self.tx, connection => sqlx::query(ENROL)
            .bind(tenant)
            .bind(device.id.uuid())
            .bind(device.user.uuid())
            .bind(&device.platform)
            .bind(&device.name)
            .bind(&device.app_version)
            .bind(&device.os_version)
            .bind(&device.public_key)
            .bind(token_hash)
            .bind(service)
            .bind(token)
            .bind(environment)
            .bind(registered_at)
            .bind(device.enrolled_at.as_millis())
            .bind(device.push.as_ref().and_then(|push| push.alert_token.as_deref()))
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Every device of the company.
    pub async fn devices(&mut self) -> Result<Vec<Device>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(ALL).bind(tenant).fetch_all(connection).await)?;
        rows.into_iter().map(Device::try_from).collect()
    }

    /// The devices of one person.
    pub async fn devices_of(&mut self, user: UserId) -> Result<Vec<Device>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(OF_USER)
            .bind(tenant)
            .bind(user.uuid())
            .fetch_all(connection).await)?;
        rows.into_iter().map(Device::try_from).collect()
    }

    /// One device.
    pub async fn device(&mut self, id: DeviceId) -> Result<Option<Device>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(id.uuid())
            .fetch_optional(connection).await)?;
        row.map(Device::try_from).transpose()
    }

    /// Replaces where a device's pushes go; a token that was invalid is forgotten.
    pub async fn replace_push(&mut self, id: DeviceId, push: Option<&PushTarget>) -> Result<()> {
        let tenant = self.tenant.uuid();
        let (service, token, environment, registered_at) = columns(push);
        on!(self.tx, connection => sqlx::query(REPLACE_PUSH)
            .bind(tenant)
            .bind(id.uuid())
            .bind(service)
            .bind(token)
            .bind(environment)
            .bind(registered_at)
            .bind(push.and_then(|push| push.alert_token.as_deref()))
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Notes that the service refused `push` for good; false if the device has named another token, or this one again,
    /// since `push` was read.
    pub async fn invalidate_push(
        &mut self,
        id: DeviceId,
        push: &PushTarget,
        at: Timestamp,
        reason: &str,
    ) -> Result<bool> {
        let tenant = self.tenant.uuid();
        let row: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(INVALIDATE_PUSH)
            .bind(tenant)
            .bind(id.uuid())
            .bind(&push.token)
            .bind(at.as_millis())
            .bind(reason)
            .bind(push.registered_at.as_millis())
            .fetch_optional(connection).await)?;
        Ok(row.is_some())
    }
}

impl Tx {
    /// Which device has the bearer token with this SHA-256.
    pub async fn device_of_token(&mut self, hash: &[u8]) -> Result<Option<(TenantId, UserId, DeviceId)>> {
        let row: Option<(Uuid, Uuid, Uuid)> = on!(*self, connection => sqlx::query_as(BY_TOKEN)
            .bind(hash)
            .fetch_optional(connection).await)?;
        Ok(row.map(|(tenant, user, device)| {
            (TenantId::from_uuid(tenant), UserId::from_uuid(user), DeviceId::from_uuid(device))
        }))
    }
}

fn columns(push: Option<&PushTarget>) -> (Option<String>, Option<&str>, Option<String>, Option<i64>) {
    let Some(push) = push else { return (None, None, None, None) };
    let registered_at = push.registered_at.as_millis();
    (Some(word(push.service)), Some(&push.token), Some(word(push.environment)), Some(registered_at))
}

impl TryFrom<Row> for Device {
    type Error = super::DbError;

    fn try_from(row: Row) -> Result<Self> {
        let push = match (row.push_service, row.push_token, row.push_registered_at) {
            (Some(service), Some(token), Some(registered_at)) => Some(PushTarget {
                service: from_word(service, "push service")?,
                token,
                alert_token: row.push_alert_token,
                environment: match row.push_environment {
                    Some(environment) => from_word(environment, "push environment")?,
                    None => PushEnvironment::default(),
                },
                registered_at: Timestamp::from_millis(registered_at),
            }),
            _ => None,
        };
        Ok(Self {
            id: DeviceId::from_uuid(row.id),
            user: UserId::from_uuid(row.user_id),
            platform: row.platform,
            name: row.name,
            app_version: row.app_version,
            os_version: row.os_version,
            public_key: row.public_key,
            push,
            push_invalid: row
                .push_invalid_since
                .map(|since| (Timestamp::from_millis(since), row.push_invalid_reason.unwrap_or_default())),
            enrolled_at: Timestamp::from_millis(row.enrolled_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    async fn enrol(house: &House, device: &Device, hash: &[u8]) {
        let mut rows = house.write().await;
        rows.enrol_device(device, hash).await.unwrap();
        rows.commit().await.unwrap();
    }

    db_test! {
        async fn an_installation_that_enrols_again_is_replaced_whole(db: Db) {
            let mut house = House::new(&db).await;
            let (first, second) = (house.user("Suzuki").await, house.user("Sato").await);
            let device = house.new_device(first);
            enrol(&house, &device, &[1; 32]).await;
            let again = Device { user: second, push: None, name: "new".to_owned(), ..device.clone() };
            enrol(&house, &again, &[2; 32]).await;
            let mut rows = house.read().await;
            assert_eq!(rows.devices().await.unwrap(), [again]);
            assert!(rows.devices_of(first).await.unwrap().is_empty());
            let mut look_up = db.look_up().await.unwrap();
            assert_eq!(look_up.device_of_token(&[1; 32]).await.unwrap(), None);
            let found = look_up.device_of_token(&[2; 32]).await.unwrap();
            assert_eq!(found, Some((house.tenant, second, device.id)));
        }

        async fn only_the_token_the_service_spoke_of_becomes_invalid(db: Db) {
            let mut house = House::new(&db).await;
            let user = house.user("Suzuki").await;
            let device = house.new_device(user);
            enrol(&house, &device, &[1; 32]).await;
            let (at, later) = (Timestamp::from_millis(50), Timestamp::from_millis(60));
            let push = device.push.clone().unwrap();
            let another = PushTarget { token: "token-0".to_owned(), ..push.clone() };
            let before = PushTarget { registered_at: Timestamp::from_millis(9), ..push.clone() };
            let mut rows = house.write().await;
            assert!(!rows.invalidate_push(device.id, &another, at, "Unregistered").await.unwrap());
            assert!(!rows.invalidate_push(device.id, &before, at, "Unregistered").await.unwrap());
            assert!(rows.invalidate_push(device.id, &push, at, "Unregistered").await.unwrap());
            assert!(!rows.invalidate_push(device.id, &push, later, "BadDeviceToken").await.unwrap());
            rows.commit().await.unwrap();
            let stored = house.read().await.device(device.id).await.unwrap().unwrap();
            assert_eq!(stored.push_invalid, Some((at, "Unregistered".to_owned())));
            assert_eq!(stored.push, device.push);

            let fresh = PushTarget {
                service: PushService::Fcm,
                token: "token-2".to_owned(),
                alert_token: None,
                environment: PushEnvironment::Production,
                registered_at: Timestamp::from_millis(55),
            };
            let mut rows = house.write().await;
            rows.replace_push(device.id, Some(&fresh)).await.unwrap();
            rows.commit().await.unwrap();
            let stored = house.read().await.device(device.id).await.unwrap().unwrap();
            assert_eq!((stored.push, stored.push_invalid), (Some(fresh), None));
        }

        async fn the_same_installation_in_two_companies_is_two_devices(db: Db) {
            let (mut house, mut other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let user = house.user("Suzuki").await;
            let device = house.new_device(user);
            let theirs = Device { user: other.user("Sato").await, ..device.clone() };
            enrol(&house, &device, &[1; 32]).await;
            enrol(&other, &theirs, &[2; 32]).await;
            assert_eq!(house.read().await.device(device.id).await.unwrap(), Some(device));
            assert_eq!(other.read().await.devices().await.unwrap(), [theirs]);
        }
    }

    #[test]
    fn a_push_target_does_not_print_its_token() {
        let push = PushTarget {
            service: PushService::Fcm,
            token: "secret".to_owned(),
            alert_token: Some("secret".to_owned()),
            environment: PushEnvironment::Production,
            registered_at: Timestamp::ZERO,
        };
        assert_eq!(format!("{push:?}"), "PushTarget(Fcm, Production)");
    }
}
