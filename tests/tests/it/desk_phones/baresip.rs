//! baresip as a desk phone: without a screen, controlled over its TCP socket (JSON in netstrings).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::process::Process;
use callfield_tests::sound;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout_at};

use super::account::Account;
use super::phone::{DeskPhone, LIMIT, TONE_HZ, TONE_SHARE_MIN};

/// How long it may take until it takes commands.
const READY: Duration = Duration::from_secs(10);
const CONFIG: &str = include_str!("../../../peers/baresip/config");

/// A running baresip.
pub(crate) struct Baresip {
    process: Process,
    recordings: PathBuf,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// What came while something else was waited for.
    events: Vec<Value>,
}

impl DeskPhone for Baresip {
    const NAME: &'static str = "baresip";
    const PACKAGE: &'static str = "baresip-core";
    /// It says 486.
    const DECLINED: &'static str = "busy";

    async fn start(account: &Account, folder: &Path, ca: &Path) -> Result<Self> {
        let home = folder.join(format!("baresip-{:?}", account.way));
        let recordings = home.join("recordings");
        std::fs::create_dir_all(&recordings)?;
        sound::write_tone(&home.join("tone.wav"), TONE_HZ)?;
        let control = free_port()?;
        std::fs::write(home.join("config"), config(&home, ca, control)?)?;
        std::fs::write(home.join("accounts"), account_line(account))?;
        std::fs::write(home.join("contacts"), "")?;
        let mut command = Command::new("baresip");
        command.arg("-4").arg("-s").arg("-f").arg(&home);
        let process = Process::spawn(&format!("baresip-{:?}", account.way), command, &folder.join("logs"))?;
        let (reader, writer) = connect(control).await?.into_split();
        let mut phone = Self { process, recordings, reader: BufReader::new(reader), writer, events: Vec::new() };
        phone.is_registered().await?;
        Ok(phone)
    }

    async fn is_called(&mut self) -> Result<()> {
        self.event("CALL_INCOMING").await.map(drop)
    }

    async fn accept(&mut self) -> Result<()> {
        self.command("accept", "").await?;
        self.event("CALL_ESTABLISHED").await.map(drop)
    }

    async fn call(&mut self, number: &str, domain: &str) -> Result<()> {
        self.command("dial", &format!("sip:{number}@{domain}")).await.map(drop)
    }

    async fn rings(&mut self) -> Result<()> {
        self.event("CALL_RINGING").await.map(drop)
    }

    async fn is_answered(&mut self) -> Result<()> {
        self.event("CALL_ESTABLISHED").await.map(drop)
    }

    async fn hold(&mut self) -> Result<()> {
        self.command("hold", "").await.map(drop)
    }

    async fn resume(&mut self) -> Result<()> {
        self.command("resume", "").await.map(drop)
    }

    async fn hang_up(&mut self) -> Result<()> {
        self.command("hangup", "").await?;
        self.is_over().await
    }

    async fn is_over(&mut self) -> Result<()> {
        self.event("CALL_CLOSED").await.map(drop)
    }

    /// The decoded audio of the newest call.
    async fn heard(&mut self, hz: f64) -> Result<()> {
        let names = std::fs::read_dir(&self.recordings)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        let mut heard: Vec<_> = names.into_iter().filter(|path| path.to_string_lossy().ends_with("dec.wav")).collect();
        heard.sort_by_key(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok());
        let newest = heard.last().context("baresip recorded nothing")?;
        let share = sound::share_of_tone(&sound::read(newest)?, hz);
        ensure!(share > TONE_SHARE_MIN, "only {:.0} % of what baresip heard is the tone", share * 100.0);
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        // It takes its registration back before it ends.
        self.process.stop(LIMIT).await.map(drop)
    }
}

impl Baresip {
    /// It may have registered before it was asked.
    async fn is_registered(&mut self) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let said = self.command("reginfo", "").await?;
            if said.contains("OK") {
                return Ok(());
            }
            ensure!(Instant::now() < until, "baresip does not register: {said}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Does something; what it says to it.
    async fn command(&mut self, command: &str, params: &str) -> Result<String> {
        let text = json!({ "command": command, "params": params, "token": command }).to_string();
        self.writer.write_all(format!("{}:{text},", text.len()).as_bytes()).await?;
        let until = Instant::now() + LIMIT;
        loop {
            let said = self.next(until).await.with_context(|| format!("baresip does not answer `{command}`"))?;
            if said["response"] == true && said["token"] == command {
                ensure!(said["ok"] == true, "baresip refuses `{command}`: {said}");
                return Ok(said["data"].as_str().unwrap_or_default().to_owned());
            }
            self.events.push(said);
        }
    }

    /// Waits for an event; what else came before it is forgotten.
    async fn event(&mut self, kind: &str) -> Result<Value> {
        let until = Instant::now() + LIMIT;
        let mut seen = Vec::new();
        loop {
            let event = match self.events.is_empty() {
                true => self.next(until).await.with_context(|| format!("baresip saw no {kind}, but {seen:?}"))?,
                false => self.events.remove(0),
            };
            if event["type"] == kind {
                return Ok(event);
            }
            seen.push(event);
        }
    }

    /// The next netstring.
    async fn next(&mut self, until: Instant) -> Result<Value> {
        let mut size = Vec::new();
        timeout_at(until, self.reader.read_until(b':', &mut size)).await??;
        let size = std::str::from_utf8(&size)?.trim_end_matches(':').trim_start_matches(',');
        let mut body = vec![0; size.parse().with_context(|| format!("no netstring: {size:?}"))?];
        timeout_at(until, self.reader.read_exact(&mut body)).await??;
        Ok(serde_json::from_slice(&body)?)
    }
}

async fn connect(control: u16) -> Result<TcpStream> {
    let until = Instant::now() + READY;
    loop {
        match TcpStream::connect(("127.0.0.1", control)).await {
            Ok(stream) => return Ok(stream),
            Err(_) if Instant::now() < until => sleep(Duration::from_millis(20)).await,
            Err(error) => bail!("baresip takes no commands: {error}"),
        }
    }
}

fn config(home: &Path, ca: &Path, control: u16) -> Result<String> {
    let sip = free_port()?;
    let home = home.display();
    Ok(format!(
        "{CONFIG}sip_listen 127.0.0.1:{sip}\nctrl_tcp_listen 127.0.0.1:{control}\nsip_cafile {ca}\n\
         audio_source aufile,{home}/tone.wav\naudio_player aubridge,{sip}\n\
         audio_alert aubridge,{sip}\nsnd_path {home}/recordings\n",
        ca = ca.display(),
    ))
}

fn account_line(account: &Account) -> String {
    let Account { username, password, domain, server, way, .. } = account;
    let (transport, security) = (way.transport(), if way.is_secure() { ";mediaenc=srtp-mand" } else { "" });
    format!(
        "<sip:{username}@{domain};transport={transport}>;auth_user={username};auth_pass={password};regint=60;\
         outbound=\"sip:{server};transport={transport}\";answermode=manual;audio_codecs=PCMU/8000/1,PCMA/8000/1{security}\n"
    )
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
