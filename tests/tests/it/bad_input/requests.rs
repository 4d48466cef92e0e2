//! Requests without a right, or that cannot be read.

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::deployment::Deployment;
use http::{Method, StatusCode};
use serde_json::json;
use tokio_tungstenite::tungstenite::Error as SocketError;

use super::devices::{new_device, open_sip};
use super::enrolment::{is_error, refused};
use crate::story::Story;

/// A device's token that nobody was given.
const UNKNOWN_TOKEN: &str = "cfd_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(super) async fn tell(story: &mut Story, deployment: &Deployment) {
    story.chapter("an unknown token opens nothing", unknown_token(deployment)).await;
    story.chapter("a device is no administrator", device_token(deployment)).await;
    story.chapter("what cannot be read is refused", unreadable(deployment)).await;
}

async fn unknown_token(deployment: &Deployment) -> Result<()> {
    for token in [UNKNOWN_TOKEN, "cfa_a", "cfd_", "x"] {
        let nobody = deployment.admin().with_token(token);
        for path in ["/v1/calls", "/v1/devices", "/v1/records?type=contact"] {
            let reply = nobody.call(Method::GET, path, None).await?;
            refused(&reply, StatusCode::UNAUTHORIZED, "unauthorized").with_context(|| format!("{token} at {path}"))?;
        }
        let push = json!({ "service": "fcm", "token": "t" });
        let reply = nobody.call(Method::PUT, "/v1/device/push", Some(&push)).await?;
        refused(&reply, StatusCode::UNAUTHORIZED, "unauthorized")?;
    }
    is_turned_away(deployment, UNKNOWN_TOKEN, StatusCode::UNAUTHORIZED).await?;
    is_turned_away(deployment, deployment.admin_token(), StatusCode::FORBIDDEN).await
}

async fn is_turned_away(deployment: &Deployment, token: &str, status: StatusCode) -> Result<()> {
    match open_sip(deployment, token).await {
        Ok(_) => bail!("/sip opened instead of answering {status}"),
        Err(error) => match error.downcast_ref::<SocketError>() {
            Some(SocketError::Http(response)) if response.status() == status => Ok(()),
            _ => Err(error.context(format!("/sip did not answer {status}"))),
        },
    }
}

async fn device_token(deployment: &Deployment) -> Result<()> {
    let device = new_device(deployment).await?;
    let as_device = deployment.admin().with_token(&device.token);
    ensure!(as_device.call(Method::GET, "/v1/calls", None).await?.status.is_success(), "the token does not work");
    let user = json!({ "user": deployment.user(), "name": "Mallory" });
    for path in ["/v1/users", "/v1/enrolment-codes", "/v1/trunks", "/v1/numbers"] {
        let reply = as_device.call(Method::POST, path, Some(&user)).await?;
        refused(&reply, StatusCode::FORBIDDEN, "forbidden").with_context(|| path.to_owned())?;
    }
    Ok(())
}

async fn unreadable(deployment: &Deployment) -> Result<()> {
    let deep = "[".repeat(50_000);
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(80_000));
    let json = "application/json";
    let cases: [(&str, &str, &[u8], u16, &str); 9] = [
        ("/v1/users", json, b"{\"name\":", 400, "malformed_json"),
        ("/v1/users", json, b"", 400, "malformed_json"),
        ("/v1/users", json, b"{\"name\":\"\xff\xfe\"}", 400, "malformed_json"),
        ("/v1/users", json, deep.as_bytes(), 422, "invalid_body"),
        ("/v1/users", json, b"[1,2]", 422, "invalid_body"),
        ("/v1/users", json, b"{\"name\":\"A\",\"admin\":true}", 422, "invalid_body"),
        ("/v1/users", json, large.as_bytes(), 413, "body_too_large"),
        ("/v1/users", "text/plain", b"{\"name\":\"A\"}", 415, "not_json"),
        ("/v1/nowhere", json, b"{}", 404, "no_such_path"),
    ];
    for (path, content_type, body, status, code) in cases {
        let (answered, text) = deployment.admin().exchange(Method::POST, path, content_type, body.to_vec()).await?;
        let shown = String::from_utf8_lossy(body).chars().take(30).collect::<String>();
        ensure!(answered == status, "{shown:?} answered {answered} instead of {status}");
        is_error(&serde_json::from_slice(&text).unwrap_or_default(), code).with_context(|| format!("{shown:?}"))?;
    }
    let reply = deployment.admin().call(Method::DELETE, "/v1/users", None).await?;
    refused(&reply, StatusCode::METHOD_NOT_ALLOWED, "no_such_method")?;
    for path in ["/v1/calls?limit=0", "/v1/calls?limit=many", "/v1/calls?colour=red"] {
        let status = deployment.admin().call(Method::GET, path, None).await?.status;
        ensure!(status.is_client_error(), "{path} answered {status}");
    }
    let reply = deployment.admin().call(Method::GET, "/v1/calls/not-an-id", None).await?;
    refused(&reply, StatusCode::NOT_FOUND, "not_found")
}
