//! Abuse: floods, scans, peers that do not read. Calls go on, and what is refused costs little.

mod calls;
mod connections;
mod flood;
mod process_figures;
mod sipvicious;

use anyhow::Result;
use callfield_tests::deployment::Deployment;
use callfield_tests::phone::{Model, Phone};

use crate::office::Office;
use crate::story::Story;

const PHONE: Model = Model { name: "phone", platform: "android", service: "fcm" };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_and_peers_that_do_not_read_cost_callers_nothing() {
    let mut story = Story::begin();
    let (office, mut phone) = match open(&story).await {
        Ok(opened) => opened,
        Err(error) => return story.fail(&error),
    };
    story.chapter("calls are answered while garbage floods in", flood::garbage(&office)).await;
    story.chapter("calls are answered while a scanner asks for everybody", flood::scan(&office)).await;
    story.chapter("calls are answered while a peer sends 40 MB and never reads", connections::unread(&office)).await;
    story.chapter("calls are answered while an address floods with connections", connections::flood(&office)).await;
    story.chapter("oversized messages end their connection only", connections::oversized(&office)).await;
    story.chapter("the phone stops", phone.stop()).await;
    story.chapter("everything stops by itself", office.stop()).await;
    story.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_finds_none_of_a_thousand_users() {
    if !sipvicious::is_installed() {
        return;
    }
    let mut story = Story::begin();
    let office = match Deployment::start(story.folder(), None).await {
        Ok(deployment) => Office { deployment },
        Err(error) => return story.fail(&error),
    };
    story.chapter("a thousand users are made", sipvicious::seed(&office)).await;
    story.chapter("sipvicious tells nobody from nobody", sipvicious::scan(&office)).await;
    story.chapter("everything stops by itself", office.stop()).await;
    story.end();
}

/// A company with one phone that answers every call.
async fn open(story: &Story) -> Result<(Office, Phone)> {
    let deployment = Deployment::start(story.folder(), None).await?;
    let mut phone = Phone::enrol(&deployment, PHONE).await?;
    phone.wait(&["--answer-after", "0"]).await?;
    Ok((Office { deployment }, phone))
}
