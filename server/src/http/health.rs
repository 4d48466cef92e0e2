//! Whether the server works.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::app::error::ApiResult;

/// The answer of `GET /health`.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    database: &'static str,
}

/// `GET /health`: 200 once a statement of the database ran, else 503.
pub(super) async fn health(State(app): State<App>) -> ApiResult<Json<Health>> {
    app.db.look_up().await?.ping().await?;
    Ok(Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), database: app.db.engine() }))
}
