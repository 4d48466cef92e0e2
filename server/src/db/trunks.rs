//! Trunks: how calls come in and go out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use callfield_domain::{TenantId, Timestamp, TrunkId};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::word::{from_word, word};
use super::{DbError, Result, Scoped, Tx, on, statements};

/// A way for calls to come in and go out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    /// Its id.
    pub id: TrunkId,
    /// What its company calls it.
    pub name: String,
    /// How it is known.
    pub kind: TrunkKind,
    /// Where its calls come from.
    pub addresses: Vec<IpAddr>,
    /// Where its calls go out to, over UDP; `None` if it takes none.
    pub outgoing: Option<SocketAddr>,
    /// The lowest is tried first.
    pub priority: u16,
    /// How many calls may go out through it at once; `None`: any number.
    pub max_calls: Option<u32>,
    /// What it is proved with that a call is the company's, sealed.
    pub credentials: Option<Vec<u8>>,
    /// Whether calls come and go through it.
    pub is_enabled: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

/// How a trunk is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrunkKind {
    /// By the addresses its calls come from.
    Static,
    /// By the server's registration at it, with its credentials.
    Registering,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    name: String,
    kind: String,
    outgoing_host: Option<String>,
    outgoing_port: Option<i64>,
    priority: i64,
    max_calls: Option<i64>,
    credentials: Option<Vec<u8>>,
    is_enabled: i64,
    created_at: i64,
}

statements! {
    PUT = "INSERT INTO trunks (tenant_id, id, name, kind, outgoing_host, outgoing_port, priority, max_calls, credentials,
            is_enabled, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (tenant_id, id) DO UPDATE SET name = excluded.name, kind = excluded.kind,
            outgoing_host = excluded.outgoing_host, outgoing_port = excluded.outgoing_port,
            priority = excluded.priority, max_calls = excluded.max_calls, credentials = excluded.credentials,
            is_enabled = excluded.is_enabled";
    INSERT_ADDRESS = "INSERT INTO trunk_addresses (tenant_id, trunk_id, address) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, trunk_id, address) DO NOTHING";
    DELETE = "DELETE FROM trunks WHERE tenant_id = $1 AND id = $2 RETURNING id";
    DELETE_ADDRESSES = "DELETE FROM trunk_addresses WHERE tenant_id = $1 AND trunk_id = $2";
    ALL = "SELECT id, name, kind, outgoing_host, outgoing_port, priority, max_calls, credentials, is_enabled, created_at
        FROM trunks WHERE tenant_id = $1 ORDER BY priority, created_at, id";
    ADDRESSES = "SELECT trunk_id, address FROM trunk_addresses WHERE tenant_id = $1 ORDER BY trunk_id, address";
    AT = "SELECT trunks.tenant_id AS tenant_id, tenants.country AS country FROM trunk_addresses
        JOIN trunks ON trunks.tenant_id = trunk_addresses.tenant_id AND trunks.id = trunk_addresses.trunk_id
        JOIN tenants ON tenants.id = trunks.tenant_id
        WHERE trunk_addresses.address = $1 AND trunks.is_enabled = 1 AND trunks.kind = 'static'
        ORDER BY trunks.tenant_id, trunks.id LIMIT 1";
    REGISTERING = "SELECT DISTINCT tenant_id FROM trunks WHERE kind = 'registering' AND is_enabled = 1 ORDER BY tenant_id";
    /// Who answers calls is no stranger either, though no calls come from there.
    SOURCES = "SELECT address FROM trunk_addresses
        UNION SELECT outgoing_host AS address FROM trunks WHERE outgoing_host IS NOT NULL ORDER BY address";
}

