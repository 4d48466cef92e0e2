//! How a person is reached when a call comes: everything about it that is stored, in one look.

use callfield_domain::{DeviceId, Presence, Timestamp, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use super::word::from_word;
use super::{DeclinePolicy, Result, Scoped, on, statements};

/// How a person is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// What a decline on one device means for the others.
    pub decline: DeclinePolicy,
    /// What the person said last about being there, whether it has run out or not.
    pub presence: Presence,
    /// The devices that can ring though they are not registered, or may: those of the app, and softphones with a token.
    pub devices: Vec<ReachedDevice>,
}

/// A device that may ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachedDevice {
    /// Which.
    pub device: DeviceId,
    /// Whether it can be pushed awake.
    pub has_push: bool,
}

#[derive(FromRow)]
struct Row {
    decline: String,
    presence: String,
    presence_until: Option<i64>,
    device_id: Option<Uuid>,
    has_push: Option<i64>,
}

statements! {
    /// A row for each device; one without a device for a person who has none.
    OF_USER = "SELECT users.decline AS decline, users.presence AS presence, users.presence_until AS presence_until,
            reached.id AS device_id, reached.has_push AS has_push
        FROM users LEFT JOIN (
            SELECT id, CAST(CASE WHEN push_token IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_push
            FROM devices WHERE tenant_id = $1 AND user_id = $2
            UNION ALL
            SELECT desk_phones.id, CAST(1 AS BIGINT) FROM desk_phones
            JOIN softphone_tokens ON softphone_tokens.tenant_id = desk_phones.tenant_id
                AND softphone_tokens.device_id = desk_phones.id
            WHERE desk_phones.tenant_id = $1 AND desk_phones.user_id = $2 AND softphone_tokens.invalid_since IS NULL
        ) AS reached ON 1 = 1
        WHERE users.tenant_id = $1 AND users.id = $2 ORDER BY reached.id";
}

impl Scoped {
    /// How a person is reached; the defaults and no device if there is no such person.
    pub async fn reach(&mut self, user: UserId) -> Result<Reach> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(OF_USER)
            .bind(tenant)
            .bind(user.uuid())
            .fetch_all(connection).await)?;
        let mut reach = Reach::default();
        for row in rows {
            reach.decline = from_word(row.decline, "decline policy")?;
            let until = row.presence_until.map(Timestamp::from_millis);
            reach.presence = Presence { state: from_word(row.presence, "presence")?, until };
            let device = row.device_id.map(DeviceId::from_uuid);
            reach.devices.extend(device.map(|device| ReachedDevice { device, has_push: row.has_push == Some(1) }));
        }
        Ok(reach)
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::PresenceState;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::super::{DeskPhone, Device, PushEnvironment, PushService, SoftphoneToken};
    use super::*;

    async fn softphone(house: &mut House, user: UserId, username: &str) -> DeviceId {
        let id = DeviceId::new(Timestamp::ZERO, &mut house.random);
        let (name, username, created_at) = ("Linphone".to_owned(), username.to_owned(), Timestamp::ZERO);
        let phone = DeskPhone { id, user, name, username, created_at };
        let token = SoftphoneToken {
            device: id,
            instance: String::new(),
            reg_id: 0,
            service: PushService::Fcm,
            environment: PushEnvironment::Production,
            app: "project".to_owned(),
            tokens: vec![1],
            registered_at: Timestamp::ZERO,
            invalid: None,
        };
        let mut rows = house.write().await;
        rows.insert_desk_phone(&phone, "md5", "sha").await.unwrap();
        rows.put_softphone_token(&token).await.unwrap();
        rows.commit().await.unwrap();
        id
    }

    db_test! {
        async fn apps_and_softphones_with_a_living_token_are_reached(db: Db) {
            let mut house = House::new(&db).await;
            let (user, other) = (house.user("Suzuki").await, house.user("Sato").await);
            let pushed = house.new_device(user);
            let silent = Device { push: None, ..house.new_device(user) };
            let foreign = house.new_device(other);
            let mut rows = house.write().await;
            for (device, hash) in [(&pushed, 1), (&silent, 2), (&foreign, 3)] {
                rows.enrol_device(device, &[hash; 32]).await.unwrap();
            }
            rows.commit().await.unwrap();
            let (woken, dead) = (softphone(&mut house, user, "one").await, softphone(&mut house, user, "two").await);
            let mut rows = house.write().await;
            assert!(rows.invalidate_softphone_token(dead, Timestamp::ZERO, Timestamp::ZERO, "gone").await.unwrap());
            rows.set_decline_policy(user, DeclinePolicy::RingOn).await.unwrap();
            let away = Presence { state: PresenceState::Away, until: Some(Timestamp::from_millis(9)) };
            rows.put_presence(user, away).await.unwrap();
            rows.commit().await.unwrap();
            let reach = house.read().await.reach(user).await.unwrap();
            let mut expected = vec![(pushed.id, true), (silent.id, false), (woken, true)];
            expected.sort();
            let found: Vec<_> = reach.devices.iter().map(|reached| (reached.device, reached.has_push)).collect();
            assert_eq!((found, reach.decline, reach.presence), (expected, DeclinePolicy::RingOn, away));
        }

        async fn a_person_without_devices_has_a_will_and_nobody_has_none(db: Db) {
            let (mut house, elsewhere) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let user = house.user("Suzuki").await;
            house.write().await.set_decline_policy(user, DeclinePolicy::StopAll).await.unwrap();
            assert_eq!(house.read().await.reach(user).await.unwrap(), Reach::default());
            assert_eq!(elsewhere.read().await.reach(user).await.unwrap(), Reach::default());
        }
    }
}
