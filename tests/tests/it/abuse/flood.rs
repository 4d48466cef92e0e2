//! Floods of datagrams from an address that is no trunk's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use callfield_domain::Random;
use callfield_tests::deployment::Deployment;
use callfield_tests::pbx::seed;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::calls;
use super::process_figures::cpu_seconds;
use crate::counters::Counters;
use crate::office::Office;

/// An address of this machine that the company's trunk does not have.
const STRANGER: &str = "127.0.0.66";
/// Datagrams a second: more than a scanner sends, less than what would keep the machine from making the calls.
const PER_SECOND: u64 = 5_000;
const BURST_EVERY: Duration = Duration::from_millis(10);
const CALLS: usize = 50;
/// What a datagram of a stranger may cost the server beside the calls, in seconds of CPU, as tests are built.
const COST_MAX: f64 = 200e-6;

/// A flood that goes on until it is dropped.
struct Flood {
    sent: Arc<AtomicU64>,
    task: JoinHandle<Result<()>>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Flood {
    async fn start(deployment: &Deployment, mut next: impl FnMut() -> Vec<u8> + Send + 'static) -> Result<Self> {
        let socket = UdpSocket::bind((STRANGER, 0)).await?;
        socket.connect(deployment.sip_udp()).await?;
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let task = tokio::spawn(async move {
            let mut every = tokio::time::interval(BURST_EVERY);
            loop {
                every.tick().await;
                for _ in 0..PER_SECOND * BURST_EVERY.as_millis() as u64 / 1_000 {
                    socket.send(&next()).await?;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self { sent, task })
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// Bytes that are no SIP.
pub(super) async fn garbage(office: &Office) -> Result<()> {
    let mut random = Random::new(seed()?);
    calls_go_on(office, "garbage", move || random.bytes::<200>().to_vec()).await
}

/// Requests for users who do not exist, as scanners send them.
pub(super) async fn scan(office: &Office) -> Result<()> {
    let (mut random, mut number) = (Random::new(seed()?), 0_usize);
    let next = move || {
        number += 1;
        let method = ["INVITE", "REGISTER", "OPTIONS"][number % 3];
        let (user, call) = (random.token(8), random.token(16));
        format!(
            "{method} sip:{user}@callfield.test SIP/2.0\r\nVia: SIP/2.0/UDP {STRANGER}:5099;branch=z9hG4bK{call};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@callfield.test>;tag=a\r\nTo: <sip:{user}@callfield.test>\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@{STRANGER}:5099>\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    };
    calls_go_on(office, "a scan", next).await
}

async fn calls_go_on(office: &Office, what: &str, next: impl FnMut() -> Vec<u8> + Send + 'static) -> Result<()> {
    let deployment = &office.deployment;
    let counters = Counters::of(deployment);
    let before = cpu_seconds(deployment)?;
    calls::succeed(deployment, CALLS / 5).await?;
    let call_cost = (cpu_seconds(deployment)? - before) / (CALLS / 5) as f64;

    let (refused, begin) = (counters.refused("flood").await?, cpu_seconds(deployment)?);
    let flood = Flood::start(deployment, next).await?;
    calls::succeed(deployment, CALLS).await?;
    let (sent, used) = (flood.sent(), cpu_seconds(deployment)? - begin);
    ensure!(!flood.task.is_finished(), "the flood dried up");
    drop(flood);
    counters.wait_for_refusal("flood", refused).await?;
    let cost = (used - call_cost * CALLS as f64) / sent as f64;
    report(what, sent, cost, call_cost);
    ensure!(sent > 1_000, "{sent} datagrams are no flood");
    ensure!(cost < COST_MAX, "each of {sent} datagrams cost the server {:.0} µs", cost * 1e6);
    Ok(())
}

#[expect(clippy::print_stderr, reason = "figures are for who reads the log of the tests")]
fn report(what: &str, sent: u64, cost: f64, call_cost: f64) {
    let (cost, call_cost) = (cost * 1e6, call_cost * 1e3);
    eprintln!("{what}: {sent} datagrams cost the server {cost:.1} µs of CPU each; a call costs {call_cost:.1} ms");
}
