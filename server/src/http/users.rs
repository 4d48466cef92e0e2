//! People with a login.

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::phone_number::{INTERNAL_DIGITS_MAX, Kind};
use callfield_domain::{PhoneNumber, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, id, name, present};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::db::{DbError, DeclinePolicy, Scoped, User};

/// The body of `POST /v1/users`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    name: String,
    extension: Option<String>,
}

/// The body of `PATCH /v1/users/{id}`: what is absent stays, null removes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    extension: Option<Option<String>>,
    decline: Option<DeclinePolicy>,
}

/// A person, as an answer.
#[derive(Debug, Serialize)]
pub(super) struct UserView {
    id: UserId,
    name: String,
    extension: Option<String>,
    decline: DeclinePolicy,
}

/// The answer of `GET /v1/users`.
#[derive(Debug, Serialize)]
pub(super) struct UserList {
    users: Vec<UserView>,
}

/// `POST /v1/users`: adds a person.
pub(super) async fn create(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewUser>,
) -> ApiResult<(StatusCode, Json<UserView>)> {
    let now = app.now();
    let id = UserId::new(now, &mut app.random());
    let user = User { id, name: name(&new.name, "name")?, extension: new.extension, created_at: now };
    let mut db = app.db.write(tenant).await?;
    check_extension(&mut db, &user).await?;
    db.insert_user(&user).await.map_err(refusal)?;
    db.commit().await?;
    Ok((StatusCode::CREATED, Json(UserView::of(user, DeclinePolicy::default()))))
}

/// `GET /v1/users`: everybody of the company.
pub(super) async fn list(State(app): State<App>, AdminAuth(tenant): AdminAuth) -> ApiResult<Json<UserList>> {
    let mut db = app.db.read(tenant).await?;
    let mut users = Vec::new();
    for user in db.users().await? {
        users.push(view(&mut db, user).await?);
    }
    Ok(Json(UserList { users }))
}

/// `GET /v1/users/{id}`: one person.
pub(super) async fn one(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(user): Path<String>,
) -> ApiResult<Json<UserView>> {
    let mut db = app.db.read(tenant).await?;
    let user = db.user(id(&user, "user")?).await?.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Json(view(&mut db, user).await?))
}

/// `PATCH /v1/users/{id}`: another name or extension, or what a decline of this person means.
pub(super) async fn edit(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(user): Path<String>,
    Body(patch): Body<UserPatch>,
) -> ApiResult<Json<UserView>> {
    let mut db = app.db.write(tenant).await?;
    let mut user = db.user(id(&user, "user")?).await?.ok_or_else(|| ApiError::not_found("user"))?;
    if let Some(new) = patch.name {
        user.name = name(&new, "name")?;
    }
    if let Some(extension) = patch.extension {
        user.extension = extension;
    }
    check_extension(&mut db, &user).await?;
    db.update_user(&user).await.map_err(refusal)?;
    if let Some(decline) = patch.decline {
        db.set_decline_policy(user.id, decline).await?;
    }
    let view = view(&mut db, user).await?;
    db.commit().await?;
    Ok(Json(view))
}

/// An extension must be one that a phone dials as such: not what it leaves to its own dialler, or reads as a number.
async fn check_extension(db: &mut Scoped, user: &User) -> ApiResult<()> {
    let Some(extension) = &user.extension else { return Ok(()) };
    let country = db.tenant_row().await?.map(|tenant| tenant.country).unwrap_or_default();
    let number = PhoneNumber::parse(extension, &country);
    if number.kind(&country) == Kind::Internal && number.extension.as_ref() == Some(extension) && extension.len() > 1 {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "`extension` must be 2 to {INTERNAL_DIGITS_MAX} digits, not begin with 0 and be no emergency number."
    )))
}

fn refusal(error: DbError) -> ApiError {
    if error.is_taken() {
        return ApiError::new(StatusCode::CONFLICT, "extension_taken", "A colleague has this extension already.");
    }
    error.into()
}

async fn view(db: &mut Scoped, user: User) -> ApiResult<UserView> {
    let decline = db.decline_policy(user.id).await?;
    Ok(UserView::of(user, decline))
}

impl UserView {
    fn of(user: User, decline: DeclinePolicy) -> Self {
        Self { id: user.id, name: user.name, extension: user.extension, decline }
    }
}
