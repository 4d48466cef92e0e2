//! Both engines have the same schema, and every statement fits it.

use std::collections::BTreeSet;

use sqlx::{Column as _, Either, Executor as _, PgConnection, SqliteConnection, Statement as _};

use super::bulk::LazyBulk;
use super::testing::{postgres, postgres_url, sqlite};
use super::{Db, DbError, Place, PostgresTx, SqliteTx, Tx};

const STATEMENTS: &[(&str, &[(&str, &str)])] = &[
    ("admin_tokens", super::admin_tokens::STATEMENTS),
    ("call_events", super::call_events::STATEMENTS),
    ("calls", super::calls::STATEMENTS),
    ("changes", super::changes::STATEMENTS),
    ("db", super::STATEMENTS),
    ("desk_phones", super::desk_phones::STATEMENTS),
    ("devices", super::devices::STATEMENTS),
    ("doc_scopes", super::doc_scopes::STATEMENTS),
    ("docs", super::docs::STATEMENTS),
    ("enrolment_codes", super::enrolment_codes::STATEMENTS),
    ("numbers", super::numbers::STATEMENTS),
    ("outbox", super::outbox::STATEMENTS),
    ("phone_index", super::phone_index::STATEMENTS),
    ("presence", super::presence::STATEMENTS),
    ("reach", super::reach::STATEMENTS),
    ("softphone_tokens", super::softphone_tokens::STATEMENTS),
    ("tenants", super::tenants::STATEMENTS),
    ("trunks", super::trunks::STATEMENTS),
    ("users", super::users::STATEMENTS),
];

static BULKS: [(&str, &[(&str, &LazyBulk)]); 5] = [
    ("call_events", super::call_events::BULKS),
    ("calls", super::calls::BULKS),
    ("changes", super::changes::BULKS),
    ("doc_scopes", super::doc_scopes::BULKS),
    ("docs", super::docs::BULKS),
];

const SQLITE_COLUMNS: &str = "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> '_sqlx_migrations'";
const POSTGRES_COLUMNS: &str = "SELECT table_name || '.' || column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations'";
const SQLITE_INDEXES: &str = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
const POSTGRES_INDEXES: &str = "SELECT indexname::text FROM pg_indexes
    WHERE schemaname = current_schema() AND indexname NOT LIKE '%pkey'";

#[test]
fn every_table_file_is_in_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/db");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("\nstatements! {") {
            assert!(STATEMENTS.iter().any(|(table, _)| *table == name), "{name} is not in the list");
        }
        if text.contains("\nbulks! {") {
            assert!(
                BULKS.iter().any(|(table, _)| *table == name),
                "{name} is not in the list of those for several rows"
            );
        }
    }
}

#[tokio::test]
async fn every_statement_prepares_on_both_engines() {
    let Some(postgres) = postgres().await else { return };
    let (sqlite, _folder) = sqlite().await;
    let (mut sqlite, mut postgres) = (sqlite.look_up().await.unwrap(), postgres.look_up().await.unwrap());
    let (sqlite, postgres) = (sqlite_connection(&mut sqlite), postgres_connection(&mut postgres));
    for (table, statements) in STATEMENTS {
        for (name, sql) in *statements {
            let (ours, parameters) = on_sqlite(sqlite, sql).await.unwrap_or_else(|e| panic!("{table} {name}: {e}"));
            let (theirs, others) = on_postgres(postgres, sql).await.unwrap_or_else(|e| panic!("{table} {name}: {e}"));
            assert_eq!(ours, theirs, "columns of {table} {name}");
            assert_eq!(parameters, others, "parameters of {table} {name}");
        }
    }
    let bulks = BULKS.iter().flat_map(|(table, bulks)| bulks.iter().map(move |(name, bulk)| (table, name, bulk)));
    for (table, name, sql) in bulks.flat_map(|(table, name, bulk)| bulk.texts().map(move |sql| (table, name, sql))) {
        let (_, parameters) = on_sqlite(sqlite, sql).await.unwrap_or_else(|e| panic!("{table} {name}: {e}"));
        let (_, others) = on_postgres(postgres, sql).await.unwrap_or_else(|e| panic!("{table} {name}: {e}"));
        assert_eq!(parameters, others, "parameters of {table} {name}");
    }
}

