//! `callfield-demo`: the first call, told step by step.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use callfield_tests::first_call::{self, Narrator, Outcome};
use clap::Parser;

/// A PBX call wakes two sleeping phones, is answered, logged offline and synced; everything on loopback.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Keep everything running afterwards, and print addresses and a sign-in for curl
    #[arg(long)]
    stay: bool,
    /// Keep logs, databases and WAVs in this folder (default: a temporary one, kept if a step fails)
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match tell(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn tell(arguments: Arguments) -> Result<()> {
    let mut out = Printer { began: Instant::now() };
    let temporary = tempfile::Builder::new().prefix("callfield-demo-").tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    let told = first_call::tell(&folder, None, &mut out).await;
    let outcome = match told {
        Ok(outcome) => outcome,
        Err(error) => {
            let kept = temporary.keep();
            let shown = arguments.folder.unwrap_or(kept);
            return Err(error.context(format!("see the logs in {}", shown.join("logs").display())));
        }
    };
    out.show(&outcome)?;
    if arguments.stay {
        out.stay(&outcome)?;
        tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    }
    let clean = outcome.deployment.stop().await?;
    anyhow::ensure!(clean, "a program did not end cleanly");
    out.line(&format!("Every step was seen to happen; all is stopped. {:.1} s.", out.began.elapsed().as_secs_f64()));
    Ok(())
}

struct Printer {
    began: Instant,
}

impl Narrator for Printer {
    fn begins(&mut self, step: &str) {
        self.line(&format!("[{:5.1} s] {step}", self.began.elapsed().as_secs_f64()));
    }

    fn seen(&mut self, facts: &str) {
        self.line(&format!("          ✓ {facts}"));
    }
}

impl Printer {
    fn line(&self, text: &str) {
        // A reader that has gone away must not end the story half-way.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    fn show(&self, outcome: &Outcome) -> Result<()> {
        self.line("\nThe call as the API shows it: the server's facts and Suzuki's log under one id");
        self.line(&serde_json::to_string_pretty(&outcome.call_view)?);
        self.line("\nThe follow-up task");
        self.line(&serde_json::to_string_pretty(&outcome.task)?);
        self.line("\nThe contact: the mobile number merged, the title in both forms");
        self.line(&serde_json::to_string_pretty(&outcome.contact)?);
        self.line("\nWhy it rang");
        for line in first_call::timeline_lines(&outcome.timeline) {
            self.line(&line);
        }
        self.line("");
        Ok(())
    }

    fn stay(&self, outcome: &Outcome) -> Result<()> {
        let deployment = &outcome.deployment;
        self.line(&format!("API    {}", deployment.base()));
        self.line(&format!("SIP    udp {}", deployment.sip_udp()));
        self.line(&format!("Fakes  {}", deployment.control_url()));
        self.line(&format!("Folder {}", deployment.folder().display()));
        self.line(&format!(
            "Try    curl --cacert {} -H 'Authorization: Bearer {}' {}/v1/calls/{}",
            deployment.ca_file().display(),
            deployment.admin_token(),
            deployment.base(),
            outcome.call
        ));
        self.line("Ctrl-C stops everything.");
        Ok(())
    }
}
