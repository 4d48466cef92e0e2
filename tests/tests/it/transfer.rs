//! Calls that a phone passes on (`transfer` typed to `callfield-phone wait`), with sipp at both ends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callfield_tests::deployment::{CONTACT_NUMBER, Deployment};
use callfield_tests::phone::{Model, Phone};
use serde_json::{Value, json};

use crate::office::Office;
use crate::pbx::{self, Callee, Caller};
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "android", service: "fcm" };
/// How long an event of the phone may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Whom the caller is passed on to.
const COLLEAGUE: &str = "03-9876-5432";
const COLLEAGUE_E164: &str = "+81398765432";
/// A number in a country that is blocked unless a company wants it (T2).
const BLOCKED_NUMBER: &str = "+861012345678";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_passes_its_caller_on() {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let mut desk = match Desk::open(&story).await {
        Ok(desk) => desk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("the caller talks with somebody else", desk.passes_on()).await;
    story.chapter("a busy colleague leaves the call as it was", desk.finds_the_colleague_busy()).await;
    story.chapter("nobody is passed on to a blocked country", desk.is_refused_a_blocked_country()).await;
    story.chapter("the phone stops", desk.phone.stop()).await;
    story.chapter("everything stops by itself", desk.office.stop()).await;
    story.end();
}

/// A phone that answers, and a PBX that calls and is called.
struct Desk {
    office: Office,
    phone: Phone,
    port: u16,
}

impl Desk {
    async fn open(story: &Story) -> Result<Self> {
        let deployment = Deployment::start(story.folder(), None).await?;
        let port = Callee::port()?;
        let outgoing = json!({ "host": "127.0.0.1", "port": port });
        let trunk = json!({ "name": "callee", "kind": "static", "addresses": ["127.0.0.1"], "outgoing": outgoing });
        deployment.admin().post("/v1/trunks", &trunk).await?;
        let mut phone = Phone::enrol(&deployment, PHONE).await?;
        phone.wait(&["--answer-after", "200"]).await?;
        Ok(Self { office: Office { deployment }, phone, port })
    }

    async fn passes_on(&mut self) -> Result<()> {
        let (caller, callee) = (self.caller("passed_on"), self.callee("callee")?);
        self.phone.event("established", LIMIT).await?;
        self.phone.say(&format!("transfer {COLLEAGUE}")).await?;
        self.phone.event("transfer_ringing", LIMIT).await?;
        let passed = self.phone.event("transferred", LIMIT).await?;
        let ended = self.phone.event("ended", LIMIT).await?;
        ensure!(ended["call"] == passed["call"] && ended["outcome"] == "completed", "the phone ended with {ended}");
        caller.await??;
        callee.end().await?;
        let call = self.newest(&ended).await?;
        ensure!(call["transferred_to"] == COLLEAGUE_E164, "nobody knows to whom: {call}");
        let timeline = self.office.timeline(&call).await?;
        let at = |milestone: &str| {
            let place = timeline.iter().position(|event| event["milestone"] == milestone);
            place.with_context(|| format!("`{milestone}` is missing in {timeline:?}"))
        };
        let (asked, passed, over) = (at("transfer_asked")?, at("transferred")?, at("hung_up")?);
        ensure!(asked < passed && passed < over, "an effect comes before its cause in {timeline:?}");
        ensure!(timeline[asked]["device"] == call["device"], "nobody knows who asked: {timeline:?}");
        Ok(())
    }

    async fn finds_the_colleague_busy(&mut self) -> Result<()> {
        let (caller, callee) = (self.caller("answered"), self.callee("callee_busy")?);
        self.phone.event("established", LIMIT).await?;
        self.phone.say(&format!("transfer {COLLEAGUE}")).await?;
        let failed = self.phone.event("transfer_failed", LIMIT).await?;
        ensure!(failed["reason"] == "busy", "the transfer failed because of {}", failed["reason"]);
        callee.end().await?;
        self.goes_on(caller).await
    }

    async fn is_refused_a_blocked_country(&mut self) -> Result<()> {
        let caller = self.caller("answered");
        self.phone.event("established", LIMIT).await?;
        self.phone.say(&format!("transfer {BLOCKED_NUMBER}")).await?;
        let failed = self.phone.event("transfer_failed", LIMIT).await?;
        ensure!(failed["reason"] == "rejected", "the transfer failed because of {}", failed["reason"]);
        self.goes_on(caller).await
    }

    /// The call ends as if no transfer had been tried.
    async fn goes_on(&mut self, caller: tokio::task::JoinHandle<Result<()>>) -> Result<()> {
        let ended = self.phone.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {}", ended["reason"]);
        caller.await??;
        let call = self.newest(&ended).await?;
        let timeline = self.office.timeline(&call).await?;
        ensure!(timeline.iter().any(|event| event["milestone"] == "transfer_failed"), "it is {timeline:?}");
        Ok(())
    }

    /// The newest call, which must be the phone's and completed, in one row.
    async fn newest(&self, ended: &Value) -> Result<Value> {
        let call = self.office.newest_call().await?;
        ensure!(call["id"] == ended["call"], "the newest call is not the phone's: {call}");
        ensure!(call["direction"] == "inbound" && call["outcome"] == "completed", "the call is {call}");
        Ok(call)
    }

    fn caller(&self, scenario: &'static str) -> tokio::task::JoinHandle<Result<()>> {
        let caller = Caller::new(scenario, CONTACT_NUMBER, self.office.deployment.folder(), self.office.places());
        tokio::spawn(caller.run())
    }

    fn callee(&self, scenario: &'static str) -> Result<Callee> {
        Callee::wait(scenario, self.port, self.office.deployment.folder())
    }
}
