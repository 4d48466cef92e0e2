//! After the call: logged and edited without a network, merged when it is back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::deployment::{Deployment, text};
use crate::phone::Phone;

const LIMIT: Duration = Duration::from_secs(10);
const PHONE_TITLE: &str = "部長";
const OFFICE_TITLE: &str = "次長";
const MOBILE: &str = "+819012345678";

/// What the server holds in the end.
pub(super) struct Found {
    pub(super) call: Value,
    pub(super) task: Value,
    pub(super) contact: Value,
}

pub(super) async fn log_offline(deployment: &Deployment, phone: &mut Phone, call: &str) -> Result<()> {
    phone.say("network off").await?;
    phone.event("network", LIMIT).await?;
    phone
        .say(&format!("log {call} --result interested --details \"Wants the new catalogue\" --follow-up tomorrow"))
        .await?;
    phone.event("journal_changed", LIMIT).await?;
    let contact = deployment.contact();
    phone.say(&format!("edit {contact} title={PHONE_TITLE} phones.{MOBILE}.type=mobile")).await?;
    phone.event("record_changed", LIMIT).await?;

    let path = format!("/v1/records/{contact}");
    let before = deployment.admin().call(http::Method::GET, &path, None).await?;
    let heads = before.etag.context("the record has no ETag")?;
    let edited = deployment.admin().patch(&path, &heads, &json!({ "title": OFFICE_TITLE })).await?;
    ensure!(edited.status.is_success(), "the office's edit was refused: {} {}", edited.status, edited.body);
    let view = deployment.admin().get(&format!("/v1/calls/{call}")).await?;
    ensure!(view["log"]["result"].is_null(), "the log reached the server without a network");
    Ok(())
}

pub(super) async fn sync(deployment: &Deployment, phone: &mut Phone, call: &str) -> Result<Found> {
    phone.say("network on").await?;
    phone.event("network", LIMIT).await?;
    phone.say("sync").await?;
    let synced = phone.event("synced", LIMIT).await?;
    ensure!(synced["unsent"] == 0, "after the sync {} changes still wait", synced["unsent"]);

    let admin = deployment.admin();
    let view = admin.get(&format!("/v1/calls/{call}")).await?;
    ensure!(view["outcome"] == "completed", "the call's outcome is {}", view["outcome"]);
    ensure!(view["talk_ms"].as_i64().unwrap_or(0) >= 2_000, "the talk time is {}", view["talk_ms"]);
    ensure!(view["log"]["result"] == "interested", "the call has no log: {view}");

    let tasks = admin.get("/v1/records?type=task").await?;
    let task = tasks["records"].as_array().and_then(|tasks| tasks.first()).context("there is no follow-up task")?;
    let contact = admin.get(&format!("/v1/records/{}", deployment.contact())).await?;
    ensure!(!contact["fields"]["phones"][MOBILE].is_null(), "the mobile number was not merged: {contact}");
    check_conflict(&contact)?;
    Ok(Found { call: view, task: task.clone(), contact })
}

/// Both titles are there, with who wrote them.
fn check_conflict(contact: &Value) -> Result<()> {
    let conflicts = contact["conflicts"].as_array().context("the record shows no conflicts")?;
    let title = conflicts.iter().find(|conflict| conflict["field"] == "title").context("the title has no conflict")?;
    let mut values = Vec::new();
    for value in title["values"].as_array().context("the conflict has no values")? {
        values.push(text(value, "value")?);
    }
    values.sort_unstable();
    let mut both = [PHONE_TITLE, OFFICE_TITLE];
    both.sort_unstable();
    ensure!(values == both, "the title's values are {values:?} instead of {both:?}");
    Ok(())
}
