//! A call that phones never rang for: they learn of it by an alert, show it in the journal and do not ring.

use std::time::Duration;

use anyhow::{Result, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment, text};
use callfield_tests::pbx::{Dial, PbxCall, Progress};
use callfield_tests::phone::{Model, Phone};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::office::Office;
use crate::story::Story;

const PHONES: [Model; 2] = [
    Model { name: "android", platform: "android", service: "fcm" },
    Model { name: "iphone", platform: "ios", service: "apns" },
];
/// How long any single step may take.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_pushes_were_lost_is_told_as_missed_and_does_not_ring() {
    let mut story = Story::begin();
    let deployment = match Deployment::start(story.folder(), None).await {
        Ok(deployment) => deployment,
        Err(error) => return story.fail(&error),
    };
    let office = Office { deployment };
    story.chapter("the caller gives up before a phone is reached", miss(&office)).await;
    story.chapter("everything stops by itself", office.stop()).await;
    story.end();
}

async fn miss(office: &Office) -> Result<()> {
    let deployment = &office.deployment;
    let mut phones = Vec::new();
    for model in PHONES {
        phones.push(Phone::enrol(deployment, model).await?);
        let lost = json!({ "kind": "status", "status": 503, "reason": "ServiceUnavailable" });
        deployment.control().post("/faults", &json!({ "service": model.service, "script": [lost] })).await?;
    }
    let (from, to) = (CONTACT_NUMBER.to_owned(), COMPANY_NUMBER.to_owned());
    let mut pbx = PbxCall::start(Dial { server: deployment.sip_udp(), from, to, tone_hz: 440.0 }).await?;
    pbx.wait_for(LIMIT, |progress| *progress == Progress::Ringing).await?;
    both_pushes_are_lost(office).await?;
    pbx.hang_up().await?;
    pbx.wait_for(LIMIT, |progress| matches!(progress, Progress::Refused(487) | Progress::Ended { .. })).await?;
    let call = office.newest_call().await?;
    ensure!(call["outcome"] == "canceled", "the call is {call}");

    for phone in &mut phones {
        phone.wait(&["--ring-only"]).await?;
        let told = phone.event("push", LIMIT).await?;
        ensure!(told["decision"] == "missed" && told["call"] == call["id"], "the phone was told {told}");
        ensure!(told["caller"]["from"] == CONTACT_NUMBER, "nobody can tell who called: {told}");
        phone.event("journal_changed", LIMIT).await?;
        ensure!(phone.count("ringing") == 0, "a call that is over rings");
        phone.stop().await?;
    }
    let timeline = office.timeline(&call).await?;
    let told = timeline.iter().filter(|step| step["milestone"] == "missed_told").count();
    ensure!(told == PHONES.len(), "{} was told to {told} phones: {timeline:?}", text(&call, "id")?);
    Ok(())
}

/// A wake that has not gone out when the caller gives up never does: what was planned for it would meet the alert.
async fn both_pushes_are_lost(office: &Office) -> Result<()> {
    let lost = async {
        loop {
            if let Some(call) = office.calls().await?.first() {
                let timeline = office.timeline(call).await?;
                if timeline.iter().filter(|step| step["milestone"] == "push_failed").count() == PHONES.len() {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, lost).await?
}
