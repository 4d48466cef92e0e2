//! Who this installation is, and the account it belongs to.

use callfield_domain::wake::SecretKey;
use callfield_domain::{DeviceId, Random, TenantId, Timestamp, UserId};
use callfield_sync::{Actor, DeviceKey};
use rusqlite::{OptionalExtension as _, Row, params};

use super::{StoreError, Tx, parsed};

/// This installation: made once, before any account.
#[derive(Debug, Clone)]
pub struct Install {
    /// The install id.
    pub device: DeviceId,
    /// The key that wakes are sealed to.
    pub secret: SecretKey,
    /// Which life of the device's editing this is, from 1.
    pub incarnation: u32,
    /// The actor of that life.
    pub actor: Actor,
}

/// The account that the installation enrolled into.
#[derive(Clone)]
pub struct Account {
    /// The server's URL.
    pub server_url: String,
    /// Certificates to trust beside the bundled ones, as PEM.
    pub ca_pem: Option<String>,
    /// The device's token; never printed.
    pub token: String,
    /// The company.
    pub tenant: TenantId,
    /// The company's name.
    pub tenant_name: String,
    /// The company's country, ISO 3166 alpha-2.
    pub country: String,
    /// The person.
    pub user: UserId,
    /// The person's name.
    pub user_name: String,
    /// The node that enrolled the device.
    pub node: String,
    /// The domain of the company's SIP addresses.
    pub sip_domain: String,
    /// When the device enrolled.
    pub enrolled_at: Timestamp,
    /// When the last sync was complete.
    pub synced_at: Option<Timestamp>,
}

impl Tx<'_> {
    /// The installation; made on the first call.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn install(&self, now: Timestamp, random: &mut Random) -> Result<Install, StoreError> {
        let mut statement = self.0.prepare_cached("SELECT device, secret_key, incarnation, actor FROM install")?;
        let row = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
        if let Some(row) = row {
            return install_of(row);
        }
        let secret = SecretKey::generate(random);
        let install = Install {
            device: DeviceId::new(now, random),
            actor: actor(&secret, FIRST_INCARNATION, random),
            incarnation: FIRST_INCARNATION,
            secret,
        };
        self.0.execute(
            "INSERT INTO install (id, device, secret_key, incarnation, actor) VALUES (1, ?1, ?2, ?3, ?4)",
            params![
                install.device.to_string(),
                install.secret.to_bytes().as_slice(),
                install.incarnation,
                install.actor.as_bytes()
            ],
        )?;
        Ok(install)
    }

    /// The actor of the device's next life; nothing changes until [`Self::put_actor`].
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn next_actor(&self, now: Timestamp, random: &mut Random) -> Result<Actor, StoreError> {
        let install = self.install(now, random)?;
        Ok(actor(&install.secret, install.incarnation.saturating_add(1), random))
    }

    /// Goes on editing with another actor: after a restore, a detected clone, a replay.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_actor(&self, actor: Actor) -> Result<(), StoreError> {
        self.0.execute(
            "UPDATE install SET incarnation = ?1, actor = ?2",
            params![actor.incarnation(), actor.as_bytes()],
        )?;
        Ok(())
    }

    /// The account, if the installation enrolled.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn account(&self) -> Result<Option<Account>, StoreError> {
        let mut statement = self.0.prepare_cached(
            "SELECT server_url, ca_pem, token, tenant, tenant_name, country, user, user_name, node, sip_domain,
             enrolled_at, synced_at FROM account",
        )?;
        let Some(read) = statement.query_row([], |row| Ok(account_of(row))).optional()? else {
            return Ok(None);
        };
        read.map(Some)
    }

    /// Puts the account in the place of the one before.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_account(&self, account: &Account) -> Result<(), StoreError> {
        self.0.execute(
            "INSERT OR REPLACE INTO account (id, server_url, ca_pem, token, tenant, tenant_name, country, user,
             user_name, node, sip_domain, enrolled_at, synced_at)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                account.server_url,
                account.ca_pem,
                account.token,
                account.tenant.to_string(),
                account.tenant_name,
                account.country,
                account.user.to_string(),
                account.user_name,
                account.node,
                account.sip_domain,
                account.enrolled_at.as_millis(),
                account.synced_at.map(Timestamp::as_millis),
            ],
        )?;
        Ok(())
    }

    /// Forgets everything of the account before, and begins a new incarnation: the next account is another person's.
    ///
    /// # Errors
    /// SQLite's failure, or [`StoreError::Unreadable`].
    pub fn forget_account(&self, now: Timestamp, random: &mut Random) -> Result<(), StoreError> {
        for table in ["records", "record_scopes", "scopes", "outbox", "inbox", "phone_index", "journal", "pushes"] {
            self.0.execute(&format!("DELETE FROM {table}"), [])?;
        }
        self.0.execute("DELETE FROM ignored_numbers", [])?;
        self.put_actor(self.next_actor(now, random)?)
    }

    /// Remembers that everything was synced at `now`.
    ///
    /// # Errors
    /// SQLite's failure.
    pub fn put_synced_at(&self, now: Timestamp) -> Result<(), StoreError> {
        self.0.execute("UPDATE account SET synced_at = ?1", [now.as_millis()])?;
        Ok(())
    }
}

const FIRST_INCARNATION: u32 = 1;

fn actor(secret: &SecretKey, incarnation: u32, random: &mut Random) -> Actor {
    Actor::new(DeviceKey::of_public_key(&secret.public_key().to_bytes()), incarnation, random)
}

fn install_of((device, secret, incarnation, actor): (String, Vec<u8>, u32, Vec<u8>)) -> Result<Install, StoreError> {
    Ok(Install {
        device: parsed(&device, "install id")?,
        secret: SecretKey::from_bytes(&secret).map_err(|_| StoreError::Unreadable("key"))?,
        incarnation,
        actor: Actor::from_bytes(actor.try_into().map_err(|_| StoreError::Unreadable("actor"))?),
    })
}

fn account_of(row: &Row<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        server_url: row.get(0)?,
        ca_pem: row.get(1)?,
        token: row.get(2)?,
        tenant: parsed(&row.get::<_, String>(3)?, "tenant id")?,
        tenant_name: row.get(4)?,
        country: row.get(5)?,
        user: parsed(&row.get::<_, String>(6)?, "user id")?,
        user_name: row.get(7)?,
        node: row.get(8)?,
        sip_domain: row.get(9)?,
        enrolled_at: Timestamp::from_millis(row.get(10)?),
        synced_at: row.get::<_, Option<i64>>(11)?.map(Timestamp::from_millis),
    })
}
