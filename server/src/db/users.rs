//! People with a login.

use callfield_domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::word::{from_word, word};
use super::{Result, Scoped, on, statements};

/// A person of a company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The person's id.
    pub id: UserId,
    /// The name as the person writes it.
    pub name: String,
    /// When the login was made.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    created_at: i64,
}

statements! {
    INSERT = "INSERT INTO users (tenant_id, id, name, decline, created_at) VALUES ($1, $2, $3, $4, $5)";
    ONE = "SELECT id, name, created_at FROM users WHERE tenant_id = $1 AND id = $2";
    DECLINE = "SELECT decline FROM users WHERE tenant_id = $1 AND id = $2";
    SET_DECLINE = "UPDATE users SET decline = $3 WHERE tenant_id = $1 AND id = $2 RETURNING id";
}

/// What a decline on one device of a person means for the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclinePolicy {
    /// The call is rejected.
    #[default]
    StopAll,
    /// The other devices ring on.
    RingOn,
}

impl Scoped {
    /// Adds a person.
    pub async fn insert_user(&mut self, user: &User) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(user.id.uuid())
            .bind(&user.name)
            .bind(word(DeclinePolicy::default()))
            .bind(user.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// One person.
    pub async fn user(&mut self, id: UserId) -> Result<Option<User>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(id.uuid())
            .fetch_optional(connection).await)?;
        Ok(row.map(|row| User {
            id: UserId::from_uuid(row.id),
            name: row.name,
            created_at: Timestamp::from_millis(row.created_at),
        }))
    }

    /// What a decline of this person means.
    pub async fn decline_policy(&mut self, user: UserId) -> Result<DeclinePolicy> {
        let tenant = self.tenant.uuid();
        let policy: Option<String> = on!(self.tx, connection => sqlx::query_scalar(DECLINE)
            .bind(tenant)
            .bind(user.uuid())
            .fetch_optional(connection).await)?;
        policy.map_or(Ok(DeclinePolicy::default()), |policy| from_word(policy, "decline policy"))
    }

    /// Says what a decline of this person means; false if there is no such person.
    pub async fn set_decline_policy(&mut self, user: UserId, policy: DeclinePolicy) -> Result<bool> {
        let tenant = self.tenant.uuid();
        let row: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(SET_DECLINE)
            .bind(tenant)
            .bind(user.uuid())
            .bind(word(policy))
            .fetch_optional(connection).await)?;
        Ok(row.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::DeclinePolicy;

    db_test! {
        async fn a_person_is_of_one_company_only(db: Db) {
            let (mut house, other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let id = house.user("Suzuki Hanako").await;
            assert_eq!(house.read().await.user(id).await.unwrap().unwrap().name, "Suzuki Hanako");
            assert_eq!(other.read().await.user(id).await.unwrap(), None);
        }

        async fn a_decline_stops_all_unless_the_person_wants_it_otherwise(db: Db) {
            let (mut house, other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let id = house.user("Suzuki Hanako").await;
            assert_eq!(house.read().await.decline_policy(id).await.unwrap(), DeclinePolicy::StopAll);
            assert!(!other.write().await.set_decline_policy(id, DeclinePolicy::RingOn).await.unwrap());
            let mut rows = house.write().await;
            assert!(rows.set_decline_policy(id, DeclinePolicy::RingOn).await.unwrap());
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.decline_policy(id).await.unwrap(), DeclinePolicy::RingOn);
        }

        async fn the_same_id_twice_is_taken(db: Db) {
            let mut house = House::new(&db).await;
            let user = house.new_user("Suzuki");
            let mut rows = house.write().await;
            rows.insert_user(&user).await.unwrap();
            assert!(rows.insert_user(&user).await.unwrap_err().is_taken());
        }
    }
}
