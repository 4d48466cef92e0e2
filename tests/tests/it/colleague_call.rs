//! Calls between colleagues: two headless phones of two people, one of them asleep, and no trunk in between.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::deployment::{Deployment, text};
use callfield_tests::phone::{Model, Phone};
use callfield_tests::sound;
use http::Method;
use serde_json::json;

use crate::office::Office;
use crate::story::Story;

const CALLER: Model = Model { name: "suzuki", platform: "android", service: "fcm" };
const COLLEAGUE: Model = Model { name: "sato", platform: "ios", service: "apns" };
const LIMIT: Duration = Duration::from_secs(10);
/// The tone the caller plays.
const TONE_HZ: f64 = 660.0;
/// The share of a tone in what was heard, below which it counts as not heard.
const TONE_SHARE_MIN: f64 = 0.5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_colleague_is_woken_talked_to_and_missed() {
    let mut story = Story::begin();
    let mut house = match House::open(&story).await {
        Ok(house) => house,
        Err(error) => return story.fail(&error),
    };
    story.chapter("a sleeping colleague is woken by the extension and talked to", house.talks()).await;
    story.chapter("a colleague declines", house.is_declined()).await;
    story.chapter("a colleague does not want to be disturbed", house.is_not_disturbed()).await;
    story.chapter("everything stops by itself", house.office.stop()).await;
    story.end();
}

struct House {
    office: Office,
    caller: Phone,
    colleague: Phone,
}

impl House {
    async fn open(story: &Story) -> Result<Self> {
        let deployment = Deployment::start(story.folder(), None).await?;
        let path = format!("/v1/users/{}", deployment.user());
        deployment.admin().patch(&path, "", &json!({ "extension": "201" })).await?;
        let sato = deployment.admin().post("/v1/users", &json!({ "name": "Sato Ken", "extension": "202" })).await?;
        let caller = Phone::enrol(&deployment, CALLER).await?;
        let colleague = Phone::enrol_for(&deployment, text(&sato, "id")?, COLLEAGUE).await?;
        Ok(Self { office: Office { deployment }, caller, colleague })
    }

    async fn talks(&mut self) -> Result<()> {
        let folder = self.office.deployment.folder();
        let (tone, heard) = (folder.join("suzuki-tone.wav"), folder.join("sato-heard.wav"));
        sound::write_tone(&tone, TONE_HZ)?;
        let record = heard.display().to_string();
        self.colleague.wait(&["--answer-after", "300", "--record", &record]).await?;
        self.caller.once(&["dial", "202", "--for", "2", "--play", &tone.display().to_string()]).await?;
        let rings = self.colleague.event("ringing", LIMIT).await?;
        ensure!(rings["name"] == "Suzuki Hanako" && rings["number"] == "201", "the colleague is shown {rings}");
        let ended = self.colleague.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "remote_hung_up", "the colleague's phone ended the call because of {ended}");
        self.colleague.event("asleep", LIMIT).await?;
        self.colleague.stop().await?;
        let share = sound::share_of_tone(&sound::read(&heard)?, TONE_HZ);
        ensure!(share > TONE_SHARE_MIN, "only {:.0} % of what the colleague heard is the caller", share * 100.0);

        let calls = self.office.calls().await?;
        ensure!(calls.len() == 1, "one call was written down as {calls:?}");
        let call = self.office.newest_call().await?;
        ensure!(call["direction"] == "internal" && call["outcome"] == "completed", "the call is {call}");
        ensure!(call["from"] == "201" && call["to"] == "202" && call["id"] == ended["call"], "the call is {call}");
        let timeline = self.office.timeline(&call).await?;
        for milestone in ["push_sent", "registered", "device_ringing", "answered", "hung_up", "durable"] {
            let step = timeline.iter().find(|event| event["milestone"] == milestone);
            step.with_context(|| format!("`{milestone}` is missing in {timeline:?}"))?;
        }
        Ok(())
    }

    async fn is_declined(&mut self) -> Result<()> {
        self.colleague.wait(&["--ring-only"]).await?;
        self.caller.wait(&[]).await?;
        self.caller.say("dial 202").await?;
        self.colleague.event("ringing", LIMIT).await?;
        self.colleague.say("decline").await?;
        let ended = self.caller.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "rejected", "the caller's phone ended the call because of {ended}");
        let call = self.office.newest_call().await?;
        ensure!(call["id"] == ended["call"] && call["outcome"] == "rejected", "the call is {call}");
        self.caller.stop().await?;
        self.colleague.stop().await
    }

    async fn is_not_disturbed(&mut self) -> Result<()> {
        let users = self.office.deployment.admin().get("/v1/users").await?;
        let colleague =
            users["users"].as_array().and_then(|users| users.iter().find(|user| user["extension"] == "202"));
        let path = format!("/v1/users/{}/presence", text(colleague.context("202 is nobody")?, "id")?);
        let admin = self.office.deployment.admin();
        let said = admin.call(Method::PUT, &path, Some(&json!({ "state": "dnd" }))).await?;
        ensure!(said.status.is_success(), "it was answered {said:?}");
        self.colleague.wait(&["--ring-only"]).await?;
        let rung = self.colleague.count("ringing");
        let Err(refused) = self.caller.once(&["dial", "202"]).await else { bail!("somebody answered") };
        ensure!(format!("{refused:#}").contains("busy"), "the caller's phone says {refused:#}");
        let call = self.office.newest_call().await?;
        ensure!(call["outcome"] == "busy" && call["direction"] == "internal", "the call is {call}");
        let timeline = self.office.timeline(&call).await?;
        let is_said = timeline.iter().any(|event| event["milestone"] == "routed" && event["detail"] == "dnd");
        ensure!(is_said, "the timeline does not say why: {timeline:?}");
        self.colleague.stop().await?;
        ensure!(self.colleague.count("ringing") == rung, "the colleague's phone rang");
        Ok(())
    }
}
