//! sipp as a desk phone: it registers with digest, is called at the port that it registered from, and calls.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callfield_tests::deployment::{CONTACT_NUMBER, Deployment, text};
use serde_json::{Value, json};

use crate::counters::Counters;
use crate::office::Office;
use crate::pbx::{self, Callee, Caller, Transport};
use crate::story::Story;

/// How long a call rings: nobody wants to wait for 45 s.
const RING_MS: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sipp_registers_as_a_desk_phone_is_called_and_calls() {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let mut desk = match Desk::open(&story).await {
        Ok(desk) => desk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("a wrong password is refused", desk.is_refused()).await;
    story.chapter("it registers over TCP and leaves with its connection", desk.registers_over_tcp()).await;
    story.chapter("it registers over UDP", desk.registers()).await;
    story.chapter("it answers", desk.is_called("callee", "answered", "completed")).await;
    story.chapter("it hangs up", desk.is_called("callee_hangs_up", "hung_up_on", "completed")).await;
    story.chapter("it is busy", desk.is_called("callee_busy", "busy", "busy")).await;
    story.chapter("the caller gives up", desk.is_called("callee_cancelled", "cancelled", "canceled")).await;
    story.chapter("nobody answers", desk.is_called("callee_cancelled", "no_answer", "no_answer")).await;
    story.chapter("it calls", desk.calls("desk_calls", "callee", "completed")).await;
    story.chapter("it takes its registration back", desk.unregisters()).await;
    story.chapter("everything stops by itself", desk.office.stop()).await;
    story.end();
}

/// An account, the port of its phone, and the port of a PBX that is called.
struct Desk {
    office: Office,
    login: Value,
    phone: u16,
    pbx: u16,
    last: String,
}

impl Desk {
    async fn open(story: &Story) -> Result<Self> {
        let settings = json!({ "sip": { "ring_ms": RING_MS } });
        let office = Office { deployment: Deployment::start_with(story.folder(), None, &settings).await? };
        let (phone, pbx) = (Callee::port()?, Callee::port()?);
        let admin = office.deployment.admin();
        let outgoing = json!({ "host": "127.0.0.1", "port": pbx });
        let trunk = json!({ "name": "callee", "kind": "static", "addresses": ["127.0.0.1"], "outgoing": outgoing });
        admin.post("/v1/trunks", &trunk).await?;
        let body = json!({ "kind": "desk", "user": office.deployment.user(), "name": "sipp" });
        let login = admin.post("/v1/devices", &body).await?;
        Ok(Self { office, login, phone, pbx, last: String::new() })
    }

    async fn is_refused(&self) -> Result<()> {
        let counters = Counters::of(&self.office.deployment);
        let before = counters.refused("wrong_credentials").await?;
        let (user, domain) = (text(&self.login, "username")?, text(&self.login, "domain")?);
        self.sipp("register_refused").logged_in((user, "guess", domain)).run().await?;
        counters.wait_for_refusal("wrong_credentials", before).await
    }

    /// Its flow is its connection: who calls then finds nobody.
    async fn registers_over_tcp(&mut self) -> Result<()> {
        self.as_phone("register")?.transport(Transport::Tcp).run().await?;
        self.sipp("no_answer").run().await.context("a call to nobody")?;
        self.newest("missed_device_unreachable").await
    }

    async fn registers(&self) -> Result<()> {
        self.as_phone("register")?.at_port(self.phone).run().await
    }

    async fn is_called(&mut self, as_phone: &'static str, as_caller: &'static str, outcome: &str) -> Result<()> {
        let phone = Callee::wait(as_phone, self.phone, self.office.deployment.folder())?;
        self.sipp(as_caller).run().await?;
        phone.end().await.context("the phone")?;
        self.newest(outcome).await
    }

    async fn calls(&mut self, as_phone: &'static str, as_callee: &'static str, outcome: &str) -> Result<()> {
        let callee = Callee::wait(as_callee, self.pbx, self.office.deployment.folder())?;
        self.as_phone(as_phone)?.at_port(self.phone).run().await?;
        callee.end().await.context("who is called")?;
        self.newest(outcome).await
    }

    async fn unregisters(&mut self) -> Result<()> {
        self.as_phone("unregister")?.at_port(self.phone).run().await?;
        self.sipp("no_answer").run().await.context("a call to nobody")?;
        self.newest("missed_device_unreachable").await
    }

    /// sipp as the PBX that calls the company.
    fn sipp(&self, scenario: &'static str) -> Caller {
        Caller::new(scenario, CONTACT_NUMBER, self.office.deployment.folder(), self.office.places())
    }

    fn as_phone(&self, scenario: &'static str) -> Result<Caller> {
        let [user, password, domain] =
            [text(&self.login, "username")?, text(&self.login, "password")?, text(&self.login, "domain")?];
        Ok(self.sipp(scenario).callee(CONTACT_NUMBER).logged_in((user, password, domain)))
    }

    /// The call that came after the one looked at last has ended so.
    async fn newest(&mut self, outcome: &str) -> Result<()> {
        let call = loop {
            let call = self.office.newest_call().await?;
            if call["id"] != self.last.as_str() {
                break call;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        text(&call, "id")?.clone_into(&mut self.last);
        ensure!(call["outcome"] == outcome, "the call is {call}");
        Ok(())
    }
}
