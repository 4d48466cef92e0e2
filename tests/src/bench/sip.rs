//! `sip`: what a registration and a call cost the server, beside Kamailio with the same sipp scenarios.
//!
//! Both are given the same: registrations with their digest challenge, and calls that a registered callee answers. Ours is
//! asked for more than the peer: each of its calls ends in a durable row and has ports of the relay.

mod kamailio;
mod load;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::{Bar, Row, percentile, processor};
use crate::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment, text};
use kamailio::Kamailio;
use load::{User, Volume};

/// How often each of the two is measured, in turns.
const ROUNDS: usize = 3;
/// Users that register again and again.
const USERS: usize = 500;
const REGISTRATIONS: Volume = Volume { times: 4_000, per_second: 1_000 };
const CALLS: Volume = Volume { times: 1_000, per_second: 200 };
/// Before a round counts, so that both have what they need in memory.
const WARM_UP: Volume = Volume { times: 200, per_second: 200 };

/// A server under load.
struct Server {
    address: SocketAddr,
    pid: u32,
    users: Vec<User>,
    /// Whose contact the calls ring.
    callee: User,
    folder: PathBuf,
    figures: Figures,
}

/// What was measured, a value a round.
#[derive(Default)]
struct Figures {
    register_us: Vec<f64>,
    call_us: Vec<f64>,
    retransmissions: f64,
    resident_mb: f64,
}

/// Runs the bench in `folder`.
pub async fn run(folder: &Path) -> Result<Vec<Row>> {
    let deployment = Deployment::start(folder, None).await?;
    let kamailio = Kamailio::start(folder, &deployment.logs()).await?;
    let mut servers = [ours(&deployment).await?, peer(&kamailio, folder)?];
    for server in &mut servers {
        server.round(WARM_UP, WARM_UP).await.context("warming up")?;
        server.figures = Figures::default();
    }
    for round in 0..ROUNDS {
        // Who begins changes, so that neither always gets the quieter machine.
        for turn in 0..2 {
            servers[(round + turn) % 2].round(REGISTRATIONS, CALLS).await?;
        }
    }
    kamailio.stop().await?;
    deployment.stop().await?;
    let [ours, peer] = servers.map(|server| server.figures);
    Ok(rows(ours, peer))
}

impl Server {
    async fn round(&mut self, registrations: Volume, calls: Volume) -> Result<()> {
        let begun = processor::seconds_of(self.pid)?;
        let port = load::free_port()?;
        let seen = load::register(self.address, &self.users, port, registrations, &self.folder).await?;
        let registered = processor::seconds_of(self.pid)?;
        self.figures.register_us.push((registered - begun) * 1e6 / seen.succeeded);
        self.figures.retransmissions += seen.retransmissions;

        let port = load::free_port()?;
        let once = Volume { times: 1, per_second: 1 };
        load::register(self.address, std::slice::from_ref(&self.callee), port, once, &self.folder).await?;
        let callee = load::answer(port, &self.folder)?;
        let begun = processor::seconds_of(self.pid)?;
        let seen = load::call(self.address, CONTACT_NUMBER, COMPANY_NUMBER, calls, &self.folder).await?;
        self.figures.call_us.push((processor::seconds_of(self.pid)? - begun) * 1e6 / seen.succeeded);
        self.figures.retransmissions += seen.retransmissions;
        self.figures.resident_mb = processor::resident_mb_of(self.pid)?;
        drop(callee);
        Ok(())
    }
}

/// Our server; its callee is a desk phone of the user who owns the caller's record.
async fn ours(deployment: &Deployment) -> Result<Server> {
    let mut users = Vec::new();
    for number in 0..USERS {
        let person = deployment.admin().post("/v1/users", &json!({ "name": format!("User {number}") })).await?;
        users.push(desk_phone(deployment, text(&person, "id")?).await?);
    }
    let callee = desk_phone(deployment, deployment.user()).await?;
    let (address, folder) = (deployment.sip_udp(), deployment.folder().join("load-ours"));
    let pid = deployment.server_pid().context("the server ended")?;
    Server::new(address, pid, users, callee, folder)
}

async fn desk_phone(deployment: &Deployment, user: &str) -> Result<User> {
    let wanted = json!({ "kind": "desk", "user": user, "name": "bench" });
    let made = deployment.admin().post("/v1/devices", &wanted).await?;
    Ok(User { name: text(&made, "username")?.to_owned(), password: text(&made, "password")?.to_owned() })
}

/// Kamailio; its callee is registered under the number itself.
fn peer(kamailio: &Kamailio, folder: &Path) -> Result<Server> {
    let user = |name: String| User { name, password: kamailio::PASSWORD.to_owned() };
    let users = (0..USERS).map(|number| user(format!("u{number}"))).collect();
    let callee = user(COMPANY_NUMBER.to_owned());
    Server::new(kamailio.address(), kamailio.pid()?, users, callee, folder.join("load-peer"))
}

impl Server {
    fn new(address: SocketAddr, pid: u32, users: Vec<User>, callee: User, folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { address, pid, users, callee, folder, figures: Figures::default() })
    }
}

fn rows(mut ours: Figures, mut peer: Figures) -> Vec<Row> {
    let row = |what: &str, unit, ours, peer, bar| Row { what: what.to_owned(), unit, ours, peer: Some(peer), bar };
    let mut median = |pick: fn(&mut Figures) -> &mut Vec<f64>| {
        (percentile(pick(&mut ours), 50.0), percentile(pick(&mut peer), 50.0))
    };
    let register = median(|figures| &mut figures.register_us);
    let call = median(|figures| &mut figures.call_us);
    vec![
        row("CPU a registration with its challenge", "µs", register.0, register.1, Bar::RatioAtMost(1.0)),
        row("CPU a call", "µs", call.0, call.1, Bar::RatioAtMost(1.0)),
        row("retransmissions in all", "", ours.retransmissions, peer.retransmissions, Bar::None),
        row("resident memory", "MB", ours.resident_mb, peer.resident_mb, Bar::None),
    ]
}
