//! `callfield-fake-push`: the fake APNs and FCM as a program of their own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use callfield_fakes::FakePush;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a fake APNs and a fake FCM on free ports of loopback until it is told to stop (SIGTERM or SIGINT).
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to write ca.pem, apns.p8, service-account.json, push.toml and, when all is running, ready.json
    #[arg(long)]
    dir: PathBuf,
}

#[tokio::main]
#[expect(clippy::print_stderr, reason = "the one line that says why the program cannot run")]
async fn main() -> ExitCode {
    match run(&Arguments::parse().dir).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("callfield-fake-push: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(dir: &Path) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let fakes = FakePush::start().await.context("cannot start the fakes")?;
    fakes.write_to(dir).with_context(|| format!("cannot write into {}", dir.display()))?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    // A stale ready.json would name ports that nobody listens on.
    let _ = std::fs::remove_file(dir.join("ready.json"));
    Ok(())
}
