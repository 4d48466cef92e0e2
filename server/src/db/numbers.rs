//! Company phone numbers and where their calls go.

use callfield_domain::{NumberId, TenantId, Timestamp, TrunkId, UserId};
use sqlx::FromRow;
use uuid::Uuid;

use super::{Result, Scoped, Tx, on, statements};

/// A company phone number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Its id.
    pub id: NumberId,
    /// `+` and up to 15 digits.
    pub e164: String,
    /// Where its calls go: `record_owner`.
    pub route: String,
    /// Whose outgoing calls show it; `None`: those of everybody who has none of their own.
    pub user: Option<UserId>,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A company number that was called through a trunk of the same company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundNumber {
    /// Whose number it is.
    pub tenant: TenantId,
    /// The trunk it came through.
    pub trunk: TrunkId,
    /// The number.
    pub number: NumberId,
    /// Where its calls go: `record_owner`.
    pub route: String,
}

#[derive(FromRow)]
struct InboundRow {
    tenant_id: Uuid,
    trunk_id: Uuid,
    number_id: Uuid,
    route: String,
}

statements! {
    INSERT = "INSERT INTO numbers (tenant_id, id, e164, route, user_id, created_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    SHOWN_BY = "SELECT e164 FROM numbers WHERE tenant_id = $1 AND (user_id IS NULL OR user_id = $2)
        ORDER BY CASE WHEN user_id = $2 THEN 0 ELSE 1 END, created_at, id LIMIT 1";
    OWNED = "SELECT user_id FROM numbers WHERE tenant_id = $1 AND e164 = $2 AND user_id IS NOT NULL";
    CALLED = "SELECT route FROM numbers WHERE tenant_id = $1 AND e164 = $2";
    /// Two companies may share a PBX: the number says which of them is called.
    INBOUND = "SELECT numbers.tenant_id AS tenant_id, trunk_addresses.trunk_id AS trunk_id, numbers.id AS number_id,
            numbers.route AS route
        FROM numbers JOIN trunk_addresses ON trunk_addresses.tenant_id = numbers.tenant_id
            JOIN trunks ON trunks.tenant_id = trunk_addresses.tenant_id AND trunks.id = trunk_addresses.trunk_id
        WHERE numbers.e164 = $1 AND trunk_addresses.address = $2 AND trunks.is_enabled = 1
            AND trunks.kind = 'static'
        ORDER BY numbers.created_at, numbers.id LIMIT 1";
}

impl Scoped {
    /// Adds a number; [`super::DbError::is_taken`] if the company has it, [`super::DbError::is_dangling`] if its user is
    /// nobody of the company.
    pub async fn insert_number(&mut self, number: &Number) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(number.id.uuid())
            .bind(&number.e164)
            .bind(&number.route)
            .bind(number.user.map(UserId::uuid))
            .bind(number.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    /// Where the calls of a number of the company go: `record_owner`; `None` if the company does not have it.
    pub async fn route_of(&mut self, e164: &str) -> Result<Option<String>> {
        let tenant = self.tenant.uuid();
        Ok(on!(self.tx, connection => sqlx::query_scalar(CALLED)
            .bind(tenant)
            .bind(e164)
            .fetch_optional(connection).await)?)
    }

    /// Whose own number of the company this is, if it is somebody's.
    pub async fn owner_of_number(&mut self, e164: &str) -> Result<Option<UserId>> {
        let tenant = self.tenant.uuid();
        let owner: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(OWNED)
            .bind(tenant)
            .bind(e164)
            .fetch_optional(connection).await)?;
        Ok(owner.map(UserId::from_uuid))
    }

    /// The company number that calls of `user` show: the user's own, else the first that is nobody's own.
    pub async fn number_shown_by(&mut self, user: UserId) -> Result<Option<String>> {
        let tenant = self.tenant.uuid();
        Ok(on!(self.tx, connection => sqlx::query_scalar(SHOWN_BY)
            .bind(tenant)
            .bind(user.uuid())
            .fetch_optional(connection).await)?)
    }
}

