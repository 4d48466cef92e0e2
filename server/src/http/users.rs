//! People with a login.

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::UserId;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, id, name};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::db::{DeclinePolicy, Scoped, User};

/// The body of `POST /v1/users`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    name: String,
}

/// The body of `PATCH /v1/users/{id}`: what is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEdit {
    decline: Option<DeclinePolicy>,
}

/// A person, as an answer.
#[derive(Debug, Serialize)]
pub(super) struct UserView {
    id: UserId,
    name: String,
    decline: DeclinePolicy,
}

/// `POST /v1/users`: adds a person.
pub(super) async fn create(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewUser>,
) -> ApiResult<(StatusCode, Json<UserView>)> {
    let now = app.now();
    let user = User { id: UserId::new(now, &mut app.random()), name: name(&new.name, "name")?, created_at: now };
    let mut db = app.db.write(tenant).await?;
    db.insert_user(&user).await?;
    db.commit().await?;
    let view = UserView { id: user.id, name: user.name, decline: DeclinePolicy::default() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// `GET /v1/users/{id}`: one person.
pub(super) async fn one(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(user): Path<String>,
) -> ApiResult<Json<UserView>> {
    let mut rows = app.db.read(tenant).await?;
    view(&mut rows, id(&user, "user")?).await
}

/// `PATCH /v1/users/{id}`: what a decline of this person means.
pub(super) async fn edit(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(user): Path<String>,
    Body(edit): Body<UserEdit>,
) -> ApiResult<Json<UserView>> {
    let user = id(&user, "user")?;
    let mut rows = app.db.write(tenant).await?;
    if let Some(decline) = edit.decline {
        rows.set_decline_policy(user, decline).await?;
    }
    let view = view(&mut rows, user).await?;
    rows.commit().await?;
    Ok(view)
}

async fn view(rows: &mut Scoped, user: UserId) -> ApiResult<Json<UserView>> {
    let User { id, name, .. } = rows.user(user).await?.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Json(UserView { id, name, decline: rows.decline_policy(id).await? }))
}
