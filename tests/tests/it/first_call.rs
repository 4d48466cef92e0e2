//! The story that the demo tells, on both databases.

use anyhow::{Context, Result, ensure};
use callfield_tests::first_call::{Narrator, tell};

use crate::postgres::fresh_schema;
use crate::story::Story;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_wakes_two_phones_is_logged_offline_and_synced_on_sqlite() {
    first_call(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_wakes_two_phones_is_logged_offline_and_synced_on_postgres() {
    if let Some(url) = fresh_schema().await {
        first_call(Some(&url)).await;
    }
}

async fn first_call(database: Option<&str>) {
    let mut story = Story::begin();
    let folder = story.folder().to_owned();
    let engine = if database.is_some() { "postgres" } else { "sqlite" };
    let told = async {
        let mut seen = Seen::default();
        let outcome = tell(&folder, database, &mut seen).await.with_context(|| seen.0.join("\n"))?;
        let health = outcome.deployment.admin().get("/health").await?;
        ensure!(health["database"] == engine, "the story was told on {} instead of {engine}", health["database"]);
        stopped(outcome.deployment.stop().await)
    };
    story.chapter("the first call", told).await;
    story.end();
}

fn stopped(cleanly: Result<bool>) -> Result<()> {
    ensure!(cleanly?, "a program did not end by itself with status 0");
    Ok(())
}

/// How far the story came.
#[derive(Default)]
struct Seen(Vec<String>);

impl Narrator for Seen {
    fn begins(&mut self, step: &str) {
        self.0.push(step.to_owned());
    }

    fn seen(&mut self, facts: &str) {
        self.0.push(format!("  seen: {facts}"));
    }
}
