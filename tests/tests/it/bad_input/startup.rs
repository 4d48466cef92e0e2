//! A server that cannot start says why in one line, with status 1, and leaves nothing behind.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use callfield_tests::process::program_folder;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

use crate::postgres::fresh_schema;

/// A migration that no binary of today knows.
const FROM_THE_FUTURE: &str = "INSERT INTO _sqlx_migrations
    (version, description, success, checksum, execution_time, installed_on)
    VALUES (99999999999999, 'from the future', TRUE, '', 0, CURRENT_TIMESTAMP)";
/// Takes it back.
const BACK_TO_NOW: &str = "DELETE FROM _sqlx_migrations WHERE version = 99999999999999";

#[test]
fn an_unknown_key_of_the_configuration_is_named() {
    let place = Place::new();
    let file = place.config("[server]\nlistne = \"127.0.0.1:0\"\n");
    assert_refused(&callfield(&["serve", "--config", &file], &[]), &["listne", "unknown"]);
    place.assert_untouched();
}

#[test]
fn an_unknown_key_of_the_environment_is_named() {
    let place = Place::new();
    let file = place.config("");
    let output = callfield(&["serve", "--config", &file], &[("CALLFIELD_SERVER__LISTNE", "127.0.0.1:0")]);
    assert_refused(&output, &["listne", "unknown"]);
    place.assert_untouched();
}

#[test]
fn a_configuration_that_is_no_toml_is_refused_in_one_line() {
    let place = Place::new();
    let file = place.folder.path().join("callfield.toml");
    std::fs::write(&file, "[server\nlisten = ").unwrap();
    assert_refused(&callfield(&["serve", "--config", file.to_str().unwrap()], &[]), &["configuration"]);
    place.assert_untouched();
}

#[test]
fn a_log_filter_that_cannot_be_read_is_refused() {
    let place = Place::new();
    let file = place.config("[log]\nfilter = \"info,=loud=\"\n");
    assert_refused(&callfield(&["serve", "--config", &file], &[]), &["log.filter"]);
    place.assert_untouched();
}

#[test]
fn an_occupied_port_is_named_and_no_data_folder_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, other) in [("[server]\nlisten", "sip"), ("[sip]\ntcp", "http")] {
        let place = Place::new();
        let file = place.config(&format!("{setting} = \"{address}\"\n"));
        let output = callfield(&["serve", "--config", &file], &[]);
        assert_refused(&output, &["cannot listen on", &address]);
        assert!(!place.data().exists(), "the data folder was made before the port was known to be free ({other})");
    }
}

#[test]
fn a_file_in_place_of_the_data_folder_is_named_and_left_alone() {
    let place = Place::new();
    let file = place.config("");
    std::fs::write(place.data(), "somebody's notes").unwrap();
    for args in [vec!["serve"], vec!["admin", "tenant", "ABC", "--country", "JP"]] {
        let output = callfield(&[args, vec!["--config", &file]].concat(), &[]);
        assert_refused(&output, &["data folder", place.data().to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(place.data()).unwrap(), "somebody's notes");
    }
}

#[test]
fn a_data_folder_that_nobody_can_write_to_is_named() {
    // Not even root makes a file there.
    let place = Place::new();
    let file = place.config("[server]\ndata_dir = \"/proc/sys\"\n");
    assert_refused(&callfield(&["serve", "--config", &file], &[]), &["/proc/sys"]);
}

#[tokio::test]
async fn a_sqlite_file_newer_than_the_binary_is_refused_and_left_alone() {
    let place = Place::new();
    let file = place.config("");
    let tenant = ["admin", "tenant", "ABC", "--country", "JP", "--config", &file];
    assert!(callfield(&tenant, &[]).status.success());
    let url = format!("sqlite://{}", place.data().join("callfield.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(FROM_THE_FUTURE).execute(&mut connection).await.unwrap();
    for args in [vec!["serve", "--config", &file], tenant.to_vec()] {
        assert_refused(&callfield(&args, &[]), &["newer than this binary", "99999999999999"]);
    }
    let tenants: i64 = sqlx::query_scalar("SELECT count(*) FROM tenants").fetch_one(&mut connection).await.unwrap();
    assert_eq!(tenants, 1);
    sqlx::query(BACK_TO_NOW).execute(&mut connection).await.unwrap();
    assert!(callfield(&tenant, &[]).status.success(), "the refused database was harmed");
}

#[tokio::test]
async fn a_postgres_database_newer_than_the_binary_is_refused_and_left_alone() {
    let Some(url) = fresh_schema().await else { return };
    let place = Place::new();
    let file = place.config(&format!("[database]\nurl = \"{url}\"\n"));
    let tenant = ["admin", "tenant", "ABC", "--country", "JP", "--config", &file];
    assert!(callfield(&tenant, &[]).status.success());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query(FROM_THE_FUTURE).execute(&mut connection).await.unwrap();
    for args in [vec!["serve", "--config", &file], tenant.to_vec()] {
        assert_refused(&callfield(&args, &[]), &["newer than this binary", "99999999999999"]);
    }
    let tenants: i64 = sqlx::query_scalar("SELECT count(*) FROM tenants").fetch_one(&mut connection).await.unwrap();
    assert_eq!(tenants, 1);
}

#[test]
fn a_database_that_does_not_answer_is_refused_without_its_password() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::new();
    let file = place.config(&format!("[database]\nurl = \"postgres://callfield:hunter2@{closed}/callfield\"\n"));
    let output = callfield(&["serve", "--config", &file], &[]);
    assert_refused(&output, &["database", "Connection refused"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"));
}

/// Where a server is to be started.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a configuration on free ports with `more` in it.
    fn config(&self, more: &str) -> String {
        let mut config: toml::Table = toml::from_str(&format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"{}\"\n[sip]\nudp = \"127.0.0.1:0\"\ntcp = \"127.0.0.1:0\"\n",
            self.data().display()
        ))
        .unwrap();
        for (section, values) in toml::from_str::<toml::Table>(more).unwrap() {
            let section = config.entry(section).or_insert_with(|| toml::Table::new().into());
            section.as_table_mut().unwrap().extend(values.as_table().unwrap().clone());
        }
        let file = self.folder.path().join("callfield.toml");
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn assert_untouched(&self) {
        assert!(!self.data().exists(), "a server that did not start made its data folder");
    }
}

/// Runs the server's program to its end, asking for backtraces: none may be shown.
fn callfield(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let program = program_folder().unwrap().join("callfield");
    assert!(program.exists(), "{} is not built", program.display());
    let mut command = Command::new("timeout");
    command.arg("20").arg(program).args(args).current_dir(Path::new("/")).env("RUST_BACKTRACE", "1");
    command.envs(environment.iter().copied()).output().unwrap()
}

fn assert_refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let mut lines = said.lines();
    let line = lines.next().unwrap_or_default();
    assert_eq!(lines.next(), None, "more than one line: {said}");
    assert!(line.starts_with("callfield: "), "{line}");
    for word in words {
        assert!(line.contains(word), "`{word}` is not in: {line}");
    }
}
