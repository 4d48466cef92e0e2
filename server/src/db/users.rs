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
    /// What colleagues dial: digits.
    pub extension: Option<String>,
    /// When the login was made.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    extension: Option<String>,
    created_at: i64,
}

statements! {
    INSERT = "INSERT INTO users (tenant_id, id, name, extension, decline, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    UPDATE = "UPDATE users SET name = $3, extension = $4 WHERE tenant_id = $1 AND id = $2";
    ALL = "SELECT id, name, extension, created_at FROM users WHERE tenant_id = $1 ORDER BY created_at, id";
    ONE = "SELECT id, name, extension, created_at FROM users WHERE tenant_id = $1 AND id = $2";
    DECLINE = "SELECT decline FROM users WHERE tenant_id = $1 AND id = $2";
    SET_DECLINE = "UPDATE users SET decline = $3 WHERE tenant_id = $1 AND id = $2 RETURNING id";
    CALLED = "SELECT id, name, extension, created_at FROM users WHERE tenant_id = $1 AND extension = $2";
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
    /// Adds a person; [`super::DbError::is_taken`] if a colleague has the extension.
    pub async fn insert_user(&mut self, user: &User) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(user.id.uuid())
            .bind(&user.name)
            .bind(&user.extension)
            .bind(word(DeclinePolicy::default()))
            .bind(user.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Stores the name and the extension of a person; [`super::DbError::is_taken`] if a colleague has the extension.
    pub async fn update_user(&mut self, user: &User) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(UPDATE)
            .bind(tenant)
            .bind(user.id.uuid())
            .bind(&user.name)
            .bind(&user.extension)
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Everybody of the company, who came first first.
    pub async fn users(&mut self) -> Result<Vec<User>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(ALL).bind(tenant).fetch_all(connection).await)?;
        Ok(rows.into_iter().map(User::from).collect())
    }

    /// One person.
    pub async fn user(&mut self, id: UserId) -> Result<Option<User>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(id.uuid())
            .fetch_optional(connection).await)?;
        Ok(row.map(User::from))
    }

    /// The person with an extension.
    pub async fn user_at(&mut self, extension: &str) -> Result<Option<User>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(CALLED)
            .bind(tenant)
            .bind(extension)
            .fetch_optional(connection).await)?;
        Ok(row.map(User::from))
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

impl From<Row> for User {
    fn from(row: Row) -> Self {
        Self {
            id: UserId::from_uuid(row.id),
            name: row.name,
            extension: row.extension,
            created_at: Timestamp::from_millis(row.created_at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

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

        async fn an_extension_is_one_persons_of_its_company(db: Db) {
            let (mut house, mut other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let at = |user: User, extension: &str| User { extension: Some(extension.to_owned()), ..user };
            let suzuki = at(house.new_user("Suzuki"), "201");
            let stranger = at(other.new_user("Mori"), "201");
            insert(&house, &suzuki).await.unwrap();
            insert(&other, &stranger).await.unwrap();
            house.user("Kato").await;
            house.user("Ito").await;
            let sato = at(house.new_user("Sato"), "201");
            assert!(insert(&house, &sato).await.unwrap_err().is_taken());
            let sato = at(sato, "202");
            insert(&house, &sato).await.unwrap();
            let mut rows = house.write().await;
            assert!(rows.update_user(&at(sato.clone(), "201")).await.unwrap_err().is_taken());
            drop(rows);
            let mut rows = house.write().await;
            rows.update_user(&User { extension: None, ..suzuki.clone() }).await.unwrap();
            rows.update_user(&at(sato.clone(), "201")).await.unwrap();
            rows.commit().await.unwrap();
            assert_eq!(house.read().await.user_at("201").await.unwrap(), Some(at(sato, "201")));
            assert_eq!(house.read().await.user_at("202").await.unwrap(), None);
            assert_eq!(other.read().await.user_at("201").await.unwrap(), Some(stranger));
            assert_eq!(house.read().await.users().await.unwrap().len(), 4);
        }
    }

    async fn insert(house: &House, user: &User) -> Result<()> {
        let mut rows = house.write().await;
        rows.insert_user(user).await?;
        rows.commit().await
    }
}
