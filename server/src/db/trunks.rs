//! Trunks: how calls come in and go out.

use std::net::IpAddr;

use callfield_domain::{TenantId, Timestamp, TrunkId};
use uuid::Uuid;

use super::{Result, Scoped, Tx, on, statements};

/// A trunk that is known by where its calls come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Its id.
    pub id: TrunkId,
    /// What its company calls it.
    pub name: String,
    /// How it is known: `static`.
    pub kind: String,
    /// Where its calls come from.
    pub addresses: Vec<IpAddr>,
    /// When it was added.
    pub created_at: Timestamp,
}

statements! {
    INSERT = "INSERT INTO trunks (tenant_id, id, name, kind, created_at) VALUES ($1, $2, $3, $4, $5)";
    INSERT_ADDRESS = "INSERT INTO trunk_addresses (tenant_id, trunk_id, address) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, trunk_id, address) DO NOTHING";
    AT = "SELECT tenant_id, trunk_id FROM trunk_addresses WHERE address = $1 ORDER BY tenant_id, trunk_id";
}

impl Scoped {
    /// Adds a trunk and where its calls come from.
    pub async fn insert_trunk(&mut self, trunk: &Trunk) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(INSERT)
            .bind(tenant)
            .bind(trunk.id.uuid())
            .bind(&trunk.name)
            .bind(&trunk.kind)
            .bind(trunk.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        for address in &trunk.addresses {
            on!(self.tx, connection => sqlx::query(INSERT_ADDRESS)
                .bind(tenant)
                .bind(trunk.id.uuid())
                .bind(address.to_canonical().to_string())
                .execute(connection).await.map(drop))?;
        }
        Ok(())
    }
}

impl Tx {
    /// The trunks whose calls come from `source`; none means that nothing from there is listened to.
    pub async fn trunks_at(&mut self, source: IpAddr) -> Result<Vec<(TenantId, TrunkId)>> {
        let rows: Vec<(Uuid, Uuid)> = on!(*self, connection => sqlx::query_as(AT)
            .bind(source.to_canonical().to_string())
            .fetch_all(connection).await)?;
        Ok(rows.into_iter().map(|(tenant, trunk)| (TenantId::from_uuid(tenant), TrunkId::from_uuid(trunk))).collect())
    }
}
