//! What goes around every operation: time limits, panics, and answers for what does not exist, in one error shape.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::app::App;
use crate::app::error::ApiError;

/// Joins the parts' routers into the one that is served.
pub(super) fn join(app: &App, parts: Vec<Router<App>>) -> Router {
    parts
        .into_iter()
        .fold(Router::new(), Router::merge)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app.clone())
}

/// Limits the time of a request, and counts it. Neither path nor query is logged: they hold ids.
async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let limit = Duration::from_millis(app.config.http.request_ms);
    let response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The request took too long.").into_response(),
    };
    let status = response.status().as_u16();
    tracing::debug!(%method, route = path, status, took_us = began.elapsed().as_micros(), "request");
    let labels = [("route", path), ("method", method.to_string()), ("status", status.to_string())];
    metrics::counter!("callfield_http_requests_total", &labels).increment(1);
    metrics::histogram!("callfield_http_request_seconds", &labels[..1]).record(began.elapsed().as_secs_f64());
    response
}

async fn no_such_path() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "no_such_path", "There is nothing at this path.")
}

async fn no_such_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", "This path does not take this method.")
}