impl Scoped {
    /// Adds a trunk, or replaces the one with its id.
    pub async fn put_trunk(&mut self, trunk: &Trunk) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(PUT)
            .bind(tenant)
            .bind(trunk.id.uuid())
            .bind(&trunk.name)
            .bind(word(trunk.kind))
            .bind(trunk.outgoing.map(|to| to.ip().to_string()))
            .bind(trunk.outgoing.map(|to| i64::from(to.port())))
            .bind(i64::from(trunk.priority))
            .bind(trunk.max_calls.map(i64::from))
            .bind(&trunk.credentials)
            .bind(i64::from(trunk.is_enabled))
            .bind(trunk.created_at.as_millis())
            .execute(connection).await.map(drop))?;
        self.delete_addresses(trunk.id).await?;
        for address in &trunk.addresses {
            on!(self.tx, connection => sqlx::query(INSERT_ADDRESS)
                .bind(tenant)
                .bind(trunk.id.uuid())
                .bind(address.to_canonical().to_string())
                .execute(connection).await.map(drop))?;
        }
        Ok(())
    }

    /// Removes a trunk; false if there is none with this id.
    pub async fn delete_trunk(&mut self, trunk: TrunkId) -> Result<bool> {
        self.delete_addresses(trunk).await?;
        let tenant = self.tenant.uuid();
        let row: Option<Uuid> = on!(self.tx, connection => sqlx::query_scalar(DELETE)
            .bind(tenant)
            .bind(trunk.uuid())
            .fetch_optional(connection).await)?;
        Ok(row.is_some())
    }

    /// The company's trunks in the order in which they are tried.
    pub async fn trunks(&mut self) -> Result<Vec<Trunk>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(ALL).bind(tenant).fetch_all(connection).await)?;
        let found: Vec<(Uuid, String)> =
            on!(self.tx, connection => sqlx::query_as(ADDRESSES).bind(tenant).fetch_all(connection).await)?;
        let mut addresses: BTreeMap<Uuid, Vec<IpAddr>> = BTreeMap::new();
        for (trunk, address) in found {
            addresses.entry(trunk).or_default().push(ip_address(&address)?);
        }
        rows.into_iter()
            .map(|row| {
                let addresses = addresses.remove(&row.id).unwrap_or_default();
                Trunk::of(row, addresses)
            })
            .collect()
    }

    /// One trunk of the company.
    pub async fn trunk(&mut self, id: TrunkId) -> Result<Option<Trunk>> {
        Ok(self.trunks().await?.into_iter().find(|trunk| trunk.id == id))
    }

    async fn delete_addresses(&mut self, trunk: TrunkId) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(DELETE_ADDRESSES)
            .bind(tenant)
            .bind(trunk.uuid())
            .execute(connection).await.map(drop))?;
        Ok(())
    }
}

impl Trunk {
    fn of(row: Row, addresses: Vec<IpAddr>) -> Result<Self> {
        let outgoing = row.outgoing_host.zip(row.outgoing_port).map(|(host, port)| socket_address(&host, port));
        Ok(Self {
            id: TrunkId::from_uuid(row.id),
            name: row.name,
            kind: from_word(row.kind, "trunk kind")?,
            addresses,
            outgoing: outgoing.transpose()?,
            priority: row.priority.try_into().map_err(|_| DbError::Unreadable("trunk priority"))?,
            max_calls: row.max_calls.map(u32::try_from).transpose().map_err(|_| DbError::Unreadable("trunk limit"))?,
            credentials: row.credentials,
            is_enabled: row.is_enabled != 0,
            created_at: Timestamp::from_millis(row.created_at),
        })
    }

    /// Where its calls go out to, if it takes any now.
    pub fn takes_calls_at(&self) -> Option<SocketAddr> {
        self.outgoing.filter(|_| self.is_enabled)
    }
}

fn socket_address(host: &str, port: i64) -> Result<SocketAddr> {
    Ok(SocketAddr::new(ip_address(host)?, u16::try_from(port).map_err(|_| DbError::Unreadable("trunk port"))?))
}

fn ip_address(text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| DbError::Unreadable("trunk address"))
}

impl Tx {
    /// Where calls and answers of any trunk come from.
    pub async fn trunk_sources(&mut self) -> Result<BTreeSet<IpAddr>> {
        let rows: Vec<(String,)> = on!(*self, connection => sqlx::query_as(SOURCES).fetch_all(connection).await)?;
        let sources = rows.into_iter().map(|(address,)| address.parse());
        sources.collect::<std::result::Result<_, _>>().map_err(|_| DbError::Unreadable("trunk address"))
    }

    /// The companies with a trunk that the server is to register at.
    pub async fn companies_that_register(&mut self) -> Result<Vec<TenantId>> {
        let rows: Vec<Uuid> = on!(*self, connection => sqlx::query_scalar(REGISTERING).fetch_all(connection).await)?;
        Ok(rows.into_iter().map(TenantId::from_uuid).collect())
    }

