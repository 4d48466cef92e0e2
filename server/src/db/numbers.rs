//! Company phone numbers and where their calls go.

use callfield_domain::{NumberId, TenantId, Timestamp, TrunkId};
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
    INSERT = "INSERT INTO numbers (tenant_id, id, e164, route, created_at) VALUES ($1, $2, $3, $4, $5)";
    /// Two companies may share a PBX: the number says which of them is called.
    INBOUND = "SELECT numbers.tenant_id AS tenant_id, trunk_addresses.trunk_id AS trunk_id, numbers.id AS number_id,
            numbers.route AS route
        FROM numbers JOIN trunk_addresses ON trunk_addresses.tenant_id = numbers.tenant_id
        WHERE numbers.e164 = $1 AND trunk_addresses.address = $2
        ORDER BY numbers.created_at, numbers.id LIMIT 1";
}

impl Scoped {
    /// Adds a number; [`super::DbError::is_taken`] if the company has it.
    pub async fn insert_number(&mut self, number: &Number) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(number.id.uuid())
            .bind(&number.e164)
            .bind(&number.route)
            .bind(number.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        Ok(())
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
        let trunk = Trunk {
            id: TrunkId::new(created_at, &mut house.random),
            name: "PBX".to_owned(),
            kind: "static".to_owned(),
            addresses: vec!["127.0.0.1".parse().unwrap()],
            created_at,
        };
        let mut rows = house.write().await;
        let number = Number { id, e164: e164.to_owned(), route: "record_owner".to_owned(), created_at };
        rows.insert_number(&number).await.unwrap();
        rows.insert_trunk(&trunk).await.unwrap();
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
                created_at: Timestamp::ZERO,
            };
            assert!(house.write().await.insert_number(&again).await.unwrap_err().is_taken());
        }
    }
}
