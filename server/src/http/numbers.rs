//! Company phone numbers.

use axum::Json;
use axum::extract::State;
use callfield_domain::{NumberId, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::Body;
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::db::Number;

/// The body of `POST /v1/numbers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNumber {
    e164: String,
    route: Route,
    user: Option<UserId>,
}

/// Where a number's calls go.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Route {
    /// To the owner of the record that has the caller's number.
    RecordOwner,
}

/// A number, as an answer.
#[derive(Debug, Serialize)]
pub(super) struct NumberView {
    id: NumberId,
    e164: String,
    route: Route,
    user: Option<UserId>,
}

/// `POST /v1/numbers`: adds a company number.
pub(super) async fn create(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewNumber>,
) -> ApiResult<(StatusCode, Json<NumberView>)> {
    if !is_e164(&new.e164) {
        return Err(ApiError::invalid("`e164` must be + and 7 to 15 digits."));
    }
    let now = app.now();
    let Route::RecordOwner = new.route;
    let id = NumberId::new(now, &mut app.random());
    let number = Number { id, e164: new.e164, route: "record_owner".to_owned(), user: new.user, created_at: now };
    let mut db = app.db.write(tenant).await?;
    db.insert_number(&number).await.map_err(|error| match error {
        error if error.is_taken() => {
            ApiError::new(StatusCode::CONFLICT, "number_taken", "The company has this number already.")
        }
        error if error.is_dangling() => ApiError::invalid("`user` names no user of this company."),
        error => error.into(),
    })?;
    db.commit().await?;
    Ok((StatusCode::CREATED, Json(NumberView { id, e164: number.e164, route: new.route, user: number.user })))
}

fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0')
}
