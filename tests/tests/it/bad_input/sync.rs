//! Sync requests that are none, lie, or carry poison: changes that made Automerge 0.12 panic or save what it could not
//! load again.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use callfield_domain::{DeviceId, Random, RecordId, Timestamp};
use callfield_sync::protocol::{
    Budget, CONTENT_TYPE, MAX_REQUEST_BYTES, PROTO, Push, Reason, Request, Response, SCHEMA, TxnId, VerdictCode,
};
use callfield_tests::deployment::Deployment;
use callfield_tests::pbx::seed;
use http::{Method, StatusCode};

use super::devices::{Device, new_device};
use super::enrolment::is_error;
use crate::story::Story;

pub(super) async fn tell(story: &mut Story, deployment: &Deployment) {
    story.chapter("what is no sync request is refused", no_request(deployment)).await;
    story.chapter("poisoned changes are refused and change nothing", poison(deployment)).await;
}

async fn no_request(deployment: &Deployment) -> Result<()> {
    let (device, other) = (new_device(deployment).await?, new_device(deployment).await?);
    let good = request(device.id, Vec::new());
    let newer = Request { proto: PROTO + 1, ..good.clone() }.encode();
    let whole = good.encode();
    let cut = whole[..whole.len() - 1].to_vec();
    let cases = [
        ("nothing", Vec::new(), StatusCode::BAD_REQUEST),
        ("JSON", b"{\"proto\":1}".to_vec(), StatusCode::BAD_REQUEST),
        ("half a request", cut, StatusCode::BAD_REQUEST),
        ("an endless array", vec![0x9f; 10_000], StatusCode::BAD_REQUEST),
        ("another protocol", newer, StatusCode::UPGRADE_REQUIRED),
        ("too much", vec![0; MAX_REQUEST_BYTES + 1], StatusCode::PAYLOAD_TOO_LARGE),
    ];
    for (what, body, status) in cases {
        let (answered, text) = send(deployment, &device, body).await?;
        ensure!(answered == status, "{what} was answered {answered} instead of {status}");
        let error: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let code = error["error"]["code"].as_str().unwrap_or_default().to_owned();
        is_error(&error, &code).with_context(|| what.to_owned())?;
    }
    let (answered, _) = send(deployment, &device, request(other.id, Vec::new()).encode()).await?;
    ensure!(answered.is_client_error(), "a device spoke for another one and was answered {answered}");
    let (answered, _) = send(deployment, &device, whole).await?;
    ensure!(answered == StatusCode::OK, "afterwards a good request was answered {answered}");
    Ok(())
}

async fn poison(deployment: &Deployment) -> Result<()> {
    let (device, mut random) = (new_device(deployment).await?, Random::new(seed()?));
    let path = format!("/v1/records/{}", deployment.contact());
    let before = deployment.admin().call(Method::GET, &path, None).await?;
    let doc: RecordId = deployment.contact().parse().ok().context("the contact's id is no id")?;
    let corpus = corpus()?;
    let pushes = corpus.iter().map(|bytes| Push {
        txn: TxnId::new(Timestamp::from_millis(1_800_000_000_000), &mut random),
        doc,
        record_type: "contact".to_owned(),
        epoch: 0,
        changes: vec![bytes.clone().into()],
    });
    let (status, body) = send(deployment, &device, request(device.id, pushes.collect()).encode()).await?;
    ensure!(status == StatusCode::OK, "the poisoned request was answered {status}");
    let response = Response::decode(&body)?;
    ensure!(response.verdicts.len() == corpus.len(), "{} verdicts", response.verdicts.len());
    for verdict in &response.verdicts {
        ensure!(verdict.code == VerdictCode::Rejected, "a poisoned change is {:?}", verdict.code);
        ensure!(verdict.reason.is_some(), "a change was rejected without a reason");
    }
    let after = deployment.admin().call(Method::GET, &path, None).await?;
    ensure!(after.etag.is_some() && after.etag == before.etag, "the record has other heads");
    ensure!(after.body == before.body, "the record changed from {} to {}", before.body, after.body);
    let health = deployment.admin().get("/health").await?;
    ensure!(health["status"] == "ok", "the server's health is {health}");
    Ok(())
}

async fn send(deployment: &Deployment, device: &Device, body: Vec<u8>) -> Result<(StatusCode, Bytes)> {
    deployment.admin().with_token(&device.token).exchange(Method::POST, "/v1/sync", CONTENT_TYPE, body).await
}

fn request(device: DeviceId, push: Vec<Push>) -> Request {
    Request {
        proto: PROTO,
        schema: SCHEMA,
        device,
        reason: Reason::Edit,
        budget: Budget { bytes: 1 << 20, time_ms: 10_000, metered: false },
        push,
        scopes: Vec::new(),
        want: Vec::new(),
    }
}

/// The corpus lies beside the checkout, in one of the folders above this crate.
fn corpus() -> Result<Vec<Vec<u8>>> {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let folder = above.find_map(|folder| {
        let folder = folder.join("shared/data/automerge-poison");
        folder.is_dir().then_some(folder)
    });
    let folder = folder.context("shared/data/automerge-poison must lie in a folder above this crate")?;
    let mut corpus = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        corpus.push(std::fs::read(entry?.path())?);
    }
    ensure!(!corpus.is_empty(), "the corpus is empty");
    Ok(corpus)
}
