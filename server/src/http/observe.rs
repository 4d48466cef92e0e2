//! What the server counts, for Prometheus.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::header;
use http::request::Parts;

use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::app::{App, metrics};
use crate::config::Tls;

/// Somebody who may read the counters: an administrator, or a program on this machine.
///
/// Behind a proxy (`tls = "off"`) everybody comes from this machine, so there the token is needed.
pub(super) struct Observer;

impl FromRequestParts<App> for Observer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_local = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
        if is_local && app.config.server.tls != Tls::Off {
            return Ok(Self);
        }
        AdminAuth::from_request_parts(parts, app).await.map(|_| Self)
    }
}

/// `GET /metrics`: the Prometheus text format.
pub(super) async fn metrics(_: Observer) -> ApiResult<Response> {
    let recorder = metrics::recorder().ok_or_else(|| ApiError::unavailable("Nothing is counted in this process."))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()).into_response())
}
