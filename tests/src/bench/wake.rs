//! `wake`: what a caller and a woken phone wait for, and what a call costs the server.
//!
//! Real phones (the core itself, one a user) sleep behind the fake push services; the PBX calls at a steady rate, each
//! phone is woken, answers, and the PBX hangs up. The server's own histograms give the latencies, /proc its CPU time.

mod phones;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Bar, Row, processor};
use crate::deployment::{COMPANY_NUMBER, Deployment};
use crate::pbx::{Dial, PbxCall, Progress};
use phones::Sleepers;

/// Calls that begin in a second.
const CALLS_PER_SECOND: u32 = 20;
/// Sleeping phones; each is called again only when its last call is over.
const PHONES: usize = 40;
/// How long the PBX stays on an answered call.
const TALK: Duration = Duration::from_millis(200);
/// How long a call may take from INVITE to answer.
const ANSWER: Duration = Duration::from_secs(10);
const SECONDS: u32 = 10;

/// Runs the bench in `folder`.
pub async fn run(folder: &Path) -> Result<Vec<Row>> {
    let deployment = Deployment::start(folder, None).await?;
    let sleepers = Sleepers::enrol(&deployment, PHONES).await?;
    // Connections to the push services and the pools are made by the first calls, as in a server that runs.
    call_all(&deployment, &sleepers, PHONES / 4).await.context("warming up")?;
    let before = cpu_seconds(&deployment)?;
    let calls = (CALLS_PER_SECOND * SECONDS) as usize;
    call_all(&deployment, &sleepers, calls).await?;
    let cpu_ms = (cpu_seconds(&deployment)? - before) * 1_000.0 / calls as f64;
    let text = deployment.admin().text("/metrics").await?;
    deployment.stop().await?;

    let pushed = |quantile| quantile_ms(&text, "callfield_invite_to_push_seconds", quantile);
    let forwarded = |quantile| quantile_ms(&text, "callfield_register_to_invite_seconds", quantile);
    let row = |what: &str, unit, ours, bar| Row { what: what.to_owned(), unit, ours, peer: None, bar };
    Ok(vec![
        row("INVITE received → push written, p50", "ms", pushed("0.5")?, Bar::None),
        row("INVITE received → push written, p99", "ms", pushed("0.99")?, Bar::AtMost(10.0)),
        row("REGISTER received → INVITE forwarded, p50", "ms", forwarded("0.5")?, Bar::None),
        row("REGISTER received → INVITE forwarded, p99", "ms", forwarded("0.99")?, Bar::AtMost(5.0)),
        row("server CPU a woken, answered, recorded call", "ms", cpu_ms, Bar::None),
    ])
}

/// Calls the phones in turn at the set rate; every call must be answered and end as it should.
async fn call_all(deployment: &Deployment, sleepers: &Sleepers, calls: usize) -> Result<()> {
    let mut every = tokio::time::interval(Duration::from_secs(1) / CALLS_PER_SECOND);
    let mut running = tokio::task::JoinSet::new();
    for call in 0..calls {
        every.tick().await;
        let dial = Dial {
            server: deployment.sip_udp(),
            from: sleepers.number_of(call % PHONES),
            to: COMPANY_NUMBER.to_owned(),
            tone_hz: 440.0,
        };
        running.spawn(one_call(dial));
    }
    let ended = running.join_all().await;
    let failed = ended.iter().filter(|ended| ended.is_err()).count();
    let first = ended.into_iter().find_map(Result::err);
    ensure!(failed == 0, "{failed} of {calls} calls went wrong; the first: {:#}", first.context("no reason")?);
    Ok(())
}

async fn one_call(dial: Dial) -> Result<()> {
    let mut call = PbxCall::start(dial).await?;
    call.wait_for(ANSWER, |progress| *progress == Progress::Answered).await?;
    tokio::time::sleep(TALK).await;
    call.hang_up().await?;
    call.wait_for(ANSWER, |progress| matches!(progress, Progress::Ended { .. })).await?;
    Ok(())
}

fn cpu_seconds(deployment: &Deployment) -> Result<f64> {
    processor::seconds_of(deployment.server_pid().context("the server ended")?)
}

fn quantile_ms(metrics: &str, name: &str, quantile: &str) -> Result<f64> {
    let wanted = format!("{name}{{quantile=\"{quantile}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&wanted));
    let seconds: f64 = line.with_context(|| format!("the metrics hold no {name}"))?.parse()?;
    Ok(seconds * 1_000.0)
}