    /// The first company with a static trunk whose calls come from `source`, and its country; none means that nothing
    /// from there is listened to.
    pub async fn company_at(&mut self, source: IpAddr) -> Result<Option<(TenantId, String)>> {
        let row: Option<(Uuid, String)> = on!(*self, connection => sqlx::query_as(AT)
            .bind(source.to_canonical().to_string())
            .fetch_optional(connection).await)?;
        Ok(row.map(|(tenant, country)| (TenantId::from_uuid(tenant), country)))
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
            let trunk = Trunk {
                addresses: ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"].map(|text| text.parse().unwrap()).to_vec(),
                ..house.new_trunk(0, None)
            };
            put(&house, &trunk).await;
            let mut look_up = db.look_up().await.unwrap();
            for known in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8:0::1"] {
                let found = look_up.company_at(known.parse().unwrap()).await.unwrap();
                assert_eq!(found, Some((house.tenant, "JP".to_owned())), "{known}");
            }
            assert_eq!(look_up.company_at("192.0.2.70".parse().unwrap()).await.unwrap(), None);
            let sources = ["192.0.2.7", "2001:db8::1"].map(|text| text.parse().unwrap());
            assert_eq!(look_up.trunk_sources().await.unwrap(), sources.into());
        }

        async fn a_trunk_that_is_registered_at_is_not_known_by_its_address(db: Db) {
            let mut house = House::new(&db).await;
            let mut trunk = Trunk { kind: TrunkKind::Registering, ..house.new_trunk(0, Some("192.0.2.8:5060")) };
            put(&house, &trunk).await;
            let mut look_up = db.look_up().await.unwrap();
            assert_eq!(look_up.company_at(trunk.addresses[0]).await.unwrap(), None);
            assert_eq!(look_up.companies_that_register().await.unwrap(), [house.tenant]);
            trunk.is_enabled = false;
            put(&house, &trunk).await;
            assert_eq!(look_up.companies_that_register().await.unwrap(), []);
        }

        async fn who_answers_the_calls_of_a_trunk_is_no_stranger(db: Db) {
            let mut house = House::new(&db).await;
            let trunk = house.new_trunk(0, Some("192.0.2.8:5060"));
            put(&house, &trunk).await;
            let sources = ["192.0.2.7", "192.0.2.8"].map(|text| text.parse().unwrap());
            assert_eq!(db.look_up().await.unwrap().trunk_sources().await.unwrap(), sources.into());
        }

        async fn nothing_comes_from_a_trunk_that_is_disabled_or_gone(db: Db) {
            let mut house = House::new(&db).await;
            let mut trunk = house.new_trunk(0, Some("192.0.2.8:5060"));
            let source = trunk.addresses[0];
            put(&house, &trunk).await;
            trunk.is_enabled = false;
            put(&house, &trunk).await;
            assert_eq!(db.look_up().await.unwrap().company_at(source).await.unwrap(), None);
            trunk.is_enabled = true;
            put(&house, &trunk).await;
            assert!(db.look_up().await.unwrap().company_at(source).await.unwrap().is_some());
            let mut rows = house.write().await;
            assert!(rows.delete_trunk(trunk.id).await.unwrap());
            assert!(!rows.delete_trunk(trunk.id).await.unwrap());
            rows.commit().await.unwrap();
            assert_eq!(db.look_up().await.unwrap().company_at(source).await.unwrap(), None);
            assert_eq!(house.read().await.trunks().await.unwrap(), []);
        }

        async fn a_trunk_is_read_as_it_was_written_and_replaced_as_a_whole(db: Db) {
            let mut house = House::new(&db).await;
            let trunk = Trunk {
                max_calls: Some(4),
                credentials: Some(vec![1, 2, 3]),
                ..house.new_trunk(5, Some("[2001:db8::1]:5080"))
            };
            put(&house, &trunk).await;
            assert_eq!(house.read().await.trunk(trunk.id).await.unwrap(), Some(trunk.clone()));
            let other = Trunk {
                name: "Provider".to_owned(),
                addresses: vec!["192.0.2.70".parse().unwrap()],
                outgoing: None,
                priority: 1,
                max_calls: None,
                credentials: None,
                is_enabled: false,
                ..trunk
            };
            put(&house, &other).await;
            assert_eq!(house.read().await.trunks().await.unwrap(), [other]);
        }

        async fn trunks_come_in_the_order_of_priority_then_of_age(db: Db) {
            let (mut house, mut stranger) = (House::numbered(&db, 1).await, House::numbered(&db, 2).await);
            let theirs = stranger.new_trunk(0, None);
            put(&stranger, &theirs).await;
            let (young, old) = (house.new_trunk(9, None), house.new_trunk(3, None));
            let first = Trunk { priority: 1, ..house.new_trunk(20, None) };
            for trunk in [&young, &old, &first] {
                put(&house, trunk).await;
            }
            assert_eq!(house.read().await.trunks().await.unwrap(), [first, old, young]);
        }
    }

    async fn put(house: &House, trunk: &Trunk) {
        let mut rows = house.write().await;
        rows.put_trunk(trunk).await.unwrap();
        rows.commit().await.unwrap();
    }
}
