//! sipvicious (Debian's package of that name): what a scanner learns of a company's users.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::process::Command;

use crate::counters::Counters;
use crate::office::Office;

const USERS: usize = 1_000;
/// Users that are made at the same time.
const AT_ONCE: usize = 50;
/// Names that nobody has, among those of users: a scanner must not tell them apart.
const NOBODIES: usize = 100;
/// The address of the company's trunk, which may send as much as it likes.
const TRUNK: &str = "127.0.0.1";
/// Scanners that share the names: one alone takes its time.
const SCANNERS: usize = 4;
/// What it says at the end of a scan that told nobody from nobody.
const NOTHING: &str = "found nothing";

/// Whether sipvicious is there; where it is not, that is said loudly.
///
/// # Panics
/// If it is not and `CI` is `true`: there nothing may be skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the script that started them where nothing may be skipped"
)]
#[expect(clippy::print_stderr, reason = "a skipped test must be loud")]
pub(super) fn is_installed() -> bool {
    let found = std::process::Command::new("svwar").arg("--version").output().is_ok();
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "sipvicious is not installed and CI is true");
        eprintln!("SKIPPED: sipvicious is not installed (Debian: sipvicious)");
    }
    found
}

/// Makes the users, and a list of names for each scanner.
pub(super) async fn seed(office: &Office) -> Result<()> {
    let users = seed_users(office).await?;
    let nobodies = (0..NOBODIES).map(|number| format!("0198c0de-0000-7000-8000-{number:012}"));
    let names: Vec<_> = users.into_iter().chain(nobodies).collect();
    for (scanner, share) in names.chunks(names.len().div_ceil(SCANNERS)).enumerate() {
        std::fs::write(names_for(office, scanner), share.join("\n"))?;
    }
    Ok(())
}

/// Has it ask for every name from the trunk's address, by each of its methods.
pub(super) async fn scan(office: &Office) -> Result<()> {
    let counters = Counters::of(&office.deployment);
    let before = counters.sum("callfield_sip_received_total", "").await?;
    let methods = ["REGISTER", "INVITE", "OPTIONS"].into_iter();
    let scans = methods.flat_map(|method| (0..SCANNERS).map(move |scanner| finds_nobody(office, scanner, method)));
    try_join_all(scans).await?;
    // Where every name is answered alike it gives up early, but not with INVITE.
    let asked = counters.sum("callfield_sip_received_total", "").await? - before;
    ensure!(asked >= USERS as u64, "it asked only {asked} times");
    Ok(())
}

fn names_for(office: &Office, scanner: usize) -> PathBuf {
    office.deployment.folder().join(format!("names-{scanner}.txt"))
}

async fn seed_users(office: &Office) -> Result<Vec<String>> {
    let admin = office.deployment.admin();
    let mut users = Vec::new();
    for begin in (0..USERS).step_by(AT_ONCE) {
        let made = (begin..begin + AT_ONCE).map(|number| async move {
            let user = admin.post("/v1/users", &json!({ "name": format!("User {number}") })).await?;
            user["id"].as_str().map(str::to_owned).context("a user without an id")
        });
        users.extend(try_join_all(made).await?);
    }
    Ok(users)
}

async fn finds_nobody(office: &Office, scanner: usize, method: &str) -> Result<()> {
    let server = office.deployment.sip_udp();
    let port = UdpSocket::bind((TRUNK, 0)).await?.local_addr()?.port().to_string();
    let mut svwar = Command::new("svwar");
    svwar.args(["-m", method, "-b", TRUNK, "-x", TRUNK, "-P", &port, "-p", &server.port().to_string()]);
    svwar.args(["-t", "0.001", "--maximumtime", "5", "--domain", "callfield.test"]);
    // Without force it gives up where even a made-up name is asked for a password.
    svwar.arg("--force").arg("-d").arg(names_for(office, scanner));
    svwar.arg(server.ip().to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let output = svwar.current_dir(office.deployment.folder()).output().await.context("svwar cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let log = office.deployment.logs().join(format!("svwar-{method}-{scanner}.log"));
    std::fs::write(&log, said.as_bytes())?;
    ensure!(said.contains(NOTHING), "svwar found somebody with {method}; see {}", log.display());
    Ok(())
}
