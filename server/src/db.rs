//! The database: one schema, one set of statements, two engines.
//!
//! [`Db::write`] begins a unit of work of one tenant and [`Scoped::commit`] returns when it is on disk. [`Db::read`]
//! reads what is committed. Each table has a file here with its rows, its statements, its verbs (methods of
//! [`Scoped`], or of [`Tx`] where the tenant is what is looked for) and its tests. No SQL is written elsewhere.

mod admin_tokens;
mod bulk;
mod call_events;
mod calls;
mod changes;
mod desk_phones;
mod devices;
mod doc_scopes;
mod docs;
mod enrolment_codes;
mod numbers;
mod open;
mod outbox;
mod phone_index;
mod presence;
mod reach;
mod softphone_tokens;
mod tenants;
mod trunks;
mod users;
mod word;
mod writer;

#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod house;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod writer_tests;

pub use admin_tokens::AdminToken;
pub use calls::{CallPage, StoredCall};
pub use changes::{ChangeBytes, NewChange, RefusedChange};
pub use desk_phones::{DeskAccount, DeskPhone};
pub use devices::{Device, PushEnvironment, PushService, PushTarget};
pub use doc_scopes::{FeedEntry, FeedItem, HeldDoc};
pub use docs::{Doc, DocPage};
pub use enrolment_codes::EnrolmentCode;
pub use numbers::{InboundNumber, Number};
pub use open::Place;
pub use outbox::{Delivery, NewDelivery};
pub use phone_index::{IndexedNumber, KnownCaller};
pub use reach::{Reach, ReachedDevice};
pub use softphone_tokens::SoftphoneToken;
pub use tenants::Tenant;
pub use trunks::{Trunk, TrunkKind};
pub use users::{DeclinePolicy, User};

use callfield_domain::TenantId;
use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

/// What a verb of the database answers.
pub type Result<T> = std::result::Result<T, DbError>;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It has migrations this binary does not know.
    #[error("the database is newer than this binary: it has migration {0}; upgrade callfield")]
    Newer(i64),
    /// It could not be opened or made.
    #[error("the database cannot be opened: {0}")]
    Open(String),
    /// The shared commit failed: nothing of the unit is stored.
    #[error("the commit failed: {0}")]
    Commit(String),
    /// A stored value cannot be read by this binary.
    #[error("a stored {0} cannot be read")]
    Unreadable(&'static str),
    /// A statement failed.
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
}

impl DbError {
    /// Whether a row with that key exists already.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Statement(sqlx::Error::Database(error)) if error.is_unique_violation())
    }

    /// Whether a row that it points to does not exist.
    pub fn is_dangling(&self) -> bool {
        matches!(self, Self::Statement(sqlx::Error::Database(error)) if error.is_foreign_key_violation())
    }
}

/// The database; a clone is the same one.
#[derive(Clone)]
pub enum Db {
    /// A file: one writer with group commit, a pool of readers.
    Sqlite {
        /// The one writer.
        writer: writer::Writer,
        /// Connections that cannot write.
        readers: SqlitePool,
    },
    /// A server: a pool of writers, one at a time a tenant, and a pool of readers.
    Postgres {
        /// Connections that write.
        writers: PgPool,
        /// Connections that cannot write.
        readers: PgPool,
    },
}

/// Statements in order, on one engine, for no tenant in particular.
pub enum Tx {
    /// On SQLite.
    Sqlite(SqliteTx),
    /// On PostgreSQL.
    Postgres(PostgresTx),
}

/// A unit of work on SQLite, or a reader.
pub enum SqliteTx {
    /// A savepoint in the shared transaction.
    Write(writer::Unit),
    /// A connection that cannot write.
    Read(PoolConnection<Sqlite>),
}

/// A transaction on PostgreSQL, or a reader.
pub enum PostgresTx {
    /// A transaction that holds its tenant's lock.
    Write(Transaction<'static, Postgres>),
    /// A connection that cannot write.
    Read(PoolConnection<Postgres>),
}

impl SqliteTx {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Write(unit) => unit.connection(),
            Self::Read(connection) => connection,
        }
    }
}

impl PostgresTx {
    fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::Write(transaction) => transaction,
            Self::Read(connection) => connection,
        }
    }
}

/// Statements on the rows of one tenant.
pub struct Scoped {
    tenant: TenantId,
    tx: Tx,
}

/// Runs the same body on whichever engine `$tx` is.
macro_rules! on {
    ($tx:expr, $connection:ident => $body:expr) => {
        match &mut $tx {
            $crate::db::Tx::Sqlite(tx) => {
                let $connection = tx.connection();
                $body
            }
            $crate::db::Tx::Postgres(tx) => {
                let $connection = tx.connection();
                $body
            }
        }
    };
}
use on;

/// Declares a table's statements and lists them, so that a test can prepare every one on both engines.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* const $name: &str = $sql;)*
        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
use statements;

statements! {
    PING = "SELECT 1 AS alive";
}

const LOCK_TENANT: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))";

impl Db {
    /// Begins a unit of work of one tenant; a second one of the same tenant waits for the first.
    ///
    /// Dropping it without [`Scoped::commit`] leaves no trace of it.
    pub async fn write(&self, tenant: TenantId) -> Result<Scoped> {
        let tx = match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(SqliteTx::Write(writer.begin().await?)),
            Self::Postgres { writers, .. } => {
                let mut transaction = writers.begin().await?;
                sqlx::query(LOCK_TENANT).bind(tenant.uuid()).execute(&mut *transaction).await?;
                Tx::Postgres(PostgresTx::Write(transaction))
            }
        };
        Ok(Scoped { tenant, tx })
    }

    /// Reads one tenant's committed rows; each statement sees what is committed when it runs.
    pub async fn read(&self, tenant: TenantId) -> Result<Scoped> {
        Ok(Scoped { tenant, tx: self.look_up().await? })
    }

    /// Reads across tenants: only to find out whose a token, a code, a trunk or a number is.
    pub async fn look_up(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Tx::Sqlite(SqliteTx::Read(readers.acquire().await?)),
            Self::Postgres { readers, .. } => Tx::Postgres(PostgresTx::Read(readers.acquire().await?)),
        })
    }

    /// The engine's name, as health reports it.
    pub const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
        }
    }
}

impl Tx {
    /// Runs a statement that reads nothing.
    pub async fn ping(&mut self) -> Result<()> {
        on!(*self, connection => sqlx::query(PING).execute(connection).await.map(drop))?;
        Ok(())
    }
}

impl Scoped {
    /// Whose rows these are.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Ends the unit of work; returns when it is on disk.
    pub async fn commit(self) -> Result<()> {
        match self.tx {
            Tx::Sqlite(SqliteTx::Write(unit)) => unit.commit().await,
            Tx::Postgres(PostgresTx::Write(transaction)) => Ok(transaction.commit().await?),
            Tx::Sqlite(SqliteTx::Read(_)) | Tx::Postgres(PostgresTx::Read(_)) => Ok(()),
        }
    }
}
