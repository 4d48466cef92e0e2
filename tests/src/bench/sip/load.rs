//! sipp as the load: registrations with their challenge, and calls.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

/// The scenarios and configurations of the bench.
pub(super) const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/bench");
/// How long sipp may take beyond what its rate says.
const GRACE: Duration = Duration::from_secs(20);

/// How much, and how fast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume {
    pub(super) times: u32,
    pub(super) per_second: u32,
}

/// What sipp saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) succeeded: f64,
    pub(super) retransmissions: f64,
}

/// Who registers: the name of an AOR and the value of its Authorization in sipp's words.
#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

/// Registers `users` in turn from `port`, which their contacts name.
pub(super) async fn register(
    server: SocketAddr,
    users: &[User],
    port: u16,
    volume: Volume,
    folder: &Path,
) -> Result<Seen> {
    let list = folder.join("users.csv");
    let line = |user: &User| {
        let User { name, password } = user;
        format!("{name};{port};[authentication username={name} password={password}]\n")
    };
    std::fs::write(&list, format!("SEQUENTIAL\n{}", users.iter().map(line).collect::<String>()))?;
    let mut sipp = command("register", port, folder);
    sipp.arg("-inf").arg(&list);
    run(sipp, server, volume, folder).await
}

/// Calls `number` as `caller` from a free port.
pub(super) async fn call(
    server: SocketAddr,
    caller: &str,
    number: &str,
    volume: Volume,
    folder: &Path,
) -> Result<Seen> {
    let mut sipp = command("uac", free_port()?, folder);
    sipp.args(["-s", number, "-key", "caller", caller]);
    run(sipp, server, volume, folder).await
}

/// Somebody who answers every call on `port` until dropped.
pub(super) fn answer(port: u16, folder: &Path) -> Result<Child> {
    let mut sipp = command("uas", port, folder);
    sipp.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start sipp (Debian: sip-tester)")
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn command(scenario: &str, port: u16, folder: &Path) -> Command {
    let mut sipp = Command::new("sipp");
    sipp.arg("-sf").arg(PathBuf::from(PEERS).join(format!("{scenario}.xml")));
    sipp.args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-t", "u1", "-nostdin", "-default_behaviors", "-abortunexp"]);
    sipp.args(["-p", &port.to_string()]).stdin(Stdio::null()).current_dir(folder).kill_on_drop(true);
    sipp
}

async fn run(mut sipp: Command, server: SocketAddr, volume: Volume, folder: &Path) -> Result<Seen> {
    let statistics = folder.join("sipp.csv");
    let _ = std::fs::remove_file(&statistics);
    let limit = Duration::from_secs(u64::from(volume.times / volume.per_second)) + GRACE;
    sipp.args(["-m", &volume.times.to_string(), "-r", &volume.per_second.to_string(), "-l", "4000"]);
    sipp.args(["-trace_stat", "-fd", "1", "-stf"]).arg(&statistics);
    sipp.args(["-timeout", &format!("{}s", limit.as_secs()), "-timeout_error"]).arg(server.to_string());
    let output = tokio::time::timeout(limit + GRACE, sipp.output()).await.context("sipp did not end")??;
    let seen = read(&statistics)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let tail: String = said.chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
    ensure!(output.status.success(), "sipp: {}, {seen:?}: {tail}", output.status);
    Ok(seen)
}

/// The last line of sipp's statistics.
fn read(file: &Path) -> Result<Seen> {
    let text = std::fs::read_to_string(file).context("sipp wrote no statistics")?;
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
    let last: Vec<&str> = lines.next_back().context("sipp wrote no figures")?.split(';').collect();
    let figure = |name: &str| {
        let column = names.iter().position(|found| *found == name).with_context(|| format!("sipp has no {name}"))?;
        last.get(column).and_then(|text| text.parse().ok()).with_context(|| format!("{name} is no number"))
    };
    Ok(Seen { succeeded: figure("SuccessfulCall(C)")?, retransmissions: figure("Retransmissions(C)")? })
}
