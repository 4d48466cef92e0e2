//! sipp as a trunk: it forks our calls, loses messages, does not answer, and is a registrar that calls on a registration.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment, text};
use callfield_tests::phone::{Model, Phone};
use serde_json::json;

use crate::office::Office;
use crate::pbx::{self, Callee};
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "android", service: "fcm" };
/// How long one thing may take.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_forks_loses_and_does_not_answer() {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let trunk = match Trunk::open(&story, "static").await {
        Ok(trunk) => trunk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("of three forks two answer, and one is kept", trunk.is_forked()).await;
    story.chapter("messages are lost", trunk.loses()).await;
    story.chapter("the far end does not answer", trunk.does_not_answer()).await;
    story.chapter("everything stops by itself", trunk.office.stop()).await;
    story.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_is_a_registrar_and_calls_on_the_registration() {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    // It waits before the trunk is there: the first REGISTER decides.
    let trunk = match Trunk::open(&story, "registering").await {
        Ok(trunk) => trunk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("a call comes on the registration", trunk.is_called_on_its_registration()).await;
    story.chapter("everything stops by itself", trunk.office.stop()).await;
    story.end();
}

/// A trunk that sipp plays, and a phone.
struct Trunk {
    office: Office,
    phone: Phone,
    port: u16,
    kind: &'static str,
}

impl Trunk {
    async fn open(story: &Story, kind: &'static str) -> Result<Self> {
        let office = Office { deployment: Deployment::start(story.folder(), None).await? };
        let phone = Phone::enrol(&office.deployment, PHONE).await?;
        let trunk = Self { office, phone, port: Callee::port()?, kind };
        if kind == "static" {
            trunk.add().await?;
        }
        Ok(trunk)
    }

    async fn add(&self) -> Result<String> {
        let trunk = json!({
            "name": "sipp", "kind": self.kind, "addresses": ["127.0.0.1"],
            "outgoing": { "host": "127.0.0.1", "port": self.port },
            "credentials": { "username": "company", "password": "correct-horse" },
        });
        let trunk = self.office.deployment.admin().post("/v1/trunks", &trunk).await?;
        Ok(text(&trunk, "id")?.to_owned())
    }

    /// sipp checks that the second answer is acknowledged, and hung up on.
    async fn is_forked(&self) -> Result<()> {
        let trunk = self.callee("callee_forked", &[])?;
        self.phone.once(&["dial", CONTACT_NUMBER, "--for", "1"]).await?;
        trunk.end().await?;
        self.newest("completed").await
    }

    async fn loses(&self) -> Result<()> {
        let trunk = self.callee("callee", &["-lost", "10"])?;
        self.phone.once(&["dial", CONTACT_NUMBER, "--for", "1"]).await?;
        trunk.end().await?;
        self.newest("completed").await
    }

    async fn does_not_answer(&self) -> Result<()> {
        let trunk = self.callee("callee_no_answer", &[])?;
        match self.phone.once(&["dial", CONTACT_NUMBER]).await {
            Ok(said) => bail!("the phone talked: {said}"),
            Err(error) => ensure!(format!("{error:#}").contains("nobody answered"), "the phone says {error:#}"),
        }
        trunk.end().await?;
        self.newest("no_answer").await
    }

    async fn is_called_on_its_registration(&self) -> Result<()> {
        let mut phone = Phone::enrol(&self.office.deployment, Model { name: "answerer", ..PHONE }).await?;
        phone.wait(&["--answer-after", "300"]).await?;
        let words = ["-key", "caller", CONTACT_NUMBER, "-key", "called", COMPANY_NUMBER];
        let registrar = self.callee("registrar", &words)?;
        let trunk = self.add().await?;
        let ended = phone.event("ended", LIMIT).await.context("the call on the registration")?;
        ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {}", ended["reason"]);
        registrar.end().await?;
        phone.event("asleep", LIMIT).await?;
        phone.stop().await?;
        let view = self.office.deployment.admin().get(&format!("/v1/trunks/{trunk}")).await?;
        ensure!(view["registration"]["state"] == "registered", "the trunk is {view}");
        self.newest("completed").await
    }

    fn callee(&self, scenario: &'static str, args: &[&str]) -> Result<Callee> {
        Callee::wait_with(scenario, self.port, self.office.deployment.folder(), args)
    }

    async fn newest(&self, outcome: &str) -> Result<()> {
        let call = self.office.newest_call().await?;
        ensure!(call["outcome"] == outcome, "the call is {call}");
        Ok(())
    }
}