#[tokio::test]
async fn both_engines_have_the_same_tables_columns_and_indexes() {
    let Some(postgres) = postgres().await else { return };
    let (sqlite, _folder) = sqlite().await;
    let (mut sqlite, mut postgres) = (sqlite.look_up().await.unwrap(), postgres.look_up().await.unwrap());
    let (sqlite, postgres) = (sqlite_connection(&mut sqlite), postgres_connection(&mut postgres));
    for (ours, theirs) in [(SQLITE_COLUMNS, POSTGRES_COLUMNS), (SQLITE_INDEXES, POSTGRES_INDEXES)] {
        let ours: Vec<String> = sqlx::query_scalar(ours).fetch_all(&mut *sqlite).await.unwrap();
        let theirs: Vec<String> = sqlx::query_scalar(theirs).fetch_all(&mut *postgres).await.unwrap();
        assert!(!ours.is_empty());
        assert_eq!(BTreeSet::from_iter(ours), BTreeSet::from_iter(theirs));
    }
}

#[tokio::test]
async fn a_sqlite_file_newer_than_the_binary_is_refused() {
    let (db, folder) = sqlite().await;
    let Db::Sqlite { writer, .. } = &db else { unreachable!() };
    let mut unit = writer.begin().await.unwrap();
    sqlx::query(NEWER).bind(vec![0_u8]).execute(unit.connection()).await.unwrap();
    unit.commit().await.unwrap();
    let url = format!("sqlite://{}", folder.path().join("callfield.db").display());
    let refused = Db::open(Place { url: &url, readers: 1, writers: 1 }).await;
    assert!(matches!(refused, Err(DbError::Newer(9999))));
}

#[tokio::test]
async fn a_postgres_schema_newer_than_the_binary_is_refused() {
    let Some(url) = postgres_url().await else { return };
    let place = Place { url: &url, readers: 1, writers: 1 };
    let db = Db::open(place).await.unwrap();
    let Db::Postgres { writers, .. } = &db else { unreachable!() };
    sqlx::query(NEWER).bind(vec![0_u8]).execute(writers).await.unwrap();
    assert!(matches!(Db::open(place).await, Err(DbError::Newer(9999))));
}

const NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    VALUES (9999, 'later', TRUE, $1, 0)";

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let refused = Db::open(Place { url: "sqlite:///proc/nowhere/callfield.db", readers: 1, writers: 1 }).await;
    let Err(error) = refused else { panic!("it was opened") };
    let line = error.to_string();
    assert!(line.contains("/proc/nowhere/callfield.db") && !line.contains('\n'), "{line}");
}

fn sqlite_connection(tx: &mut Tx) -> &mut SqliteConnection {
    let Tx::Sqlite(SqliteTx::Read(connection)) = tx else { unreachable!() };
    connection
}

fn postgres_connection(tx: &mut Tx) -> &mut PgConnection {
    let Tx::Postgres(PostgresTx::Read(connection)) = tx else { unreachable!() };
    connection
}

type Shape = (Vec<String>, usize);

async fn on_sqlite(connection: &mut SqliteConnection, sql: &'static str) -> sqlx::Result<Shape> {
    let statement = connection.prepare(sqlx::SqlSafeStr::into_sql_str(sql)).await?;
    let columns = statement.columns().iter().map(|c| c.name().to_owned()).collect();
    Ok((columns, statement.parameters().map_or(0, |p| p.either(<[_]>::len, |n| n))))
}

async fn on_postgres(connection: &mut PgConnection, sql: &'static str) -> sqlx::Result<Shape> {
    let statement = connection.prepare(sqlx::SqlSafeStr::into_sql_str(sql)).await?;
    let columns = statement.columns().iter().map(|c| c.name().to_owned()).collect();
    let count = match statement.parameters() {
        Some(Either::Left(types)) => types.len(),
        Some(Either::Right(count)) => count,
        None => 0,
    };
    Ok((columns, count))
}
