//! Opens either engine, brings its schema up to date, refuses one that is newer than this binary.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::writer::Writer;
use super::{Db, DbError, Result};

/// How long a PostgreSQL server may take to give a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which database, and how many connections to it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// `sqlite://PATH` or `postgres://…`.
    pub url: &'a str,
    /// Connections for reading.
    pub readers: u32,
    /// Connections for writing on PostgreSQL.
    pub writers: u32,
}

impl Db {
    /// Opens the database and applies the migrations it lacks; a SQLite file is made if it is missing.
    pub async fn open(place: Place<'_>) -> Result<Self> {
        if let Some(path) = place.url.strip_prefix("sqlite://") {
            return open_sqlite(Path::new(path), place.readers).await;
        }
        if place.url.starts_with("postgres://") || place.url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(place.url).map_err(|error| not_opened(&error))?;
            return open_postgres(options, place).await;
        }
        Err(DbError::Open("database.url is neither sqlite nor postgres://…".to_owned()))
    }
}

async fn open_sqlite(path: &Path, readers: u32) -> Result<Db> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    let named = |error: sqlx::Error| DbError::Open(format!("{}: {}", path.display(), reason(&error)));
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(named)?;
    sqlx::migrate!("../migrations/sqlite").run(&mut connection).await.map_err(|error| not_migrated(&error))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(readers)
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(named)?;
    Ok(Db::Sqlite { writer: Writer::start(connection), readers })
}

async fn open_postgres(options: PgConnectOptions, place: Place<'_>) -> Result<Db> {
    // A notice ("already exists, skipping") is nothing that an administrator must read.
    let options = options.options([("client_min_messages", "warning")]);
    // Not from a pool: a pool would try again until its patience ends, and then only say that.
    let connecting = tokio::time::timeout(PATIENCE, PgConnection::connect_with(&options));
    let connected = connecting.await.map_err(|_| DbError::Open("it does not answer".to_owned()))?;
    let mut connection = connected.map_err(|error| not_opened(&error))?;
    sqlx::migrate!("../migrations/postgres").run(&mut connection).await.map_err(|error| not_migrated(&error))?;
    let pool = |size| PgPoolOptions::new().max_connections(size).acquire_timeout(PATIENCE);
    let writers = pool(place.writers).connect_lazy_with(options.clone());
    let readers = pool(place.readers).connect_lazy_with(options.options([("default_transaction_read_only", "on")]));
    Ok(Db::Postgres { writers, readers })
}

fn not_opened(error: &sqlx::Error) -> DbError {
    DbError::Open(reason(error))
}

/// The cause without sqlx's words around it.
fn reason(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn not_migrated(error: &MigrateError) -> DbError {
    if let &MigrateError::VersionMissing(version) = error {
        return DbError::Newer(version);
    }
    DbError::Open(error.to_string())
}
