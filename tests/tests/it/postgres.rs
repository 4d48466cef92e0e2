//! A fresh schema a test on the PostgreSQL server that `TEST_POSTGRES` names.

use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The URL of a new, empty schema; `None`, said loudly, where no server was named.
///
/// # Panics
/// If no server was named and `CI` is `true`: there nothing may be skipped.
#[expect(clippy::disallowed_methods, reason = "tests are told about their server by the script that started it")]
#[expect(clippy::print_stderr, reason = "a skipped test must be loud")]
pub(crate) async fn fresh_schema() -> Option<String> {
    let Ok(server) = std::env::var("TEST_POSTGRES") else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "TEST_POSTGRES is not set and CI is true");
        eprintln!("SKIPPED on PostgreSQL: TEST_POSTGRES is not set");
        return None;
    };
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let schema = format!("e2e_{nanos}_{}", std::process::id());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut connection).await.unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(format!("{server}{separator}options[search_path]={schema}"))
}
