//! Whether a user wants to be rung: said by their own devices or an administrator, seen by all of the company.

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::{Presence, PresenceState, Timestamp, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, id};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::error::{ApiError, ApiResult};

/// The body of `PUT /v1/users/{id}/presence`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPresence {
    state: PresenceState,
    until_at: Option<Timestamp>,
}

/// How it stands, as an answer.
#[derive(Debug, Serialize)]
pub(super) struct PresenceView {
    state: PresenceState,
    until_at: Option<Timestamp>,
}

/// `GET /v1/users/{id}/presence`: how it stands now.
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
) -> ApiResult<Json<PresenceView>> {
    let said = app.db.read(caller.tenant()).await?.presence_of(id(&user, "user")?).await?;
    let said = said.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Json(said.at(app.now()).into()))
}

/// `PUT /v1/users/{id}/presence`: by the user's own device, or an administrator.
pub(super) async fn replace(
    State(app): State<App>,
    caller: Caller,
    Path(user): Path<String>,
    Body(new): Body<NewPresence>,
) -> ApiResult<Json<PresenceView>> {
    let user: UserId = id(&user, "user")?;
    let now = app.now();
    if new.until_at.is_some_and(|until| until <= now) {
        return Err(ApiError::invalid("`until_at` must be in the future."));
    }
    if new.until_at.is_some() && new.state == PresenceState::Online {
        return Err(ApiError::invalid("`until_at` is for a state that ends: `online` does not."));
    }
    let presence = Presence { state: new.state, until: new.until_at };
    let mut db = app.db.write(caller.tenant()).await?;
    if !db.put_presence(user, presence).await? {
        return Err(ApiError::not_found("user"));
    }
    if caller.user().is_some_and(|own| own != user) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "A device speaks for its own user only."));
    }
    db.commit().await?;
    Ok(Json(presence.into()))
}

impl From<Presence> for PresenceView {
    fn from(presence: Presence) -> Self {
        Self { state: presence.state, until_at: presence.until }
    }
}
