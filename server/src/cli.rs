//! The command line: `callfield serve`, `callfield admin …`, `callfield config`.

mod admin;
mod log;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::config::{self, Config};
use crate::serve::Server;

/// Turns a field-sales person's own phone into the company phone.
#[derive(Debug, Parser)]
#[command(name = "callfield", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves calls, sync and the API until it is stopped.
    Serve {
        #[command(flatten)]
        source: Source,
        /// Write where the server is reached (JSON) to FILE once it serves.
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
    },
    /// Administration on this machine.
    Admin {
        #[command(subcommand)]
        command: admin::AdminCommand,
        #[command(flatten)]
        source: Source,
    },
    /// Prints the commented default configuration.
    Config,
}

/// Where the configuration comes from.
#[derive(Debug, clap::Args)]
struct Source {
    /// A TOML file; the environment (`CALLFIELD_SECTION__KEY`) overrides it.
    #[arg(long = "config", value_name = "FILE", global = true)]
    file: Option<PathBuf>,
}

impl Source {
    fn load(&self) -> anyhow::Result<Config> {
        Ok(Config::load(self.file.as_deref())?)
    }
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Config => print(config::DEFAULTS.trim_end()),
            Command::Serve { source, ready_file } => runtime()?.block_on(serve(source.load()?, ready_file)),
            Command::Admin { command, source } => {
                let said = runtime()?.block_on(command.run(source.load()?))?;
                print(&said)
            }
        }
    }
}

/// A panic that judging a change caught is an answer to its sender, not news for the log.
fn silence_caught_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !callfield_sync::guard::is_guarded() {
            print(panic);
        }
    }));
}

async fn serve(config: Config, ready_file: Option<PathBuf>) -> anyhow::Result<()> {
    silence_caught_panics();
    log::start(&config.log)?;
    let server = Server::prepare(config).await?;
    tracing::info!(
        address = %server.address()?,
        database = server.app().db.engine(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let stop = stop_signal()?;
    if let Some(file) = ready_file {
        std::fs::write(&file, server.places().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    server.run(stop).await;
    Ok(())
}

/// Ready on SIGTERM or Ctrl-C.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
