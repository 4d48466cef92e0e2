//! One run of sipp with a scenario of `tests/peers`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use callfield_tests::deployment::COMPANY_NUMBER;
use tokio::net::UdpSocket;
use tokio::process::Command;

/// How long sipp may take for its call; then it gives up with an error.
const PATIENCE: &str = "20s";
/// How long it may take to give up.
const LIMIT: Duration = Duration::from_secs(30);
/// What is shown of sipp's own words when it fails.
const SHOWN: usize = 1_500;

/// How sipp sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// One call of sipp.
pub(super) struct Sipp {
    scenario: &'static str,
    caller: &'static str,
    callee: &'static str,
    transport: Transport,
    address: &'static str,
    places: [SocketAddr; 2],
    logs: PathBuf,
}

/// Whether sipp is there; where it is not, that is said loudly.
///
/// # Panics
/// If it is not and `CI` is `true`: there nothing may be skipped.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the script that started them where nothing may be skipped"
)]
#[expect(clippy::print_stderr, reason = "a skipped test must be loud")]
pub(super) fn is_installed() -> bool {
    let found = std::process::Command::new("sipp").arg("-v").output().is_ok();
    if !found {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "sipp (sip-tester) is not installed and CI is true");
        eprintln!("SKIPPED: sipp is not installed (Debian: sip-tester)");
    }
    found
}

impl Sipp {
    /// A call to the company's number over UDP; `places` are the server's SIP addresses for UDP and TCP.
    pub(super) fn new(scenario: &'static str, caller: &'static str, folder: &Path, places: [SocketAddr; 2]) -> Self {
        let (callee, transport, address) = (COMPANY_NUMBER, Transport::Udp, "127.0.0.1");
        Self { scenario, caller, callee, transport, address, places, logs: folder.join("logs") }
    }

    pub(super) fn callee(self, callee: &'static str) -> Self {
        Self { callee, ..self }
    }

    pub(super) fn transport(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Calls from another address of this machine.
    pub(super) fn calling_from(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    /// Calls once; an error if the call went another way than the scenario.
    pub(super) async fn run(self) -> Result<()> {
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(format!("{}.xml", self.scenario));
        let ([udp, tcp], errors) = (self.places, self.logs.join(format!("sipp-{}.log", self.scenario)));
        let (mode, server) = match self.transport {
            Transport::Udp => ("u1", udp),
            Transport::Tcp => ("t1", tcp),
        };
        // Left alone sipp takes 5060, which may be somebody else's.
        let port = UdpSocket::bind((self.address, 0)).await?.local_addr()?.port().to_string();
        let mut sipp = Command::new("sipp");
        sipp.arg("-sf").arg(scenario).args(["-m", "1", "-r", "1", "-t", mode, "-i", self.address, "-p", &port]);
        sipp.args(["-mi", "127.0.0.1", "-s", self.callee, "-key", "caller", self.caller]);
        sipp.args(["-timeout", PATIENCE, "-timeout_error", "-nostdin", "-trace_err", "-error_file"]).arg(&errors);
        sipp.args(["-trace_msg", "-message_file"]).arg(errors.with_extension("messages"));
        sipp.arg(server.to_string()).stdin(Stdio::null()).current_dir(&self.logs).kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, sipp.output()).await.context("sipp did not end")??;
        if !output.status.success() {
            let errors = std::fs::read_to_string(&errors).unwrap_or_default();
            let shown = errors.char_indices().nth(SHOWN).map_or(errors.len(), |(at, _)| at);
            bail!("sipp ({}, {:?}): {}: {}", self.scenario, self.transport, output.status, &errors[..shown]);
        }
        Ok(())
    }
}
