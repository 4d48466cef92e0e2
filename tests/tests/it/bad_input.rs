//! What must not hurt: wrong settings, wrong codes, broken messages, poisoned changes. Each is refused with one clear
//! line, nothing is half done, and everybody else is served as before.

mod devices;
mod enrolment;
mod requests;
mod sip;
mod startup;
mod sync;

use callfield_tests::deployment::Deployment;

use crate::story::Story;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_requests_and_messages_hurt_nobody() {
    let mut story = Story::begin();
    let deployment = match Deployment::start(story.folder(), None).await {
        Ok(deployment) => deployment,
        Err(error) => return story.fail(&error),
    };
    enrolment::tell(&mut story, &deployment).await;
    requests::tell(&mut story, &deployment).await;
    sip::tell(&mut story, &deployment).await;
    sync::tell(&mut story, &deployment).await;
    let stopped = async {
        anyhow::ensure!(deployment.stop().await?, "a program did not end by itself with status 0");
        Ok(())
    };
    story.chapter("everything stops by itself", stopped).await;
    story.end();
}
