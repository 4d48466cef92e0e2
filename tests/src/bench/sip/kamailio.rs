//! Kamailio as the peer: started on a free port with everything in memory, stopped by its pid.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Child;

use super::load::PEERS;

/// The password of all its users.
pub(super) const PASSWORD: &str = "a-password-of-the-bench";
/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(10);
/// How long a question for its readiness may take.
const PATIENCE: Duration = Duration::from_millis(200);

/// A running Kamailio.
pub(super) struct Kamailio {
    child: Child,
    address: SocketAddr,
}

impl Kamailio {
    pub(super) async fn start(folder: &Path, logs: &Path) -> Result<Self> {
        let port = super::load::free_port()?;
        let (config, run) = (folder.join("kamailio.cfg"), folder.join("kamailio"));
        std::fs::create_dir_all(&run)?;
        let template = std::fs::read_to_string(PathBuf::from(PEERS).join("kamailio.cfg"))?;
        std::fs::write(&config, template.replace("@PORT@", &port.to_string()).replace("@PASSWORD@", PASSWORD))?;
        let log = std::fs::File::create(logs.join("kamailio.log"))?;
        let mut command = Command::new(program()?);
        command.arg("-f").arg(&config).args(["-m", "256", "-M", "16", "-DD", "-E", "-Y"]).arg(&run);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child =
            tokio::process::Command::from(command).kill_on_drop(true).spawn().context("cannot start kamailio")?;
        let kamailio = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let address = kamailio.address;
        tokio::task::spawn_blocking(move || wait_for(address)).await??;
        Ok(kamailio)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("kamailio ended")
    }

    /// Asks it to end; its children end with it.
    pub(super) async fn stop(mut self) -> Result<()> {
        let pid = self.pid()?.to_string();
        tokio::process::Command::new("kill").arg(&pid).status().await?;
        tokio::time::timeout(READY, self.child.wait()).await.context("kamailio did not end")??;
        Ok(())
    }
}

/// Debian puts it where only root looks.
fn program() -> Result<PathBuf> {
    let places = ["/usr/sbin/kamailio", "/usr/bin/kamailio", "/usr/local/sbin/kamailio"].map(PathBuf::from);
    places.into_iter().find(|place| place.exists()).context("kamailio is not installed (Debian: kamailio)")
}

fn wait_for(address: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let local = socket.local_addr()?;
    let question = format!(
        "OPTIONS sip:nobody@{address} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKready\r\nMax-Forwards: 70\r\n\
         From: <sip:bench@{local}>;tag=r\r\nTo: <sip:nobody@{address}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let until = Instant::now() + READY;
    let mut answer = [0; 2_048];
    while Instant::now() < until {
        socket.send_to(question.as_bytes(), address)?;
        // A refused datagram comes back as an error at once.
        if socket.recv_from(&mut answer).is_ok() {
            return Ok(());
        }
        std::thread::sleep(PATIENCE / 10);
    }
    bail!("kamailio does not answer on {address}")
}
