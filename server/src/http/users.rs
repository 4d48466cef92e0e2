//! People with a login.

use axum::Json;
use axum::extract::State;
use callfield_domain::UserId;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, name};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::ApiResult;
use crate::db::User;

/// The body of `POST /v1/users`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    name: String,
}

/// A person, as an answer.
#[derive(Debug, Serialize)]
pub(super) struct UserView {
    id: UserId,
    name: String,
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
    Ok((StatusCode::CREATED, Json(UserView { id: user.id, name: user.name })))
}
