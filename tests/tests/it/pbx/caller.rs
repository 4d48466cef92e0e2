//! sipp calls the company.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use callfield_tests::deployment::COMPANY_NUMBER;

/// How long it may take to give up.
const LIMIT: Duration = Duration::from_secs(30);

/// How sipp sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// One call that sipp makes.
pub(crate) struct Caller {
    scenario: &'static str,
    caller: &'static str,
    callee: &'static str,
    transport: Transport,
    address: &'static str,
    places: [SocketAddr; 2],
    logs: PathBuf,
}

impl Caller {
    /// A call to the company's number over UDP; `places` are the server's SIP addresses for UDP and TCP.
    pub(crate) fn new(scenario: &'static str, caller: &'static str, folder: &Path, places: [SocketAddr; 2]) -> Self {
        let (callee, transport, address) = (COMPANY_NUMBER, Transport::Udp, "127.0.0.1");
        Self { scenario, caller, callee, transport, address, places, logs: folder.join("logs") }
    }

    pub(crate) fn callee(self, callee: &'static str) -> Self {
        Self { callee, ..self }
    }

    pub(crate) fn transport(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Calls from another address of this machine.
    pub(crate) fn calling_from(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    /// Calls once; an error if the call went another way than the scenario.
    pub(crate) async fn run(self) -> Result<()> {
        let ([udp, tcp], port) = (self.places, super::free_port(self.address)?);
        let (mode, server) = match self.transport {
            Transport::Udp => ("u1", udp),
            Transport::Tcp => ("t1", tcp),
        };
        let mut sipp = super::sipp(self.scenario, self.address, port, &self.logs);
        sipp.args(["-r", "1", "-t", mode, "-s", self.callee, "-key", "caller", self.caller]).arg(server.to_string());
        let output = tokio::time::timeout(LIMIT, sipp.output()).await.context("sipp did not end")??;
        super::check(self.scenario, output.status, &self.logs).with_context(|| format!("{:?}", self.transport))
    }
}
