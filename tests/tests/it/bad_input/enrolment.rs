//! Codes that are wrong, late or used, and enrolments that fail for another reason: a good code stays good.

use anyhow::{Context, Result, ensure};
use callfield_tests::api::Reply;
use callfield_tests::deployment::Deployment;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};

use super::devices::{enrol, enrolment};
use crate::story::Story;

pub(super) async fn tell(story: &mut Story, deployment: &Deployment) {
    story.chapter("a wrong code is unknown", wrong_code(deployment)).await;
    story.chapter("an expired code is gone", expired_code(deployment)).await;
    story.chapter("a code makes one device", used_code(deployment)).await;
    story.chapter("of two phones with one code one is enrolled", two_at_once(deployment)).await;
    story.chapter("a code outlives a failed enrolment", failed_enrolment(deployment)).await;
}

async fn wrong_code(deployment: &Deployment) -> Result<()> {
    let before = devices(deployment).await?;
    for code in ["AAAA-AAAA", "", "' OR 1=1 --", "日本語", &"A".repeat(10_000)] {
        let reply = enrol(deployment, &enrolment(code)?).await?;
        refused(&reply, StatusCode::NOT_FOUND, "enrolment_code_unknown").with_context(|| format!("code {code:.20}"))?;
    }
    ensure!(devices(deployment).await? == before, "a wrong code made a device");
    Ok(())
}

async fn expired_code(deployment: &Deployment) -> Result<()> {
    let before = devices(deployment).await?;
    let code = deployment.enrolment_code().await?;
    let url = format!("sqlite://{}", deployment.folder().join("data/callfield.db").display());
    let mut database = SqliteConnection::connect(&url).await?;
    // Nobody waits ten minutes here: every code that was not used has expired now.
    sqlx::query("UPDATE enrolment_codes SET expires_at = 1 WHERE used_at IS NULL").execute(&mut database).await?;
    refused(&enrol(deployment, &enrolment(&code)?).await?, StatusCode::GONE, "enrolment_code_expired")?;
    let unused = "SELECT count(*) FROM enrolment_codes WHERE expires_at = 1 AND used_at IS NULL";
    let unused: i64 = sqlx::query_scalar(unused).fetch_one(&mut database).await?;
    ensure!(unused == 1, "the expired code was used up all the same");
    ensure!(devices(deployment).await? == before, "an expired code made a device");
    Ok(())
}

async fn used_code(deployment: &Deployment) -> Result<()> {
    let before = devices(deployment).await?;
    let code = deployment.enrolment_code().await?;
    let first = enrol(deployment, &enrolment(&code)?).await?;
    ensure!(first.status == StatusCode::CREATED, "the first enrolment answered {} {}", first.status, first.body);
    refused(&enrol(deployment, &enrolment(&code)?).await?, StatusCode::CONFLICT, "enrolment_code_used")?;
    ensure!(devices(deployment).await? == before + 1, "one code did not make exactly one device");
    Ok(())
}

async fn two_at_once(deployment: &Deployment) -> Result<()> {
    let before = devices(deployment).await?;
    let code = deployment.enrolment_code().await?;
    let (one, other) = (enrolment(&code)?, enrolment(&code)?);
    let (one, other) = tokio::join!(enrol(deployment, &one), enrol(deployment, &other));
    let (one, other) = (one?, other?);
    let (taken, late) = if one.status == StatusCode::CREATED { (one, other) } else { (other, one) };
    ensure!(taken.status == StatusCode::CREATED, "neither was enrolled: {} {}", taken.status, taken.body);
    refused(&late, StatusCode::CONFLICT, "enrolment_code_used")?;
    ensure!(devices(deployment).await? == before + 1, "one code did not make exactly one device");
    Ok(())
}

async fn failed_enrolment(deployment: &Deployment) -> Result<()> {
    let before = devices(deployment).await?;
    let good = enrolment(&deployment.enrolment_code().await?)?;
    let spoilt = [
        ("/device/public_key", json!("c2hvcnQ"), "invalid_value"),
        ("/device/name", json!(""), "invalid_value"),
        ("/device/name", json!("two\nlines"), "invalid_value"),
        ("/device/install_id", json!("not-an-id"), "invalid_body"),
        ("/device/platform", json!("toaster"), "invalid_body"),
        ("/device/push", json!({"service": "fcm", "token": ""}), "invalid_value"),
    ];
    for (path, value, code) in spoilt {
        let mut body = good.clone();
        *body.pointer_mut(path).context("the test spoils what is not there")? = value;
        let reply = enrol(deployment, &body).await?;
        refused(&reply, StatusCode::UNPROCESSABLE_ENTITY, code).with_context(|| path.to_owned())?;
    }
    let cut = good.to_string().into_bytes();
    let (status, _) = deployment
        .admin()
        .exchange(Method::POST, "/v1/enrol", "application/json", cut[..cut.len() / 2].to_vec())
        .await?;
    ensure!(status == StatusCode::BAD_REQUEST, "half an enrolment answered {status}");
    ensure!(devices(deployment).await? == before, "a failed enrolment made a device");

    let reply = enrol(deployment, &good).await?;
    ensure!(reply.status == StatusCode::CREATED, "the code is spent: {} {}", reply.status, reply.body);
    Ok(())
}

async fn devices(deployment: &Deployment) -> Result<usize> {
    let list = deployment.admin().get("/v1/devices").await?;
    Ok(list["devices"].as_array().context("there is no list of devices")?.len())
}

/// The one shape of every refusal: a status, a code for machines, one sentence for people.
pub(super) fn refused(reply: &Reply, status: StatusCode, code: &str) -> Result<()> {
    ensure!(reply.status == status, "answered {} instead of {status}: {}", reply.status, reply.body);
    is_error(&reply.body, code)
}

/// Whether a body is an error with this code, in one line.
pub(super) fn is_error(body: &Value, code: &str) -> Result<()> {
    ensure!(body["error"]["code"] == code, "the code is not {code}: {body}");
    let detail = body["error"]["detail"].as_str().context("there is no detail")?;
    ensure!(detail.ends_with('.') && !detail.contains('\n'), "not one sentence: {detail}");
    Ok(())
}
