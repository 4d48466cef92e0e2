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
