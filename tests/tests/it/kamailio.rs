//! Kamailio as the PBX in front: a proxy that forks and stays in the route, and a registrar with digest.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment, text};
use callfield_tests::phone::{Model, Phone};
use callfield_tests::process::Process;
use callfield_tests::sound;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::office::Office;
use crate::pbx::{self, Callee, Caller};
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "android", service: "fcm" };
/// How long one thing may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long Kamailio has for an answer before it is asked again.
const PATIENCE: Duration = Duration::from_millis(100);
const CONFIG: &str = include_str!("../../peers/kamailio/kamailio.cfg");
const TONE_HZ: f64 = 660.0;
const TONE_SHARE_MIN: f64 = 0.5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kamailio_forks_the_calls_of_a_static_trunk() {
    if !are_installed() {
        return;
    }
    let mut story = Story::begin();
    let front = match Front::open(&story, "static").await {
        Ok(front) => front,
        Err(error) => return story.fail(&error),
    };
    story.chapter("one of three phones answers", front.one_of_three_answers()).await;
    story.chapter("the one that answered hangs up", front.one_of_three_hangs_up()).await;
    story.chapter("the caller gives up while all three ring", front.gives_up()).await;
    story.chapter("all three are busy", front.finds_all_busy()).await;
    story.chapter("everything stops by itself", Box::pin(front.stop())).await;
    story.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kamailio_takes_a_registration_and_calls_come_on_it() {
    if !are_installed() {
        return;
    }
    let mut story = Story::begin();
    let front = match Front::open(&story, "registering").await {
        Ok(front) => front,
        Err(error) => return story.fail(&error),
    };
    story.chapter("the trunk registers", front.registers()).await;
    story.chapter("a call on the registration is answered", front.is_called()).await;
    story.chapter("a caller gives up", front.is_left_by_the_caller()).await;
    story.chapter("a call goes out as the account", front.one_of_three_answers()).await;
    story.chapter("a removed trunk is registered no more", front.leaves()).await;
    story.chapter("everything stops by itself", Box::pin(front.stop())).await;
    story.end();
}

fn are_installed() -> bool {
    pbx::is_installed() && pbx::is_there("kamailio", "kamailio")
}

/// Kamailio between the server and three phones of sipp.
struct Front {
    office: Office,
    kamailio: Process,
    address: SocketAddr,
    callees: [u16; 3],
    trunk: String,
}

impl Front {
    async fn open(story: &Story, kind: &str) -> Result<Self> {
        let office = Office { deployment: Deployment::start(story.folder(), None).await? };
        let callees = [Callee::port()?, Callee::port()?, Callee::port()?];
        let address = SocketAddr::from(([127, 0, 0, 1], Callee::port()?));
        let kamailio = start(story.folder(), address, office.deployment.sip_udp(), callees).await?;
        let trunk = json!({
            "name": "Kamailio", "kind": kind, "addresses": ["127.0.0.1"], "priority": 1,
            "outgoing": { "host": "127.0.0.1", "port": address.port() },
            "credentials": { "username": "company", "password": "correct-horse" },
        });
        let trunk = office.deployment.admin().post("/v1/trunks", &trunk).await?;
        let trunk = text(&trunk, "id")?.to_owned();
        Ok(Self { office, kamailio, address, callees, trunk })
    }

    async fn one_of_three_answers(&self) -> Result<()> {
        let phone = self.phone("caller").await?;
        let folder = self.office.deployment.folder();
        let (tone, heard) = (folder.join("tone.wav"), folder.join("heard.wav"));
        sound::write_tone(&tone, TONE_HZ)?;
        let (tone, record) = (tone.display().to_string(), heard.display().to_string());
        let callees = self.callees(["callee_cancelled", "callee", "callee_cancelled"])?;
        phone.once(&["dial", CONTACT_NUMBER, "--for", "1", "--play", &tone, "--record", &record]).await?;
        end(callees).await?;
        let share = sound::share_of_tone(&sound::read(&heard)?, TONE_HZ);
        ensure!(share > TONE_SHARE_MIN, "only {:.0} % of what the phone heard is its echo", share * 100.0);
        self.newest("outbound", "completed").await
    }

    async fn one_of_three_hangs_up(&self) -> Result<()> {
        let phone = self.phone("listener").await?;
        let callees = self.callees(["callee_hangs_up", "callee_cancelled", "callee_cancelled"])?;
        phone.once(&["dial", CONTACT_NUMBER]).await?;
        end(callees).await?;
        self.newest("outbound", "completed").await
    }

    async fn gives_up(&self) -> Result<()> {
        let mut phone = self.phone("hasty").await?;
        let callees = self.callees(["callee_cancelled", "callee_cancelled", "callee_cancelled"])?;
        phone.wait(&[]).await?;
        phone.say(&format!("dial {CONTACT_NUMBER}")).await?;
        phone.event("remote_ringing", LIMIT).await?;
        phone.say("end").await?;
        phone.event("ended", LIMIT).await?;
        end(callees).await?;
        phone.event("asleep", LIMIT).await?;
        phone.stop().await?;
        self.newest("outbound", "canceled").await
    }

    async fn finds_all_busy(&self) -> Result<()> {
        let phone = self.phone("unlucky").await?;
        let callees = self.callees(["callee_busy", "callee_busy", "callee_busy"])?;
        match phone.once(&["dial", CONTACT_NUMBER]).await {
            Ok(said) => bail!("the phone talked: {said}"),
            Err(error) => ensure!(format!("{error:#}").contains("busy"), "the phone says {error:#}"),
        }
        end(callees).await?;
        self.newest("outbound", "busy").await
    }

    async fn registers(&self) -> Result<()> {
        let until = Instant::now() + LIMIT;
        loop {
            let trunk = self.office.deployment.admin().get(&format!("/v1/trunks/{}", self.trunk)).await?;
            match &trunk["registration"]["state"] {
                state if state == "registered" => return Ok(()),
                state => ensure!(Instant::now() < until, "the trunk is {state}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn is_called(&self) -> Result<()> {
        let mut phone = self.phone("answerer").await?;
        phone.wait(&["--answer-after", "300"]).await?;
        self.sipp("answered").run().await?;
        let ended = phone.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {}", ended["reason"]);
        phone.event("asleep", LIMIT).await?;
        phone.stop().await?;
        self.newest("inbound", "completed").await
    }

    async fn is_left_by_the_caller(&self) -> Result<()> {
        let mut phone = self.phone("patient").await?;
        phone.wait(&["--ring-only"]).await?;
        self.sipp("cancelled").run().await?;
        let ended = phone.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "cancelled", "the phone ended the call because of {}", ended["reason"]);
        phone.event("asleep", LIMIT).await?;
        phone.stop().await?;
        self.newest("inbound", "canceled").await
    }

    /// Its contact goes with the trunk: who calls hears so of Kamailio.
    async fn leaves(&self) -> Result<()> {
        let path = format!("/v1/trunks/{}", self.trunk);
        self.office.deployment.admin().call(http::Method::DELETE, &path, None).await?;
        let until = Instant::now() + LIMIT;
        while let Err(error) = self.sipp("not_registered").run().await {
            ensure!(Instant::now() < until, "Kamailio still knows the contact: {error:#}");
        }
        Ok(())
    }

    async fn stop(self) -> Result<()> {
        ensure!(self.kamailio.stop(LIMIT).await?, "Kamailio did not end by itself with status 0");
        self.office.stop().await
    }

    async fn phone(&self, name: &'static str) -> Result<Phone> {
        Phone::enrol(&self.office.deployment, Model { name, ..PHONE }).await
    }

    fn callees(&self, scenarios: [&'static str; 3]) -> Result<Vec<Callee>> {
        let waiting = scenarios.into_iter().zip(self.callees);
        waiting.map(|(scenario, port)| Callee::wait(scenario, port, self.office.deployment.folder())).collect()
    }

    /// sipp that calls the company at Kamailio.
    fn sipp(&self, scenario: &'static str) -> Caller {
        let places = [self.address; 3];
        Caller::new(scenario, CONTACT_NUMBER, self.office.deployment.folder(), places).callee(COMPANY_NUMBER)
    }

    async fn newest(&self, direction: &str, outcome: &str) -> Result<()> {
        let call: Value = self.office.newest_call().await?;
        ensure!(call["direction"] == direction && call["outcome"] == outcome, "the call is {call}");
        Ok(())
    }
}

async fn end(callees: Vec<Callee>) -> Result<()> {
    for callee in callees {
        callee.end().await?;
    }
    Ok(())
}

/// Starts Kamailio, and waits until it answers.
async fn start(folder: &Path, address: SocketAddr, server: SocketAddr, callees: [u16; 3]) -> Result<Process> {
    let [first, second, third] = callees.map(|port| port.to_string());
    let config = CONFIG
        .replace("@PORT@", &address.port().to_string())
        .replace("@SERVER@", &server.port().to_string())
        .replace("@CALLEE_1@", &first)
        .replace("@CALLEE_2@", &second)
        .replace("@CALLEE_3@", &third);
    let file = folder.join("kamailio.cfg");
    std::fs::write(&file, config)?;
    let mut command = Command::new("kamailio");
    // Debian keeps it where only root looks.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::env::split_paths(&path).chain(["/usr/sbin".into()]))?;
    command.env("PATH", path).arg("-f").arg(&file).args(["-m", "32", "-M", "8", "-DD", "-E", "-Y"]).arg(folder);
    let kamailio = Process::spawn("kamailio", command, &folder.join("logs"))?;
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await?;
    let own = socket.local_addr()?;
    let ask = format!(
        "OPTIONS sip:{address} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKready;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:test@{own}>;tag=t\r\nTo: <sip:{address}>\r\nCall-ID: ready@{own}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let until = Instant::now() + LIMIT;
    let mut answer = [0; 2_048];
    loop {
        // It is refused until somebody listens.
        let _ = socket.send_to(ask.as_bytes(), address).await;
        match timeout(PATIENCE, socket.recv_from(&mut answer)).await {
            Ok(Ok(_)) => return Ok(kamailio),
            _ if Instant::now() < until => tokio::time::sleep(PATIENCE / 5).await,
            _ => bail!("Kamailio does not answer; see {}", kamailio.log().display()),
        }
    }
}
