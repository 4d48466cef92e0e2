//! Whether users want to be rung.

use callfield_domain::{Presence, Timestamp, UserId};
use sqlx::FromRow;

use super::word::{from_word, word};
use super::{Result, Scoped, on, statements};

#[derive(FromRow)]
struct Row {
    presence: String,
    presence_until: Option<i64>,
}

statements! {
    ONE = "SELECT presence, presence_until FROM users WHERE tenant_id = $1 AND id = $2";
    UPDATE = "UPDATE users SET presence = $3, presence_until = $4 WHERE tenant_id = $1 AND id = $2";
}

impl Scoped {
    /// What a person said last, whether it has run out or not; `None` if there is no such person.
    pub async fn presence_of(&mut self, user: UserId) -> Result<Option<Presence>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(user.uuid())
            .fetch_optional(connection).await)?;
        row.map(|row| {
            let until = row.presence_until.map(Timestamp::from_millis);
            Ok(Presence { state: from_word(row.presence, "presence")?, until })
        })
        .transpose()
    }

    /// Stores what a person says; false if there is no such person.
    pub async fn put_presence(&mut self, user: UserId, presence: Presence) -> Result<bool> {
        let tenant = self.tenant.uuid();
        Ok(on!(self.tx, connection => sqlx::query(UPDATE)
            .bind(tenant)
            .bind(user.uuid())
            .bind(word(presence.state))
            .bind(presence.until.map(Timestamp::as_millis))
            .execute(connection).await.map(|done| done.rows_affected() > 0))?)
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::PresenceState;

    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    db_test! {
        async fn a_person_is_online_until_they_say_otherwise(db: Db) {
            let (mut house, other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let user = house.user("Suzuki").await;
            assert_eq!(house.read().await.presence_of(user).await.unwrap(), Some(Presence::default()));
            let away = Presence { state: PresenceState::Dnd, until: Some(Timestamp::from_millis(7)) };
            let mut rows = house.write().await;
            assert!(rows.put_presence(user, away).await.unwrap());
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.presence_of(user).await.unwrap(), Some(away));
            assert_eq!(other.read().await.presence_of(user).await.unwrap(), None);
            assert!(!other.write().await.put_presence(user, away).await.unwrap());
        }
    }
}
