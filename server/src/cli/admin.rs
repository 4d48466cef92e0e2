//! Administration on the server's machine: what must exist before anybody has a token.

use anyhow::{bail, ensure};
use callfield_domain::{Random, TenantId, Timestamp};
use clap::Subcommand;
use uuid::Builder;

use crate::app::clock::Clock;
use crate::app::token::Token;
use crate::config::Config;
use crate::db::{AdminToken, Db, Tenant};
use crate::serve::{make_data_folder, open_database, seed};

#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// Adds a company and prints its id.
    Tenant {
        /// Its name.
        name: String,
        /// Its country, ISO 3166 alpha-2: how phone numbers without a country code are read.
        #[arg(long)]
        country: String,
    },
    /// Makes an admin token of a company and prints it, once.
    Token {
        /// The company's id.
        #[arg(long)]
        tenant: TenantId,
        /// What the token is for.
        #[arg(long, default_value = "admin")]
        name: String,
    },
}

impl AdminCommand {
    /// Does it and says what to print.
    pub(super) async fn run(self, config: Config) -> anyhow::Result<String> {
        make_data_folder(&config.server.data_dir)?;
        let db = open_database(&config).await?;
        let (now, mut random) = (Clock::System.now(), Random::new(seed()?));
        match self {
            Self::Tenant { name, country } => add_tenant(&db, name, &country, now, &mut random).await,
            Self::Token { tenant, name } => add_token(&db, tenant, &name, now, &mut random).await,
        }
    }
}

async fn add_tenant(
    db: &Db,
    name: String,
    country: &str,
    now: Timestamp,
    random: &mut Random,
) -> anyhow::Result<String> {
    let is_country = country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_alphabetic());
    ensure!(is_country, "--country must be two letters, e.g. JP");
    ensure!(!name.trim().is_empty(), "the name is empty");
    let tenant = Tenant {
        id: TenantId::new(now, random),
        name,
        country: country.to_ascii_uppercase(),
        incarnation: Builder::from_random_bytes(random.bytes()).into_uuid(),
        cursor_key: random.bytes::<32>().to_vec(),
        next_seq: 0,
        created_at: now,
    };
    let mut write = db.write(tenant.id).await?;
    write.insert_tenant(&tenant).await?;
    write.commit().await?;
    Ok(tenant.id.to_string())
}

async fn add_token(
    db: &Db,
    tenant: TenantId,
    name: &str,
    now: Timestamp,
    random: &mut Random,
) -> anyhow::Result<String> {
    let token = Token::for_admin(random);
    let mut write = db.write(tenant).await?;
    if write.tenant_row().await?.is_none() {
        bail!("there is no tenant {tenant}");
    }
    let id = Builder::from_random_bytes(random.bytes()).into_uuid();
    let hash = token.hash();
    write.insert_admin_token(&AdminToken { id, name, hash: hash.bytes(), created_at: now }).await?;
    write.commit().await?;
    Ok(token.reveal())
}
