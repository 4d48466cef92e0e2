//! Linphone as a desk phone: its daemon without sound or screen, which takes commands on its input.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::process::Process;
use callfield_tests::sound;
use tokio::process::Command;
use tokio::time::Instant;

use super::account::Account;
use super::phone::{DeskPhone, LIMIT, TONE_HZ};

const CONFIG: &str = include_str!("../../../peers/linphone/linphonerc");
/// How often it is asked what happened.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Packets of a second and more of talk.
const PACKETS_MIN: u64 = 40;
/// What it writes into its log of each session, before the number of packets.
const RECEIVED: &str = "ortp-message-received ";

/// A running Linphone.
pub(crate) struct Linphone {
    process: Process,
    tone: PathBuf,
    log: PathBuf,
    server: String,
    /// The number it gave to the newest call.
    call: String,
}

impl DeskPhone for Linphone {
    const NAME: &'static str = "linphone-daemon";
    const PACKAGE: &'static str = "linphone-cli";
    /// It says 603.
    const DECLINED: &'static str = "rejected";

    async fn start(account: &Account, folder: &Path, ca: &Path) -> Result<Self> {
        let home = folder.join(format!("linphone-{:?}", account.way));
        std::fs::create_dir_all(home.join(".local/share/linphone"))?;
        std::fs::create_dir_all(home.join(".config/linphone"))?;
        let (config, log, tone) = (home.join("linphonerc"), home.join("log"), home.join("tone.wav"));
        sound::write_tone(&tone, TONE_HZ)?;
        std::fs::write(&config, config_of(account, ca)?)?;
        let mut command = Command::new("linphone-daemon");
        command.env("HOME", &home).env("TERM", "dumb").arg("--disable-stats-events");
        command.arg("--config").arg(&config).arg("--log").arg(&log);
        let process = Process::talk(&format!("linphone-{:?}", account.way), command, &folder.join("logs"))?;
        let server = format!("{};transport={}", account.server, account.way.transport());
        let mut phone = Self { process, tone, log, server, call: String::new() };
        phone.wait("register-status ALL", "LinphoneRegistrationOk").await?;
        Ok(phone)
    }

    async fn is_called(&mut self) -> Result<()> {
        self.event("LinphoneCallIncomingReceived").await
    }

    async fn accept(&mut self) -> Result<()> {
        self.process.say("answer").await?;
        self.is_answered().await
    }

    async fn call(&mut self, number: &str, _domain: &str) -> Result<()> {
        self.process.say(&format!("call sip:{number}@{}", self.server)).await
    }

    async fn rings(&mut self) -> Result<()> {
        self.event("LinphoneCallOutgoingRinging").await
    }

    async fn is_answered(&mut self) -> Result<()> {
        self.event("LinphoneCallStreamsRunning").await?;
        self.process.say(&format!("incall-player-start {}", self.tone.display())).await
    }

    async fn hold(&mut self) -> Result<()> {
        self.process.say("call-pause").await?;
        self.event("LinphoneCallPaused").await
    }

    async fn resume(&mut self) -> Result<()> {
        let resume = format!("call-resume {}", self.call);
        self.process.say(&resume).await?;
        self.is_answered().await
    }

    async fn hang_up(&mut self) -> Result<()> {
        let terminate = format!("terminate {}", self.call);
        self.process.say(&terminate).await?;
        self.is_over().await
    }

    async fn is_over(&mut self) -> Result<()> {
        self.event("LinphoneCallReleased").await
    }

    /// It keeps no recording: what its log says of the newest session must do.
    async fn heard(&mut self, _hz: f64) -> Result<()> {
        let log = std::fs::read_to_string(&self.log)?;
        let mut counts = log.lines().filter_map(|line| {
            let (_, count) = line.split_once(RECEIVED)?;
            count.strip_suffix(" packets")?.trim().parse::<u64>().ok()
        });
        let received = counts.next_back().context("Linphone tells of no session")?;
        ensure!(received >= PACKETS_MIN, "Linphone received only {received} packets");
        Ok(())
    }

    async fn stop(mut self) -> Result<()> {
        self.process.say("quit").await?;
        self.process.stop(LIMIT).await.map(drop)
    }
}

impl Linphone {
    /// Waits for an event of a call, and notes which call it is.
    async fn event(&mut self, name: &str) -> Result<()> {
        self.wait("pop-event", name).await?;
        loop {
            let line = self.process.line(LIMIT).await?;
            if let Some(call) = line.strip_prefix("Id: ") {
                call.clone_into(&mut self.call);
                return Ok(());
            }
        }
    }

    /// Says something again and again until a line has `wanted` in it.
    async fn wait(&mut self, question: &str, wanted: &str) -> Result<()> {
        let until = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        while Instant::now() < until {
            self.process.say(question).await?;
            while let Ok(line) = self.process.line(ASK_EVERY).await {
                if line.contains(wanted) {
                    return Ok(());
                }
                seen.push(line);
            }
        }
        seen.retain(|line| line.contains("Linphone"));
        bail!("Linphone never told of {wanted}, but of {seen:?}")
    }
}

fn config_of(account: &Account, ca: &Path) -> Result<String> {
    let Account { username, password, domain, server, way, .. } = account;
    let port = UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let on = |transport: &str| if way.transport() == transport { i32::from(port) } else { 0 };
    let (udp, tcp, tls) = (on("udp"), on("tcp"), on("tls"));
    let (encryption, is_mandatory) = if way.is_secure() { ("srtp", 1) } else { ("none", 0) };
    let server = format!("<sip:{server};transport={}>", way.transport());
    Ok(format!(
        "{CONFIG}\n[sip]\nsip_port={udp}\nsip_tcp_port={tcp}\nsip_tls_port={tls}\nbind_address=127.0.0.1\n\
         default_proxy=0\nregister_only_when_network_is_up=0\nroot_ca={ca}\nverify_server_certs=1\nverify_server_cn=0\n\
         media_encryption={encryption}\nmedia_encryption_mandatory={is_mandatory}\nsupported=replaces, outbound, gruu, path\n\
         guess_hostname=1\ninc_timeout=60\n\n\
         [proxy_0]\nreg_proxy={server}\nreg_route={server}\nreg_identity=sip:{username}@{domain}\nreg_expires=60\n\
         reg_sendregister=1\npublish=0\npush_notification_allowed=1\ncontact_uri_parameters=\n\n\
         [auth_info_0]\nusername={username}\npasswd={password}\nrealm={domain}\ndomain={domain}\n",
        ca = ca.display(),
    ))
}
