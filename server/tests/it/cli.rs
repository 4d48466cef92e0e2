//! The command line: what it prints, and one clear line with exit code 1 for everything it cannot use.

use callfield_server::config::DEFAULTS;
use http::{Method, StatusCode};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::office::request;
use crate::program::{Connection, Served, callfield, printed, refusal, write_config};

#[test]
fn the_defaults_are_printed_with_their_comments() {
    assert_eq!(printed(&callfield(&["config"]).output().unwrap()), DEFAULTS.trim_end());
    let version = printed(&callfield(&["--version"]).output().unwrap());
    assert_eq!(version, format!("callfield {}", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_company_and_a_token_are_made_here_and_used_over_http_until_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let admin = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["admin"].iter().chain(arguments).copied().chain(["--config", &config]).collect();
        callfield(&arguments).output().unwrap()
    };
    let tenant = printed(&admin(&["tenant", "ABC 株式会社", "--country", "jp"]));
    let served = Served::start(folder.path(), &config).await;
    // A second process writes to the same file while the first serves it.
    let token = printed(&admin(&["token", "--tenant", &tenant]));
    assert!(token.starts_with("cfa_"));
    let mut connection = Connection::open(&served.address()).await.unwrap();
    let ask = request(Method::GET, "/v1/devices", &token, axum::body::Body::empty());
    let (status, body) = connection.send(ask).await.unwrap();
    assert_eq!((status, body), (StatusCode::OK, serde_json::json!({ "devices": [] })));
    drop(connection);
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn a_token_for_no_company_and_a_country_that_is_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let nobody = "01890000-0000-7000-8000-000000000000";
    let output = callfield(&["admin", "token", "--tenant", nobody, "--config", &config]).output().unwrap();
    assert_eq!(refusal(&output), format!("there is no tenant {nobody}"));
    let output = callfield(&["admin", "tenant", "ABC", "--country", "Japan", "--config", &config]).output().unwrap();
    assert!(refusal(&output).contains("two letters"));
}

#[test]
fn an_unknown_key_is_named_wherever_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let output = callfield(&["serve", "--config", &config]).env("CALLFIELD_SIP__UPD", "off").output().unwrap();
    assert!(refusal(&output).contains("`upd`"));

    let mut text = std::fs::read_to_string(&config).unwrap();
    text.push_str("upd = \"off\"\n");
    std::fs::write(&config, text).unwrap();
    let output = callfield(&["serve", "--config", &config]).output().unwrap();
    let line = refusal(&output);
    assert!(line.contains("`upd`") && line.contains("callfield.toml"), "{line}");
}

#[test]
fn an_occupied_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = [
        ("CALLFIELD_SERVER__LISTEN", tcp.local_addr().unwrap()),
        ("CALLFIELD_SIP__UDP", udp.local_addr().unwrap()),
        ("CALLFIELD_SIP__TCP", tcp.local_addr().unwrap()),
    ];
    for (key, address) in taken {
        let output = callfield(&["serve", "--config", &config]).env(key, address.to_string()).output().unwrap();
        let line = refusal(&output);
        assert!(line.contains(&address.to_string()), "{key}: {line}");
    }
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    for unusable in ["/proc/callfield", file.to_str().unwrap()] {
        for arguments in [&["serve"][..], &["admin", "tenant", "ABC", "--country", "JP"]] {
            let mut command = callfield(arguments);
            command.args(["--config", &config]).env("CALLFIELD_SERVER__DATA_DIR", unusable);
            let line = refusal(&command.output().unwrap());
            assert!(line.contains(unusable), "{line}");
        }
    }
}

#[tokio::test]
async fn a_database_newer_than_the_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let tenant = ["admin", "tenant", "ABC", "--country", "JP", "--config", &config];
    printed(&callfield(&tenant).output().unwrap());
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("data/callfield.db"));
    let mut database = options.connect().await.unwrap();
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'later', TRUE, x'00', 0)";
    sqlx::query(later).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let line = refusal(&callfield(&["serve", "--config", &config]).output().unwrap());
    assert!(line.contains("newer than this binary") && line.contains("9999"), "{line}");
}

#[test]
fn a_database_that_cannot_be_reached_is_said_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = write_config(folder.path(), Some(&format!("postgres://callfield:secret@{closed}/callfield")));
    let line = refusal(&callfield(&["serve", "--config", &config]).output().unwrap());
    assert!(line.contains("database") && !line.contains("secret"), "{line}");
    let config = write_config(folder.path(), Some("mysql://callfield:secret@db/callfield"));
    let line = refusal(&callfield(&["serve", "--config", &config]).output().unwrap());
    assert!(line.contains("database.url") && !line.contains("secret"), "{line}");
}

#[test]
fn push_credentials_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), None);
    let base = std::fs::read_to_string(&config).unwrap();
    let missing = folder.path().join("missing");
    let nonsense = folder.path().join("nonsense");
    std::fs::write(&nonsense, "no key").unwrap();
    for file in [missing.display(), nonsense.display()] {
        let apns = format!("[push.apns]\nteam_id = \"T\"\nkey_id = \"K\"\nbundle_id = \"b\"\nkey_file = \"{file}\"\n");
        let fcm = format!("[push.fcm]\nservice_account_file = \"{file}\"\n");
        for section in [apns, fcm] {
            std::fs::write(&config, format!("{base}{section}")).unwrap();
            let line = refusal(&callfield(&["serve", "--config", &config]).output().unwrap());
            assert!(line.starts_with("push: ") && line.contains(&file.to_string()), "{line}");
            assert_eq!(line.matches("push: ").count(), 1, "{line}");
        }
    }
}
