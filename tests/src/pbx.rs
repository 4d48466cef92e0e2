//! A PBX that calls: INVITE, ACK and BYE over UDP, a tone over RTP. Built on our own machines, so that the demo needs no
//! package; the end-to-end tests use foreign ones beside it.

mod audio;
mod caller;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use callfield_domain::{Random, Seed, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

pub use audio::Heard;
use caller::{Caller, Command};

/// How far a call of the PBX has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The INVITE is out.
    Calling,
    /// The other side said 180 or 182.
    Ringing,
    /// The other side answered.
    Answered,
    /// The other side refused, with this status.
    Refused(u16),
    /// It is over; whether the other side ended it.
    Ended {
        /// Whether the other side hung up.
        by_remote: bool,
    },
    /// Nobody answered on the wire.
    Failed,
}

/// One call of the PBX.
pub struct PbxCall {
    progress: watch::Receiver<Progress>,
    commands: mpsc::Sender<Command>,
    heard: watch::Receiver<Heard>,
}

/// Whom to call, as whom.
#[derive(Debug, Clone)]
pub struct Dial {
    /// The server's SIP address.
    pub server: SocketAddr,
    /// The caller's number.
    pub from: String,
    /// The number that is called.
    pub to: String,
    /// The tone that is played once somebody answers.
    pub tone_hz: f64,
}

impl PbxCall {
    /// Calls.
    pub async fn start(dial: Dial) -> Result<Self> {
        let sip = UdpSocket::bind(("127.0.0.1", 0)).await.context("the PBX has no port")?;
        let rtp = UdpSocket::bind(("127.0.0.1", 0)).await.context("the PBX has no port for audio")?;
        let (progress_sender, progress) = watch::channel(Progress::Calling);
        let (heard_sender, heard) = watch::channel(Heard::default());
        let (commands, inbox) = mpsc::channel(4);
        let caller = Caller::new(dial, sip, rtp, Random::new(seed()?), progress_sender, heard_sender)?;
        tokio::spawn(caller.run(inbox));
        Ok(Self { progress, commands, heard })
    }

    /// Waits until `wanted` is true of the progress.
    pub async fn wait_for(&mut self, limit: Duration, wanted: impl Fn(&Progress) -> bool) -> Result<Progress> {
        let waiting = self.progress.wait_for(|progress| wanted(progress) || is_over(progress));
        let reached =
            tokio::time::timeout(limit, waiting).await.map(|reached| reached.map(|progress| progress.clone()));
        let Ok(reached) = reached else {
            bail!("the PBX waited {limit:?} in vain; its call is {:?}", self.progress());
        };
        let reached = reached.context("the PBX broke off")?;
        if !wanted(&reached) {
            bail!("the PBX's call went another way: {reached:?}");
        }
        Ok(reached)
    }

    /// Where the call stands.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Ends the call: BYE, or CANCEL before it is answered.
    pub async fn hang_up(&self) -> Result<()> {
        self.commands.send(Command::HangUp).await.context("the call is over already")
    }

    /// What the PBX has heard of the other side so far.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }
}

fn is_over(progress: &Progress) -> bool {
    matches!(progress, Progress::Refused(_) | Progress::Ended { .. } | Progress::Failed)
}

/// The time, for machines.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO + since
}

/// 32 bytes of the operating system.
pub fn seed() -> Result<Seed> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok().context("the operating system gives no random bytes")?;
    Ok(Seed::from_bytes(bytes))
}
