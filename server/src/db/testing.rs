//! A fresh database a test, on both engines.
//!
//! `db_test!` makes two tests of one story: `…::on_sqlite` and `…::on_postgres`. The second needs a server, named by
//! the environment variable `TEST_POSTGRES`; without it the test says so and passes, except where `CI` is `true`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::db::{Db, Place};

/// Makes a test on each engine of `async fn story(db: Db)`.
macro_rules! db_test {
    ($($(#[$doc:meta])* async fn $name:ident($db:ident: Db) $story:block)*) => {$(
        mod $name {
            use super::*;

            async fn story($db: $crate::db::Db) $story

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let (db, _folder) = testing::sqlite().await;
                story(db).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                if let Some(db) = testing::postgres().await {
                    story(db).await;
                }
            }
        }
    )*};
}
pub(crate) use db_test;

/// A database in a folder of its own, which is removed with the second value.
pub(crate) async fn sqlite() -> (Db, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("callfield.db").display());
    (Db::open(Place { url: &url, readers: 2, writers: 1 }).await.unwrap(), folder)
}

/// A database in a schema of its own; `None` where no server was named.
pub(crate) async fn postgres() -> Option<Db> {
    let url = postgres_url().await?;
    Some(Db::open(Place { url: &url, readers: 2, writers: 4 }).await.unwrap())
}

/// The URL of a new, empty schema.
pub(crate) async fn postgres_url() -> Option<String> {
    let server = server()?;
    let schema = new_name();
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut connection).await.unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(format!("{server}{separator}options[search_path]={schema}"))
}

#[expect(clippy::disallowed_methods, reason = "tests are told about their server by the script that started it")]
#[expect(clippy::print_stderr, reason = "a skipped test must be loud")]
fn server() -> Option<String> {
    let server = std::env::var("TEST_POSTGRES").ok();
    if server.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "TEST_POSTGRES is not set and CI is true");
        eprintln!("SKIPPED on PostgreSQL: TEST_POSTGRES is not set");
    }
    server
}

fn new_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("t{nanos}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
