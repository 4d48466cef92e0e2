//! Calls that a phone begins (`callfield-phone dial`), with sipp as the PBX that is called.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment, text};
use callfield_tests::phone::{Model, Phone};
use callfield_tests::sound;
use serde_json::{Value, json};

use crate::office::Office;
use crate::pbx::{self, Callee};
use crate::postgres::fresh_schema;
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "android", service: "fcm" };
/// How long an event of the phone may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The tone the phone plays, and hears again: the PBX echoes it.
const TONE_HZ: f64 = 660.0;
/// The share of a tone in what was heard, below which it counts as not heard.
const TONE_SHARE_MIN: f64 = 0.5;
/// A number in a country that is blocked unless a company wants it (T2).
const BLOCKED_NUMBER: &str = "+861012345678";
/// The steps of a call that is answered, in the order in which they must come.
const ON_THE_TIMELINE: &[&str] =
    &["invited", "routed", "invite_forwarded", "device_ringing", "answered", "hung_up", "durable"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_calls_somebody_on_sqlite() {
    phone_calls(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_calls_somebody_on_postgres() {
    if let Some(url) = fresh_schema().await {
        phone_calls(Some(&url)).await;
    }
}

async fn phone_calls(database: Option<&str>) {
    if !pbx::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let mut desk = match Desk::open(&story, database).await {
        Ok(desk) => desk,
        Err(error) => return story.fail(&error),
    };
    story.chapter("the phone calls, talks and hangs up", desk.talks()).await;
    story.chapter("the call is logged under its own id", desk.logs()).await;
    story.chapter("the far end hangs up", desk.is_hung_up_on()).await;
    story.chapter("the far end is busy", desk.finds_it_busy()).await;
    story.chapter("the phone gives up", desk.gives_up()).await;
    story.chapter("a trunk that wants proof gets it", desk.proves_itself()).await;
    story.chapter("the next trunk takes what the first refuses", desk.takes_the_next_trunk()).await;
    story.chapter("a blocked country is refused", desk.is_refused_a_blocked_country()).await;
    story.chapter("an emergency number is left to the phone", desk.leaves_emergencies_alone()).await;
    story.chapter("everything stops by itself", desk.office.stop()).await;
    story.end();
}

/// A phone, and a PBX that takes the company's calls.
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
        let credentials = json!({ "username": "company", "password": "correct-horse" });
        let trunk = json!({
            "name": "callee", "kind": "static", "addresses": ["127.0.0.1"], "outgoing": outgoing, "credentials": credentials,
        });
        deployment.admin().post("/v1/trunks", &trunk).await?;
        let phone = Phone::enrol(&deployment, PHONE).await?;
        Ok(Self { office: Office { deployment }, phone, port })
    }

    async fn talks(&self) -> Result<()> {
        let folder = self.office.deployment.folder();
        let (tone, heard) = (folder.join("phone-tone.wav"), folder.join("phone-heard.wav"));
        sound::write_tone(&tone, TONE_HZ)?;
        let pbx = self.callee("callee")?;
        let (tone, record) = (tone.display().to_string(), heard.display().to_string());
        self.dial(CONTACT_NUMBER, &["--for", "2", "--play", &tone, "--record", &record]).await?;
        pbx.end().await?;

        let share = sound::share_of_tone(&sound::read(&heard)?, TONE_HZ);
        ensure!(share > TONE_SHARE_MIN, "only {:.0} % of what the phone heard is its echo", share * 100.0);
        let call = self.newest("completed").await?;
        ensure!(call["from"] == COMPANY_NUMBER && call["to"] == CONTACT_NUMBER, "the call is {call}");
        ensure!(call["user"] == self.office.deployment.user(), "the call is nobody's: {call}");
        let talk_ms = call["talk_ms"].as_i64().unwrap_or_default();
        ensure!((1_500..6_000).contains(&talk_ms), "they talked for {talk_ms} ms instead of two seconds");
        self.check_timeline(&call).await
    }

    async fn check_timeline(&self, call: &Value) -> Result<()> {
        let timeline = self.office.timeline(call).await?;
        let mut places = ON_THE_TIMELINE.iter().map(|milestone| {
            let place = timeline.iter().position(|event| event["milestone"] == *milestone);
            place.with_context(|| format!("`{milestone}` is missing in {timeline:?}"))
        });
        let places = places.by_ref().collect::<Result<Vec<_>>>()?;
        ensure!(places.is_sorted(), "an effect comes before its cause in {timeline:?}");
        Ok(())
    }

    /// The phone's log and the server's facts meet in one record, which names the contact.
    async fn logs(&self) -> Result<()> {
        let call = self.newest("completed").await?;
        let id = text(&call, "id")?;
        self.phone.once(&["log", id, "--result", "interested"]).await?;
        self.phone.once(&["sync"]).await?;
        let view = self.office.deployment.admin().get(&format!("/v1/calls/{id}")).await?;
        ensure!(view["log"]["result"] == "interested", "the call has no log: {view}");
        ensure!(view["log"]["outcome"] == "completed", "the log lacks the server's facts: {view}");
        let contact = self.office.deployment.contact();
        ensure!(view["log"].to_string().contains(contact), "the log does not name the contact {contact}: {view}");
        Ok(())
    }

    async fn is_hung_up_on(&self) -> Result<()> {
        let pbx = self.callee("callee_hangs_up")?;
        self.dial(CONTACT_NUMBER, &[]).await?;
        pbx.end().await?;
        let call = self.newest("completed").await?;
        let timeline = self.office.timeline(&call).await?;
        let is_by_callee = timeline.iter().any(|event| event["milestone"] == "hung_up" && event["detail"] == "callee");
        ensure!(is_by_callee, "the callee hung up, and the timeline is {timeline:?}");
        Ok(())
    }

    async fn finds_it_busy(&self) -> Result<()> {
        let pbx = self.callee("callee_busy")?;
        self.is_refused(CONTACT_NUMBER, "busy").await?;
        pbx.end().await?;
        self.newest("busy").await.map(drop)
    }

    async fn gives_up(&mut self) -> Result<()> {
        let pbx = self.callee("callee_cancelled")?;
        self.phone.wait(&[]).await?;
        self.phone.say(&format!("dial {CONTACT_NUMBER}")).await?;
        let rings = self.phone.event("remote_ringing", LIMIT).await?;
        self.phone.say("end").await?;
        let ended = self.phone.event("ended", LIMIT).await?;
        ensure!(ended["reason"] == "hung_up" && ended["call"] == rings["call"], "the phone ended with {ended}");
        self.phone.event("asleep", LIMIT).await?;
        self.phone.stop().await?;
        pbx.end().await?;
        let call = self.newest("canceled").await?;
        ensure!(call["id"] == rings["call"], "the newest call is not the phone's");
        Ok(())
    }

    /// sipp itself checks the proof of the INVITE (401), and sees one of the BYE (407).
    async fn proves_itself(&self) -> Result<()> {
        let pbx = self.callee("callee_wants_proof")?;
        self.dial(CONTACT_NUMBER, &["--for", "1"]).await?;
        pbx.end().await?;
        self.newest("completed").await.map(drop)
    }

    async fn takes_the_next_trunk(&self) -> Result<()> {
        let port = Callee::port()?;
        let outgoing = json!({ "host": "127.0.0.1", "port": port });
        let addresses = ["127.0.0.1"];
        let trunk = json!({
            "name": "second", "kind": "static", "addresses": addresses, "outgoing": outgoing, "priority": 200,
        });
        let second = self.office.deployment.admin().post("/v1/trunks", &trunk).await?;
        let first = self.callee("callee_unavailable")?;
        let pbx = Callee::wait("callee", port, self.office.deployment.folder())?;
        self.dial(CONTACT_NUMBER, &["--for", "1"]).await?;
        first.end().await?;
        pbx.end().await?;
        let call = self.newest("completed").await?;
        let timeline = self.office.timeline(&call).await?;
        let way = timeline.iter().rfind(|event| event["milestone"] == "invite_forwarded");
        ensure!(way.is_some_and(|event| event["detail"] == second["id"]), "it went another way: {timeline:?}");
        Ok(())
    }

    async fn is_refused_a_blocked_country(&self) -> Result<()> {
        self.is_refused(BLOCKED_NUMBER, "refused").await?;
        self.newest("blocked").await.map(drop)
    }

    async fn leaves_emergencies_alone(&self) -> Result<()> {
        let calls = self.office.calls().await?.len();
        self.is_refused("110", "emergency").await?;
        ensure!(self.office.calls().await?.len() == calls, "an emergency call reached the server");
        Ok(())
    }

    fn callee(&self, scenario: &'static str) -> Result<Callee> {
        Callee::wait(scenario, self.port, self.office.deployment.folder())
    }

    async fn dial(&self, number: &str, args: &[&str]) -> Result<String> {
        self.phone.once(&[&["dial", number], args].concat()).await
    }

    async fn is_refused(&self, number: &str, word: &str) -> Result<()> {
        match self.dial(number, &[]).await {
            Ok(said) => bail!("the phone talked to {number}: {said}"),
            Err(error) if format!("{error:#}").contains(word) => Ok(()),
            Err(error) => Err(error.context(format!("the phone does not say `{word}`"))),
        }
    }

    /// The newest call, which must be outbound and have ended so.
    async fn newest(&self, outcome: &str) -> Result<Value> {
        let call = self.office.newest_call().await?;
        ensure!(call["direction"] == "outbound" && call["outcome"] == outcome, "the call is {call}");
        Ok(call)
    }
}
