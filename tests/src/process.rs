//! Programs as child processes: started with a log file each, awaited by what they write, ended by pid.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// The folder of the built programs: that of the running one, or its parent for a test binary.
pub fn program_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("the path of the running program is not known")?;
    let folder = exe.parent().context("the running program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

/// A running program.
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Option<mpsc::UnboundedReceiver<String>>,
}

impl Process {
    /// Starts one of our programs; both its outputs go to `logs/NAME.log`.
    pub fn start(name: &str, program: &str, args: &[&str], logs: &Path) -> Result<Self> {
        let mut command = command(program)?;
        command.args(args);
        Self::spawn(name, command, logs)
    }

    /// Starts one of our programs that one [`Self::talk`]s with.
    pub fn converse(name: &str, program: &str, args: &[&str], logs: &Path) -> Result<Self> {
        let mut command = command(program)?;
        command.args(args);
        Self::talk(name, command, logs)
    }

    /// Starts any program; both its outputs go to `logs/NAME.log`.
    pub fn spawn(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let (log, file) = log_of(name, logs)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name: name.to_owned(), log, child, stdin: None, lines: None })
    }

    /// Starts any program whose lines are read and that takes commands; its errors go to `logs/NAME.log`, a copy of its
    /// lines to `logs/NAME.lines.log`.
    pub fn talk(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let (log, file) = log_of(name, logs)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("the program has no output")?;
        let (sender, lines) = mpsc::unbounded_channel();
        let mut copy = File::create(logs.join(format!("{name}.lines.log")))?;
        tokio::spawn(async move {
            let mut reader = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                // The copy is for people who look for the cause of a failure; without it the story goes on.
                let _ = writeln!(copy, "{line}");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { name: name.to_owned(), log, child, stdin, lines: Some(lines) })
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Writes one line to its input.
    pub async fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("this program takes no commands")?;
        stdin.write_all(format!("{line}\n").as_bytes()).await?;
        stdin.flush().await.with_context(|| format!("{} no longer listens; see {}", self.name, self.log.display()))
    }

    /// The next line it prints, within `limit`.
    pub async fn line(&mut self, limit: Duration) -> Result<String> {
        let lines = self.lines.as_mut().context("the lines of this program go to its log")?;
        match tokio::time::timeout(limit, lines.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => bail!("{} ended; see {}", self.name, self.log.display()),
            Err(_) => bail!("{} said nothing for {limit:?}; see {}", self.name, self.log.display()),
        }
    }

    /// Waits until it has written `path` (whole: it holds JSON), within `limit`.
    pub async fn ready(&mut self, path: &Path, limit: Duration) -> Result<serde_json::Value> {
        let until = Instant::now() + limit;
        loop {
            if let Ok(text) = std::fs::read(path)
                && let Ok(value) = serde_json::from_slice(&text)
            {
                return Ok(value);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}) before it was ready:\n{}", self.name, tail(&self.log));
            }
            if Instant::now() > until {
                bail!("{} was not ready after {limit:?}; see {}", self.name, self.log.display());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to end and waits; kills it after `limit`. Returns whether it ended by itself with status 0.
    pub async fn stop(mut self, limit: Duration) -> Result<bool> {
        if let Some(pid) = self.child.id() {
            // A signal by pid, so that nothing else can be hit.
            let _ = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await;
        }
        drop(self.stdin.take());
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(status?.success()),
            Err(_) => {
                self.child.kill().await?;
                Ok(false)
            }
        }
    }
}

/// Runs one of our programs to its end and returns what it printed.
pub async fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = command(program)?.args(args).stdin(Stdio::null()).output().await?;
    if !output.status.success() {
        bail!("{program} {} failed: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn log_of(name: &str, logs: &Path) -> Result<(PathBuf, File)> {
    let log = logs.join(format!("{name}.log"));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    Ok((log, file))
}

fn command(program: &str) -> Result<Command> {
    let path = program_folder()?.join(program);
    if !path.exists() {
        bail!("{} is not built: run cargo build --workspace --bins", path.display());
    }
    let mut command = Command::new(path);
    command.kill_on_drop(true);
    Ok(command)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