impl Tx {
    /// The number `e164` as called from the address `source`, if a company has both it and a trunk there.
    pub async fn inbound_number(&mut self, source: std::net::IpAddr, e164: &str) -> Result<Option<InboundNumber>> {
        let row: Option<InboundRow> = on!(*self, connection => sqlx::query_as(INBOUND)
            .bind(e164)
            .bind(source.to_canonical().to_string())
            .fetch_optional(connection).await)?;
        Ok(row.map(|row| InboundNumber {
            tenant: TenantId::from_uuid(row.tenant_id),
            trunk: TrunkId::from_uuid(row.trunk_id),
            number: NumberId::from_uuid(row.number_id),
            route: row.route,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::super::{Db, Trunk};
    use super::*;

    async fn number_and_trunk(house: &mut House, e164: &str, at: i64) -> NumberId {
        let created_at = Timestamp::from_millis(at);
        let id = NumberId::new(created_at, &mut house.random);
        let trunk = Trunk { addresses: vec!["127.0.0.1".parse().unwrap()], ..house.new_trunk(at, None) };
        let mut rows = house.write().await;
        let number = Number { id, e164: e164.to_owned(), route: "record_owner".to_owned(), user: None, created_at };
        rows.insert_number(&number).await.unwrap();
        rows.put_trunk(&trunk).await.unwrap();
        rows.commit().await.unwrap();
        id
    }

    async fn called(db: &Db, source: &str, e164: &str) -> Option<InboundNumber> {
        db.look_up().await.unwrap().inbound_number(source.parse().unwrap(), e164).await.unwrap()
    }

    db_test! {
        async fn of_two_companies_at_one_pbx_the_number_tells_which_is_called(db: Db) {
            let (mut one, mut two) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let first = number_and_trunk(&mut one, "+81350001000", 1).await;
            number_and_trunk(&mut two, "+81350002000", 2).await;
            let ours = called(&db, "127.0.0.1", "+81350001000").await.unwrap();
            assert_eq!((ours.tenant, ours.number), (one.tenant, first));
            assert_eq!(called(&db, "::ffff:127.0.0.1", "+81350002000").await.unwrap().tenant, two.tenant);
            assert_eq!(called(&db, "127.0.0.2", "+81350001000").await, None);
            assert_eq!(called(&db, "127.0.0.1", "+81350003000").await, None);
        }

        async fn a_number_two_companies_claim_stays_with_the_first(db: Db) {
            let (mut one, mut two) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            number_and_trunk(&mut two, "+81350001000", 5).await;
            number_and_trunk(&mut one, "+81350001000", 6).await;
            assert_eq!(called(&db, "127.0.0.1", "+81350001000").await.unwrap().tenant, two.tenant);
        }

        async fn a_company_has_a_number_once(db: Db) {
            let mut house = House::new(&db).await;
            number_and_trunk(&mut house, "+81350001000", 1).await;
            let id = NumberId::new(Timestamp::ZERO, &mut house.random);
            let again = Number {
                id,
                e164: "+81350001000".to_owned(),
                route: "record_owner".to_owned(),
                user: None,
                created_at: Timestamp::ZERO,
            };
            assert!(house.write().await.insert_number(&again).await.unwrap_err().is_taken());
        }

        async fn a_user_shows_the_number_of_their_own_and_everybody_else_the_first_that_is_nobodys(db: Db) {
            let (mut house, mut other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let (suzuki, sato) = (house.user("Suzuki").await, house.user("Sato").await);
            number_and_trunk(&mut other, "+81350009000", 0).await;
            assert_eq!(shown_by(&house, suzuki).await, None);
            own_number(&mut house, "+81350001000", sato).await.unwrap();
            assert_eq!(shown_by(&house, suzuki).await, None);
            number_and_trunk(&mut house, "+81350003000", 3).await;
            number_and_trunk(&mut house, "+81350002000", 2).await;
            assert_eq!(shown_by(&house, suzuki).await.as_deref(), Some("+81350002000"));
            assert_eq!(shown_by(&house, sato).await.as_deref(), Some("+81350001000"));
            let owner = async |e164| house.read().await.owner_of_number(e164).await.unwrap();
            assert_eq!(owner("+81350001000").await, Some(sato));
            assert_eq!((owner("+81350002000").await, owner("+81350009000").await), (None, None));
        }

        async fn a_number_is_nobodys_of_another_company(db: Db) {
            let (mut house, mut other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let stranger = other.user("Suzuki").await;
            assert!(own_number(&mut house, "+81350001000", stranger).await.unwrap_err().is_dangling());
        }
    }

    async fn own_number(house: &mut House, e164: &str, user: UserId) -> Result<()> {
        let created_at = Timestamp::from_millis(9);
        let id = NumberId::new(created_at, &mut house.random);
        let number =
            Number { id, e164: e164.to_owned(), route: "record_owner".to_owned(), user: Some(user), created_at };
        let mut rows = house.write().await;
        rows.insert_number(&number).await?;
        rows.commit().await
    }

    async fn shown_by(house: &House, user: UserId) -> Option<String> {
        house.read().await.number_shown_by(user).await.unwrap()
    }
}
