//! sipp (Debian's sip-tester) as the PBX, with the scenarios of `tests/peers`: one that calls, and one that is called.

mod callee;
mod caller;

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Result, bail};
use tokio::process::Command;

pub(crate) use callee::Callee;
pub(crate) use caller::{Caller, Transport};

/// How long sipp may take for its call; then it gives up with an error.
const PATIENCE: &str = "20s";
/// What is shown of sipp's own words when it fails.
const SHOWN: usize = 1_500;

/// Whether sipp is there.
pub(crate) fn is_installed() -> bool {
    is_there("sipp", "sip-tester")
}

/// Whether a program is there; where it is not, that is said loudly.
///
/// # Panics
/// If it is not and `CI` is `true`: there nothing may be skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the script that started them where nothing may be skipped"
)]
#[expect(clippy::print_stderr, reason = "a skipped test must be loud")]
pub(crate) fn is_there(program: &str, package: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers where only root looks for them.
    let mut folders = std::env::split_paths(&folders).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.any(|folder| folder.join(program).is_file());
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} is not installed and CI is true");
        eprintln!("SKIPPED: {program} is not installed (Debian: {package})");
    }
    found
}

/// A sipp that plays a scenario once on a port of `address`, and logs into `logs`.
fn sipp(scenario: &str, address: &str, port: u16, logs: &Path) -> Command {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(format!("{scenario}.xml"));
    let (errors, port) = (errors_of(scenario, port, logs), port.to_string());
    let mut sipp = Command::new("sipp");
    sipp.arg("-sf").arg(file).args(["-m", "1", "-i", address, "-p", &port, "-mi", "127.0.0.1"]);
    sipp.args(["-timeout", PATIENCE, "-timeout_error", "-nostdin", "-trace_err", "-error_file"]).arg(&errors);
    sipp.args(["-trace_msg", "-message_file"]).arg(errors.with_extension("messages"));
    sipp.stdin(Stdio::null()).current_dir(logs).kill_on_drop(true);
    sipp
}

/// An error with sipp's own words, unless it ended as its scenario does.
fn check(scenario: &str, port: u16, status: std::process::ExitStatus, logs: &Path) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let errors = std::fs::read_to_string(errors_of(scenario, port, logs)).unwrap_or_default();
    let shown = errors.char_indices().nth(SHOWN).map_or(errors.len(), |(at, _)| at);
    bail!("sipp ({scenario}): {status}: {}", &errors[..shown]);
}

fn errors_of(scenario: &str, port: u16, logs: &Path) -> PathBuf {
    logs.join(format!("sipp-{scenario}-{port}.log"))
}

/// A port that was free a moment ago: left alone, sipp takes 5060, which may be somebody else's.
fn free_port(address: &str) -> Result<u16> {
    Ok(UdpSocket::bind((address, 0))?.local_addr()?.port())
}
