//! Who asks: a bearer token, looked up by its hash.

use axum::extract::FromRequestParts;
use callfield_domain::{DeviceId, TenantId, UserId};
use http::request::Parts;
use http::{StatusCode, header};

use super::App;
use super::edge_port::DeviceIdentity;
use super::error::{ApiError, ApiResult};
use super::token::{ADMIN_PREFIX, DEVICE_PREFIX, TokenHash};

/// A request with a device's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAuth(pub DeviceIdentity);

/// A request with an admin token, of this company.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminAuth(pub TenantId);

/// A request with either token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A device.
    Device(DeviceIdentity),
    /// An administrator of this company.
    Admin(TenantId),
}

impl Caller {
    /// Whose rows it may see.
    pub const fn tenant(self) -> TenantId {
        match self {
            Self::Device(identity) => identity.tenant,
            Self::Admin(tenant) => tenant,
        }
    }

    /// The person behind a device; an admin token has none.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Device(identity) => Some(identity.user),
            Self::Admin(_) => None,
        }
    }

    /// The device; an admin token has none.
    pub const fn device(self) -> Option<DeviceId> {
        match self {
            Self::Device(identity) => Some(identity.device),
            Self::Admin(_) => None,
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let token = bearer(parts).ok_or_else(unauthorized)?;
        let hash = TokenHash::of(token);
        let mut db = app.db.look_up().await?;
        if token.starts_with(DEVICE_PREFIX) {
            let found = db.device_of_token(hash.bytes()).await?;
            let (tenant, user, device) = found.ok_or_else(unauthorized)?;
            return Ok(Self::Device(DeviceIdentity { tenant, user, device }));
        }
        if token.starts_with(ADMIN_PREFIX) {
            let found = db.tenant_of_admin_token(hash.bytes()).await?;
            return found.map(Self::Admin).ok_or_else(unauthorized);
        }
        Err(unauthorized())
    }
}

impl FromRequestParts<App> for DeviceAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        match Caller::from_request_parts(parts, app).await? {
            Caller::Device(identity) => Ok(Self(identity)),
            Caller::Admin(_) => Err(forbidden("This needs a device's token.")),
        }
    }
}

impl FromRequestParts<App> for AdminAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        match Caller::from_request_parts(parts, app).await? {
            Caller::Admin(tenant) => Ok(Self(tenant)),
            Caller::Device(_) => Err(forbidden("This needs an admin token.")),
        }
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unauthorized() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", "The bearer token is missing or unknown.")
}

fn forbidden(detail: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail)
}
