//! Enrolment: a one-time code makes an installation a device of a user.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callfield_domain::{DeviceId, TenantId, Timestamp, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::device::NewPush;
use super::input::{Body, name};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::app::token::{Token, TokenHash};
use crate::db::{Device, EnrolmentCode, Scoped, Tenant, User};

const CODE_LIFE: Duration = Duration::from_secs(10 * 60);

/// The body of `POST /v1/enrolment-codes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCode {
    user: UserId,
}

/// A fresh code, shown once.
#[derive(Debug, Serialize)]
pub(super) struct CodeView {
    code: String,
    expires_at: Timestamp,
}

/// `POST /v1/enrolment-codes`: a code for a device of one user, good for ten minutes and one use.
pub(super) async fn new_code(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewCode>,
) -> ApiResult<(StatusCode, Json<CodeView>)> {
    let now = app.now();
    let code = app.random().token(8).to_ascii_uppercase();
    let expires_at = now + CODE_LIFE;
    let mut db = app.db.write(tenant).await?;
    db.user(new.user).await?.ok_or_else(|| ApiError::invalid("`user` names no user of this company."))?;
    db.insert_enrolment_code(TokenHash::of(&code).bytes(), new.user, now, expires_at).await?;
    db.commit().await?;
    let code = format!("{}-{}", &code[..4], &code[4..]);
    Ok((StatusCode::CREATED, Json(CodeView { code, expires_at })))
}

/// The body of `POST /v1/enrol`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrolment {
    code: String,
    device: NewDevice,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    install_id: DeviceId,
    platform: Platform,
    name: String,
    app_version: String,
    os_version: String,
    public_key: String,
    push: Option<NewPush>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Platform {
    Android,
    Ios,
    Headless,
}

/// What a device is told once.
#[derive(Debug, Serialize)]
pub(super) struct Enrolled {
    device_id: DeviceId,
    token: String,
    tenant: TenantView,
    user: UserView,
    node: String,
    sip: SipView,
    scopes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct TenantView {
    id: TenantId,
    name: String,
    country: String,
}

#[derive(Debug, Serialize)]
struct UserView {
    id: UserId,
    name: String,
}

#[derive(Debug, Serialize)]
struct SipView {
    domain: String,
}

/// `POST /v1/enrol`: takes the code and the device in one unit of work and gives the device its token.
pub(super) async fn enrol(
    State(app): State<App>,
    Body(enrolment): Body<Enrolment>,
) -> ApiResult<(StatusCode, Json<Enrolled>)> {
    let now = app.now();
    let code_hash = TokenHash::of(&plain(&enrolment.code));
    let code = app.db.look_up().await?.enrolment_code(code_hash.bytes()).await?;
    let code = usable(code, now)?;
    let device = enrolment.device.checked(code.user, now)?;
    let token = Token::for_device(&mut app.random());

    let mut db = app.db.write(code.tenant).await?;
    if !db.take_enrolment_code(code_hash.bytes(), device.id, now).await? {
        return Err(used());
    }
    db.enrol_device(&device, token.hash().bytes()).await?;
    let (tenant, user) = owner(&mut db, device.user).await?;
    db.commit().await?;
    metrics::counter!("callfield_enrolments_total").increment(1);
    let enrolled = Enrolled {
        device_id: device.id,
        token: token.reveal(),
        scopes: vec![format!("user:{}", user.id), "tenant".to_owned()],
        tenant: TenantView { id: tenant.id, name: tenant.name, country: tenant.country },
        user: UserView { id: user.id, name: user.name },
        node: app.config.server.node.clone(),
        sip: SipView { domain: app.config.sip.domain.clone() },
    };
    Ok((StatusCode::CREATED, Json(enrolled)))
}

async fn owner(db: &mut Scoped, user: UserId) -> ApiResult<(Tenant, User)> {
    let tenant = db.tenant_row().await?.ok_or_else(unknown)?;
    let user = db.user(user).await?.ok_or_else(unknown)?;
    Ok((tenant, user))
}

fn usable(code: Option<EnrolmentCode>, now: Timestamp) -> ApiResult<EnrolmentCode> {
    let code = code.ok_or_else(unknown)?;
    if code.is_used {
        return Err(used());
    }
    if code.expires_at <= now {
        let detail = "The enrolment code has expired; ask for a new one.";
        return Err(ApiError::new(StatusCode::GONE, "enrolment_code_expired", detail));
    }
    Ok(code)
}

impl NewDevice {
    fn checked(self, user: UserId, now: Timestamp) -> ApiResult<Device> {
        let public_key = URL_SAFE_NO_PAD.decode(self.public_key.trim_end_matches('=')).unwrap_or_default();
        if public_key.len() != 32 {
            return Err(ApiError::invalid("`public_key` must be 32 bytes in base64url."));
        }
        let platform = match self.platform {
            Platform::Android => "android",
            Platform::Ios => "ios",
            Platform::Headless => "headless",
        };
        Ok(Device {
            id: self.install_id,
            user,
            platform: platform.to_owned(),
            name: name(&self.name, "name")?,
            app_version: name(&self.app_version, "app_version")?,
            os_version: name(&self.os_version, "os_version")?,
            public_key,
            push: self.push.map(|push| push.checked(now)).transpose()?,
            push_invalid: None,
            enrolled_at: now,
        })
    }
}

/// A code as it was made: people type it in small letters, with spaces or without the dash.
fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

fn unknown() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "enrolment_code_unknown", "There is no such enrolment code.")
}

fn used() -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "enrolment_code_used", "The enrolment code has been used.")
}
