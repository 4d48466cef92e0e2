//! Calls that ring their own user first (`POST /v1/calls`): the headless phone is woken, and sipp is the customer.

use std::time::Duration;

use anyhow::{Result, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NAME, CONTACT_NUMBER, Deployment, text};
use callfield_tests::phone::{Model, Phone};
use callfield_tests::sound;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::office::Office;
use crate::pbx::{self, Callee};
use crate::postgres::fresh_schema;
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "ios", service: "apns" };
const LIMIT: Duration = Duration::from_secs(10);
/// The tone the phone plays, and hears again: sipp echoes it.
const TONE_HZ: f64 = 660.0;
/// The share of a tone in what was heard, below which it counts as not heard.
const TONE_SHARE_MIN: f64 = 0.5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_called_back_on_sqlite() {
    is_called_back(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_called_back_on_postgres() {
    if let Some(url) = fresh_schema().await {
        is_called_back(Some(&url)).await;
    }
}

async fn is_called_back(database: Option<&str>) {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let mut desk = match Desk::open(&story, database).await {
        Ok(desk) => desk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("the phone is woken, then the customer is called, and hears", desk.talks()).await;
    story.chapter("the customer hangs up", desk.is_hung_up_on()).await;
    story.chapter("the call is taken back while the customer rings", desk.takes_back()).await;
    story.chapter("an emergency number is refused in words", desk.refuses()).await;
    story.chapter("everything stops by itself", desk.office.stop()).await;
    story.end();
}

struct Desk {
    office: Office,
    phone: Phone,
    port: u16,
}

impl Desk {
    async fn open(story: &Story, database: Option<&str>) -> Result<Self> {
        let deployment = Deployment::start(story.folder(), database).await?;
        let port = Callee::port()?;
        let outgoing = json!({ "host": "127.0.0.1", "port": port });
        let trunk = json!({ "name": "callee", "kind": "static", "addresses": ["127.0.0.1"], "outgoing": outgoing });
        deployment.admin().post("/v1/trunks", &trunk).await?;
        let phone = Phone::enrol(&deployment, PHONE).await?;
        Ok(Self { office: Office { deployment }, phone, port })
    }

    async fn talks(&mut self) -> Result<()> {
        let folder = self.office.deployment.folder();
        let (tone, heard) = (folder.join("phone-tone.wav"), folder.join("phone-heard.wav"));
        sound::write_tone(&tone, TONE_HZ)?;
        let (tone, record) = (tone.display().to_string(), heard.display().to_string());
        self.phone.wait(&["--answer-after", "300", "--play", &tone, "--record", &record]).await?;
        let customer = self.customer("callee")?;
        let call = self.wish().await?;
        let rings = self.phone.event("ringing", LIMIT).await?;
        let is_known = rings["name"].as_str().is_some_and(|name| name.starts_with(CONTACT_NAME));
        ensure!(rings["call"] == call && is_known, "the phone shows {rings}");
        self.phone.event("established", LIMIT).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.phone.say("end").await?;
        self.phone.event("asleep", LIMIT).await?;
        self.phone.stop().await?;
        customer.end().await?;
        let share = sound::share_of_tone(&sound::read(&heard)?, TONE_HZ);
        ensure!(share > TONE_SHARE_MIN, "only {:.0} % of what the phone heard is its echo", share * 100.0);

        let call = self.newest("completed").await?;
        ensure!(call["from"] == COMPANY_NUMBER && call["to"] == CONTACT_NUMBER, "the call is {call}");
        ensure!(call["user"] == self.office.deployment.user(), "the call is nobody's: {call}");
        let timeline = self.office.timeline(&call).await?;
        let milestones: Vec<&str> = timeline.iter().filter_map(|event| event["milestone"].as_str()).collect();
        ensure!(milestones.first() == Some(&"requested"), "it begins otherwise: {milestones:?}");
        let answers = milestones.iter().filter(|milestone| **milestone == "answered").count();
        ensure!(answers == 2 && milestones.contains(&"push_sent"), "a step is missing: {milestones:?}");
        Ok(())
    }

    async fn is_hung_up_on(&mut self) -> Result<()> {
        self.phone.wait(&["--answer-after", "300"]).await?;
        let customer = self.customer("callee_hangs_up")?;
        self.wish().await?;
        let ended = self.phone.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "remote_hung_up", "the phone ended the call because of {ended}");
        customer.end().await?;
        self.newest("completed").await.map(drop)?;
        self.phone.event("asleep", LIMIT).await?;
        self.phone.stop().await
    }

    async fn takes_back(&mut self) -> Result<()> {
        self.phone.wait(&["--answer-after", "300"]).await?;
        let customer = self.customer("callee_cancelled")?;
        let call = self.wish().await?;
        self.phone.event("established", LIMIT).await?;
        let path = format!("/v1/calls/{}", text(&json!({ "id": call }), "id")?);
        while !self.has_rung(&path).await? {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let reply = self.office.deployment.admin().call(Method::DELETE, &path, None).await?;
        ensure!(reply.status == StatusCode::NO_CONTENT, "it was answered {reply:?}");
        self.phone.event("ended", LIMIT).await?;
        customer.end().await?;
        self.newest("canceled").await.map(drop)?;
        self.phone.event("asleep", LIMIT).await?;
        self.phone.stop().await
    }

    /// Whether the customer rings.
    async fn has_rung(&self, path: &str) -> Result<bool> {
        let timeline = self.office.deployment.admin().get(&format!("{path}/timeline")).await?;
        let events = timeline["events"].as_array().cloned().unwrap_or_default();
        Ok(events.iter().any(|event| event["milestone"] == "device_ringing" && event["device"].is_null()))
    }

    async fn refuses(&self) -> Result<()> {
        let wish = json!({ "to": "110", "user": self.office.deployment.user() });
        let reply = self.office.deployment.admin().call(Method::POST, "/v1/calls", Some(&wish)).await?;
        ensure!(reply.status == StatusCode::FORBIDDEN, "it was answered {reply:?}");
        ensure!(reply.body["error"]["code"] == "emergency_number", "it was answered {reply:?}");
        Ok(())
    }

    fn customer(&self, scenario: &'static str) -> Result<Callee> {
        Callee::wait(scenario, self.port, self.office.deployment.folder())
    }

    async fn wish(&self) -> Result<Value> {
        let wish = json!({ "to": CONTACT_NUMBER, "user": self.office.deployment.user() });
        Ok(self.office.deployment.admin().post("/v1/calls", &wish).await?["id"].clone())
    }

    /// The newest call, which must be outbound and have ended so.
    async fn newest(&self, outcome: &str) -> Result<Value> {
        let call = self.office.newest_call().await?;
        ensure!(call["direction"] == "outbound" && call["outcome"] == outcome, "the call is {call}");
        Ok(call)
    }
}
