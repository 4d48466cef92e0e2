//! Desk phones and foreign softphones: added with a machine-made password, and taken away.

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::{DeviceId, UserId};
use callfield_sip::digest::{Algorithm, Ha1};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, id, name};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::edge_port::EdgeCommand;
use crate::app::error::{ApiError, ApiResult};
use crate::db::DeskPhone;

/// 50 random bits: nobody finds a user name by trying.
const USERNAME_LETTERS: usize = 10;
/// 100 random bits: the hashes of a password are not turned back.
const PASSWORD_LETTERS: usize = 20;

/// The body of `POST /v1/devices`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDevice {
    kind: Kind,
    user: UserId,
    name: String,
}

/// What an administrator adds; apps enrol themselves.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Desk,
}

/// What has to be typed into the phone, shown once.
#[derive(Serialize)]
pub(super) struct LoginView {
    device_id: DeviceId,
    username: String,
    password: String,
    domain: String,
}

/// `POST /v1/devices`: a desk phone of a user; its password is not kept.
pub(super) async fn create(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewDevice>,
) -> ApiResult<(StatusCode, Json<LoginView>)> {
    let Kind::Desk = new.kind;
    let (now, domain) = (app.now(), app.config.sip.domain.clone());
    let (device_id, username, password) = {
        let mut random = app.random();
        (DeviceId::new(now, &mut random), random.token(USERNAME_LETTERS), random.token(PASSWORD_LETTERS))
    };
    let phone = DeskPhone {
        id: device_id,
        user: new.user,
        name: name(&new.name, "name")?,
        username: username.clone(),
        created_at: now,
    };
    let hash = |algorithm| Ha1::new(algorithm, &username, &domain, &password);
    let mut db = app.db.write(tenant).await?;
    db.user(new.user).await?.ok_or_else(|| ApiError::invalid("`user` names no user of this company."))?;
    db.insert_desk_phone(&phone, hash(Algorithm::Md5).hex(), hash(Algorithm::Sha256).hex()).await?;
    db.commit().await?;
    Ok((StatusCode::CREATED, Json(LoginView { device_id, username, password, domain })))
}

/// `DELETE /v1/devices/{id}`: a desk phone rings no more, and cannot log in again.
pub(super) async fn revoke(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(device): Path<String>,
) -> ApiResult<StatusCode> {
    let device: DeviceId = id(&device, "desk phone")?;
    let mut db = app.db.write(tenant).await?;
    if !db.delete_desk_phone(device).await? {
        return Err(ApiError::not_found("desk phone"));
    }
    db.commit().await?;
    // An edge that has stopped has forgotten the phone with all others.
    let _ = app.edge.send(EdgeCommand::DeviceRevoked(device)).await;
    Ok(StatusCode::NO_CONTENT)
}
