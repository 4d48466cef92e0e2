//! The first call, whole: a PBX call wakes two sleeping phones, one answers, the call is logged offline and synced.
//!
//! Everything is asserted from outside: the API, the ledgers of the push services, the WAVs, the phones' own events.

mod after;
mod ringing;
mod timeline;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::deployment::Deployment;
use crate::phone::{Model, Phone};

pub use timeline::lines as timeline_lines;

/// The phone that answers.
const ANDROID: Model = Model { name: "android", platform: "android", service: "fcm" };
/// The phone that is told "answered elsewhere".
const IPHONE: Model = Model { name: "iphone", platform: "ios", service: "apns" };

/// Says what happens while it happens.
pub trait Narrator {
    /// A step begins.
    fn begins(&mut self, step: &str);
    /// A step was seen to happen.
    fn seen(&mut self, facts: &str);
}

/// What came of the story.
pub struct Outcome {
    /// What is still running.
    pub deployment: Deployment,
    /// The call's id.
    pub call: String,
    /// The call as the API shows it.
    pub call_view: Value,
    /// The follow-up task as the API shows it.
    pub task: Value,
    /// The contact as the API shows it: the merged number and the conflict.
    pub contact: Value,
    /// The why-it-rang timeline.
    pub timeline: Value,
}

/// Tells the story in `folder`; `database` is the server's database URL, `None` for its default.
pub async fn tell(folder: &Path, database: Option<&str>, narrator: &mut dyn Narrator) -> Result<Outcome> {
    narrator.begins("starting the fake push services and the server, seeding one tenant");
    let began = Instant::now();
    let deployment = Deployment::start(folder, database).await.context("step `start`")?;
    narrator.seen(&format!("{} serves after {} ms", deployment.base(), began.elapsed().as_millis()));

    narrator.begins("enrolling an Android phone and an iPhone; both pull their records and go to sleep");
    let mut phones = ringing::enrol(&deployment).await.context("step `enrol`")?;
    narrator.seen("both hold Tanaka Ichiro and keep no connection open");

    narrator.begins("the PBX calls the company number");
    let call = ringing::call(&deployment, &mut phones, narrator).await.context("step `call`")?;

    narrator.begins("the Android phone loses its network, logs the call and edits the contact; so does the office");
    after::log_offline(&deployment, &mut phones.android, &call).await.context("step `log offline`")?;
    narrator.seen("the log, a follow-up and two edits wait on the phone");

    narrator.begins("the network returns");
    let found = after::sync(&deployment, &mut phones.android, &call).await.context("step `sync`")?;
    narrator.seen("the server holds everything, and lost nothing");
    phones.stop().await.context("step `stop the phones`")?;

    let timeline = deployment.admin().get(&format!("/v1/calls/{call}/timeline")).await?;
    timeline::check(&timeline).context("step `timeline`")?;
    Ok(Outcome { deployment, call, call_view: found.call, task: found.task, contact: found.contact, timeline })
}

/// The two phones of the story.
struct Phones {
    android: Phone,
    iphone: Phone,
}

impl Phones {
    async fn stop(&mut self) -> Result<()> {
        self.android.stop().await?;
        self.iphone.stop().await
    }
}
