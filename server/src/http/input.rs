//! What comes in: bodies, queries and ids, refused in the API's error shape.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::app::error::{ApiError, ApiResult};

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            let detail = "The body must be JSON, with Content-Type: application/json.";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                return ApiError::new(status, "body_too_large", "The body is larger than this operation takes.");
            }
            ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body ended early.")
        })?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| match error.classify() {
            Category::Data => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", sentence(&error)),
            Category::Syntax | Category::Eof | Category::Io => {
                ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", sentence(&error))
            }
        })
    }
}

/// The parameters behind the `?`.
#[derive(Debug)]
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let parameters = Query::<T>::from_request_parts(parts, state).await;
        parameters.map(|Query(parameters)| Self(parameters)).map_err(|rejection| {
            ApiError::new(StatusCode::BAD_REQUEST, "invalid_query", format!("{}.", rejection.body_text()))
        })
    }
}

/// The id in a path; what is no id names nothing, which is 404.
pub(super) fn id<T: FromStr>(text: &str, kind: &str) -> ApiResult<T> {
    text.parse().map_err(|_| ApiError::not_found(kind))
}

/// Tells null, which is `Some(None)`, from a key that is absent.
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A name a person gave: 1 to 200 characters once the spaces around it are gone.
pub(super) fn name(text: &str, field: &'static str) -> ApiResult<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!("`{field}` must have 1 to 200 characters.")));
    }
    Ok(name.to_owned())
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("application/merge-patch+json")
}

fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
