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
    port: Option<u16>,
    args: Vec<String>,
    places: [SocketAddr; 3],
    logs: PathBuf,
}

impl Caller {
    /// A call to the company's number over UDP; `places` are the server's SIP addresses.
    pub(crate) fn new(scenario: &'static str, caller: &'static str, folder: &Path, places: [SocketAddr; 3]) -> Self {
        let (callee, transport, address) = (COMPANY_NUMBER, Transport::Udp, "127.0.0.1");
        Self {
            scenario,
            caller,
            callee,
            transport,
            address,
            port: None,
            args: Vec::new(),
            places,
            logs: folder.join("logs"),
        }
    }

    pub(crate) fn callee(self, callee: &'static str) -> Self {
        Self { callee, ..self }
    }

    pub(crate) fn transport(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Sends from this port.
    pub(crate) fn at_port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// As the desk phone of an account: `service` is its user, `called` the number.
    pub(crate) fn logged_in(mut self, (user, password, domain): (&str, &str, &str)) -> Self {
        let words = ["-s", user, "-au", user, "-ap", password, "-key", "domain", domain, "-key", "called", self.callee];
        self.args.extend(words.map(str::to_owned));
        self
    }

    /// Over a network that loses this share of the messages, each way.
    pub(crate) fn losing_percent(mut self, percent: u8) -> Self {
        self.args.extend(["-lost".to_owned(), percent.to_string()]);
        self
    }

    /// Calls from another address of this machine.
    pub(crate) fn calling_from(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    /// Calls once; an error if the call went another way than the scenario.
    pub(crate) async fn run(self) -> Result<()> {
        let ([udp, tcp, _], port) = (self.places, self.port.map_or_else(|| super::free_port(self.address), Ok)?);
        let (mode, server) = match self.transport {
            Transport::Udp => ("u1", udp),
            Transport::Tcp => ("t1", tcp),
        };
        let mut sipp = super::sipp(self.scenario, self.address, port, &self.logs);
        sipp.args(["-r", "1", "-t", mode, "-s", self.callee, "-key", "caller", self.caller]).args(&self.args);
        sipp.arg(server.to_string());
        let output = tokio::time::timeout(LIMIT, sipp.output()).await.context("sipp did not end")??;
        super::check(self.scenario, port, output.status, &self.logs).with_context(|| format!("{:?}", self.transport))
    }
}
