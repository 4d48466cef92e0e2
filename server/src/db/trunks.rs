//! Trunks: how calls come in and go out.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use callfield_domain::{TenantId, Timestamp, TrunkId};
use uuid::Uuid;

use super::{DbError, Result, Scoped, Tx, on, statements};

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
    /// Where its calls go out to, over UDP; `None` if it takes none.
    pub outgoing: Option<SocketAddr>,
    /// When it was added.
    pub created_at: Timestamp,
}

statements! {
    INSERT = "INSERT INTO trunks (tenant_id, id, name, kind, outgoing_host, outgoing_port, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    INSERT_ADDRESS = "INSERT INTO trunk_addresses (tenant_id, trunk_id, address) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, trunk_id, address) DO NOTHING";
    AT = "SELECT tenant_id, trunk_id FROM trunk_addresses WHERE address = $1 ORDER BY tenant_id, trunk_id";
    SOURCES = "SELECT DISTINCT address FROM trunk_addresses ORDER BY address";
    OUTGOING = "SELECT outgoing_host, outgoing_port FROM trunks
        WHERE tenant_id = $1 AND outgoing_host IS NOT NULL AND outgoing_port IS NOT NULL
        ORDER BY created_at, id LIMIT 1";
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
            .bind(trunk.outgoing.map(|to| to.ip().to_string()))
            .bind(trunk.outgoing.map(|to| i64::from(to.port())))
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

    /// Where the company's calls go out to: its first trunk that takes any.
    pub async fn outgoing_trunk(&mut self) -> Result<Option<SocketAddr>> {
        let tenant = self.tenant.uuid();
        let row: Option<(String, i64)> = on!(self.tx, connection => sqlx::query_as(OUTGOING)
            .bind(tenant)
            .fetch_optional(connection).await)?;
        row.map(|(host, port)| socket_address(&host, port)).transpose()
    }
}

fn socket_address(host: &str, port: i64) -> Result<SocketAddr> {
    let unreadable = || DbError::Unreadable("trunk address");
    let host: IpAddr = host.parse().map_err(|_| unreadable())?;
    Ok(SocketAddr::new(host, u16::try_from(port).map_err(|_| unreadable())?))
}

impl Tx {
    /// Where calls of any trunk come from.
    pub async fn trunk_sources(&mut self) -> Result<BTreeSet<IpAddr>> {
        let rows: Vec<(String,)> = on!(*self, connection => sqlx::query_as(SOURCES).fetch_all(connection).await)?;
        let sources = rows.into_iter().map(|(address,)| address.parse());
        sources.collect::<std::result::Result<_, _>>().map_err(|_| DbError::Unreadable("trunk address"))
    }

    /// The trunks whose calls come from `source`; none means that nothing from there is listened to.
    pub async fn trunks_at(&mut self, source: IpAddr) -> Result<Vec<(TenantId, TrunkId)>> {
        let rows: Vec<(Uuid, Uuid)> = on!(*self, connection => sqlx::query_as(AT)
            .bind(source.to_canonical().to_string())
            .fetch_all(connection).await)?;
        Ok(rows.into_iter().map(|(tenant, trunk)| (TenantId::from_uuid(tenant), TrunkId::from_uuid(trunk))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::house::House;
    use super::super::testing::{self, db_test};
    use super::*;

    db_test! {
        async fn a_trunk_is_known_by_each_of_its_addresses_in_any_form(db: Db) {
            let mut house = House::new(&db).await;
            let id = TrunkId::new(Timestamp::ZERO, &mut house.random);
            let addresses = ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"].map(|text| text.parse().unwrap());
            let trunk = Trunk {
                id,
                name: "PBX".to_owned(),
                kind: "static".to_owned(),
                addresses: addresses.to_vec(),
                outgoing: None,
                created_at: Timestamp::ZERO,
            };
            let mut rows = house.write().await;
            rows.insert_trunk(&trunk).await.unwrap();
            rows.commit().await.unwrap();
            let mut look_up = db.look_up().await.unwrap();
            for known in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8:0::1"] {
                assert_eq!(look_up.trunks_at(known.parse().unwrap()).await.unwrap(), [(house.tenant, id)], "{known}");
            }
            assert!(look_up.trunks_at("192.0.2.70".parse().unwrap()).await.unwrap().is_empty());
            let sources = ["192.0.2.7", "2001:db8::1"].map(|text| text.parse().unwrap());
            assert_eq!(look_up.trunk_sources().await.unwrap(), sources.into());
        }

        async fn calls_go_out_through_the_companys_first_trunk_that_takes_any(db: Db) {
            let (mut house, mut other) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            assert_eq!(house.read().await.outgoing_trunk().await.unwrap(), None);
            trunk(&mut other, 1, Some("192.0.2.9:5060")).await;
            trunk(&mut house, 1, None).await;
            assert_eq!(house.read().await.outgoing_trunk().await.unwrap(), None);
            trunk(&mut house, 3, Some("192.0.2.8:5060")).await;
            trunk(&mut house, 2, Some("[2001:db8::1]:5080")).await;
            let out = house.read().await.outgoing_trunk().await.unwrap();
            assert_eq!(out, Some("[2001:db8::1]:5080".parse().unwrap()));
        }
    }

    async fn trunk(house: &mut House, at: i64, outgoing: Option<&str>) {
        let created_at = Timestamp::from_millis(at);
        let trunk = Trunk {
            id: TrunkId::new(created_at, &mut house.random),
            name: "PBX".to_owned(),
            kind: "static".to_owned(),
            addresses: vec!["192.0.2.7".parse().unwrap()],
            outgoing: outgoing.map(|to| to.parse().unwrap()),
            created_at,
        };
        let mut rows = house.write().await;
        rows.insert_trunk(&trunk).await.unwrap();
        rows.commit().await.unwrap();
    }
}
