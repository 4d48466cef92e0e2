//! sipp is called.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Child;

/// How long it may take to end.
const LIMIT: Duration = Duration::from_secs(30);

/// A sipp that waits for one call, and echoes the audio it gets.
pub(crate) struct Callee {
    scenario: &'static str,
    port: u16,
    logs: PathBuf,
    sipp: Child,
}

impl Callee {
    /// A port on which callees may wait, one after the other.
    pub(crate) fn port() -> Result<u16> {
        super::free_port("127.0.0.1")
    }

    /// Waits for a call on `port`; a caller that is faster than sipp repeats its INVITE.
    pub(crate) fn wait(scenario: &'static str, port: u16, folder: &Path) -> Result<Self> {
        Self::wait_with(scenario, port, folder, &[])
    }

    /// Waits with further words of the command line.
    pub(crate) fn wait_with(scenario: &'static str, port: u16, folder: &Path, args: &[&str]) -> Result<Self> {
        let logs = folder.join("logs");
        let mut sipp = super::sipp(scenario, "127.0.0.1", port, &logs);
        sipp.args(args).args(["-rtp_echo", "-mp"]).arg(super::free_port("127.0.0.1")?.to_string());
        let sipp = sipp.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("cannot start sipp")?;
        Ok(Self { scenario, port, logs, sipp })
    }

    /// Waits for its end; an error if the call went another way than the scenario.
    pub(crate) async fn end(mut self) -> Result<()> {
        let status = tokio::time::timeout(LIMIT, self.sipp.wait()).await.context("sipp did not end")??;
        super::check(self.scenario, self.port, status, &self.logs)
    }
}
