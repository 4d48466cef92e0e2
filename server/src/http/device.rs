//! Devices: their list, and where their pushes go.

use axum::Json;
use axum::extract::State;
use callfield_domain::{DeviceId, Timestamp, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::Body;
use crate::app::App;
use crate::app::auth::{AdminAuth, DeviceAuth};
use crate::app::error::{ApiError, ApiResult};
use crate::db::{DeskPhone, Device, PushEnvironment, PushService, PushTarget};

/// Where a device asks to be woken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPush {
    service: PushService,
    token: String,
    alert_token: Option<String>,
    #[serde(default)]
    environment: PushEnvironment,
}

impl NewPush {
    pub(super) fn checked(self, now: Timestamp) -> ApiResult<PushTarget> {
        let Self { service, token, alert_token, environment } = self;
        if ![Some(&token), alert_token.as_ref()].into_iter().flatten().all(|token| is_plausible(token)) {
            return Err(ApiError::invalid("`push.token` must have 1 to 4096 visible ASCII characters."));
        }
        Ok(PushTarget { service, token, alert_token, environment, registered_at: now })
    }
}

fn is_plausible(token: &str) -> bool {
    (1..=4096).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `PUT /v1/device/push`: replaces the push token of the asking installation.
pub(super) async fn replace_push(
    State(app): State<App>,
    DeviceAuth(identity): DeviceAuth,
    Body(push): Body<NewPush>,
) -> ApiResult<StatusCode> {
    let push = push.checked(app.now())?;
    let mut db = app.db.write(identity.tenant).await?;
    db.replace_push(identity.device, Some(&push)).await?;
    db.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer of `GET /v1/devices`.
#[derive(Debug, Serialize)]
pub(super) struct DeviceList {
    devices: Vec<DeviceView>,
}

/// A device, by what it is.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum DeviceView {
    App(AppView),
    Desk(DeskView),
}

/// A desk phone or foreign softphone.
#[derive(Debug, Serialize)]
struct DeskView {
    id: DeviceId,
    user: UserId,
    name: String,
    username: String,
    created_at: Timestamp,
}

/// An installation of the app.
#[derive(Debug, Serialize)]
struct AppView {
    id: DeviceId,
    user: UserId,
    platform: String,
    name: String,
    app_version: String,
    os_version: String,
    enrolled_at: Timestamp,
    push: Option<PushView>,
}

/// How a device can be woken; its token is a secret and stays here.
#[derive(Debug, Serialize)]
struct PushView {
    service: PushService,
    environment: PushEnvironment,
    invalid_since: Option<Timestamp>,
    invalid_reason: Option<String>,
}

/// `GET /v1/devices`: the company's devices.
pub(super) async fn list(State(app): State<App>, AdminAuth(tenant): AdminAuth) -> ApiResult<Json<DeviceList>> {
    let mut rows = app.db.read(tenant).await?;
    let (apps, desks) = (rows.devices().await?, rows.desk_phones().await?);
    let apps = apps.into_iter().map(|device| DeviceView::App(device.into()));
    let desks = desks.into_iter().map(|phone| DeviceView::Desk(phone.into()));
    Ok(Json(DeviceList { devices: apps.chain(desks).collect() }))
}

impl From<DeskPhone> for DeskView {
    fn from(phone: DeskPhone) -> Self {
        let DeskPhone { id, user, name, username, created_at } = phone;
        Self { id, user, name, username, created_at }
    }
}

impl From<Device> for AppView {
    fn from(device: Device) -> Self {
        let (invalid_since, invalid_reason) = device.push_invalid.unzip();
        let push = device.push.map(|push| PushView {
            service: push.service,
            environment: push.environment,
            invalid_since,
            invalid_reason,
        });
        Self {
            id: device.id,
            user: device.user,
            platform: device.platform,
            name: device.name,
            app_version: device.app_version,
            os_version: device.os_version,
            enrolled_at: device.enrolled_at,
            push,
        }
    }
}
