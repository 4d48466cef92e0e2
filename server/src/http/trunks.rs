//! Trunks: how calls come in and go out.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::{TenantId, Timestamp, TrunkId};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, id, name, present};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::app::trunk_login::{Secret, TrunkLogin};
use crate::app::trunk_registrations::RegistrationState;
use crate::db::{Trunk, TrunkKind};

/// Where among its company's trunks one is tried that does not say.
const PRIORITY: u16 = 100;

/// The body of `POST /v1/trunks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTrunk {
    name: String,
    kind: TrunkKind,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    outgoing: Option<Outgoing>,
    priority: Option<u16>,
    max_calls: Option<u32>,
    credentials: Option<TrunkLogin>,
    enabled: Option<bool>,
}

/// The body of `PATCH /v1/trunks/{id}`: what is absent stays, null removes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrunkPatch {
    name: Option<String>,
    addresses: Option<Vec<IpAddr>>,
    #[serde(default, deserialize_with = "present")]
    outgoing: Option<Option<Outgoing>>,
    priority: Option<u16>,
    #[serde(default, deserialize_with = "present")]
    max_calls: Option<Option<u32>>,
    #[serde(default, deserialize_with = "present")]
    credentials: Option<Option<TrunkLogin>>,
    enabled: Option<bool>,
}

/// Where calls go out to, over UDP.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outgoing {
    host: IpAddr,
    port: u16,
}

/// A trunk, as an answer; its credentials are secrets and stay here.
#[derive(Debug, Serialize)]
pub(super) struct TrunkView {
    id: TrunkId,
    name: String,
    kind: TrunkKind,
    addresses: Vec<IpAddr>,
    outgoing: Option<Outgoing>,
    priority: u16,
    max_calls: Option<u32>,
    has_credentials: bool,
    enabled: bool,
    registration: Option<RegistrationView>,
    created_at: Timestamp,
}

/// How the server's registration at a trunk stands.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum RegistrationView {
    Trying,
    Registered { host: IpAddr, port: u16, since_at: Timestamp },
    Failing { since_at: Timestamp, status: u16 },
}

/// The answer of `GET /v1/trunks`.
#[derive(Debug, Serialize)]
pub(super) struct TrunkList {
    trunks: Vec<TrunkView>,
}

/// `POST /v1/trunks`: adds a trunk.
pub(super) async fn create(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewTrunk>,
) -> ApiResult<(StatusCode, Json<TrunkView>)> {
    let created_at = app.now();
    let id = TrunkId::new(created_at, &mut app.random());
    let trunk = Trunk {
        id,
        name: name(&new.name, "name")?,
        kind: new.kind,
        addresses: new.addresses,
        outgoing: new.outgoing.map(Outgoing::address).transpose()?,
        priority: new.priority.unwrap_or(PRIORITY),
        max_calls: new.max_calls,
        credentials: new.credentials.map(|login| sealed(&app, tenant, id, &login)).transpose()?,
        is_enabled: new.enabled.unwrap_or(true),
        created_at,
    };
    check(&trunk)?;
    let mut db = app.db.write(tenant).await?;
    db.put_trunk(&trunk).await?;
    db.commit().await?;
    app.registrations.announce_change();
    Ok((StatusCode::CREATED, Json(TrunkView::of(&app, trunk))))
}

/// `GET /v1/trunks`: the company's trunks, in the order in which they are tried.
pub(super) async fn list(State(app): State<App>, AdminAuth(tenant): AdminAuth) -> ApiResult<Json<TrunkList>> {
    let trunks = app.db.read(tenant).await?.trunks().await?;
    Ok(Json(TrunkList { trunks: trunks.into_iter().map(|trunk| TrunkView::of(&app, trunk)).collect() }))
}

/// `GET /v1/trunks/{id}`: one trunk.
pub(super) async fn one(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(text): Path<String>,
) -> ApiResult<Json<TrunkView>> {
    let found = app.db.read(tenant).await?.trunk(id(&text, "trunk")?).await?;
    let trunk = found.ok_or_else(|| ApiError::not_found("trunk"))?;
    Ok(Json(TrunkView::of(&app, trunk)))
}

/// `PATCH /v1/trunks/{id}`: changes a trunk; calls that go through it go on.
pub(super) async fn edit(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(text): Path<String>,
    Body(patch): Body<TrunkPatch>,
) -> ApiResult<Json<TrunkView>> {
    let mut db = app.db.write(tenant).await?;
    let found = db.trunk(id(&text, "trunk")?).await?;
    let mut trunk = found.ok_or_else(|| ApiError::not_found("trunk"))?;
    if let Some(text) = patch.name {
        trunk.name = name(&text, "name")?;
    }
    if let Some(outgoing) = patch.outgoing {
        trunk.outgoing = outgoing.map(Outgoing::address).transpose()?;
    }
    if let Some(login) = patch.credentials {
        trunk.credentials = login.map(|login| sealed(&app, tenant, trunk.id, &login)).transpose()?;
    }
    trunk.addresses = patch.addresses.unwrap_or(trunk.addresses);
    trunk.priority = patch.priority.unwrap_or(trunk.priority);
    trunk.max_calls = patch.max_calls.unwrap_or(trunk.max_calls);
    trunk.is_enabled = patch.enabled.unwrap_or(trunk.is_enabled);
    check(&trunk)?;
    db.put_trunk(&trunk).await?;
    db.commit().await?;
    app.registrations.announce_change();
    Ok(Json(TrunkView::of(&app, trunk)))
}

/// `DELETE /v1/trunks/{id}`: removes a trunk and its secrets; calls that go through it go on.
pub(super) async fn delete(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Path(text): Path<String>,
) -> ApiResult<StatusCode> {
    let mut db = app.db.write(tenant).await?;
    if !db.delete_trunk(id(&text, "trunk")?).await? {
        return Err(ApiError::not_found("trunk"));
    }
    db.commit().await?;
    app.registrations.announce_change();
    Ok(StatusCode::NO_CONTENT)
}

/// What must hold of every trunk, however it came about.
fn check(trunk: &Trunk) -> ApiResult<()> {
    if trunk.addresses.len() > 64 || trunk.kind == TrunkKind::Static && trunk.addresses.is_empty() {
        return Err(ApiError::invalid("`addresses` must name 1 to 64 IP addresses."));
    }
    if trunk.kind == TrunkKind::Registering && (trunk.outgoing.is_none() || trunk.credentials.is_none()) {
        return Err(ApiError::invalid("A registering trunk needs `outgoing` and `credentials`."));
    }
    if trunk.max_calls.is_some_and(|calls| !(1..=100_000).contains(&calls)) {
        return Err(ApiError::invalid("`max_calls` must be 1 to 100000, or null for any number."));
    }
    if trunk.credentials.is_some() && trunk.outgoing.is_none() {
        return Err(ApiError::invalid("`credentials` need `outgoing`: they are shown to where calls go out to."));
    }
    Ok(())
}

fn sealed(app: &App, tenant: TenantId, trunk: TrunkId, login: &TrunkLogin) -> ApiResult<Vec<u8>> {
    let is_text = |secret: &Secret| {
        let text = secret.reveal();
        (1..=256).contains(&text.len()) && !text.chars().any(char::is_control)
    };
    if ![&login.username, &login.password].into_iter().chain(&login.realm).all(is_text) {
        return Err(ApiError::invalid(
            "`username`, `password` and `realm` of `credentials` must have 1 to 256 bytes without control characters.",
        ));
    }
    Ok(login.seal(&app.vault, &mut app.random(), tenant, trunk))
}

impl TrunkView {
    fn of(app: &App, trunk: Trunk) -> Self {
        let registers = trunk.is_enabled && trunk.kind == TrunkKind::Registering;
        let state = registers.then(|| app.registrations.state(trunk.id).unwrap_or(RegistrationState::Trying));
        Self {
            id: trunk.id,
            name: trunk.name,
            kind: trunk.kind,
            addresses: trunk.addresses,
            outgoing: trunk.outgoing.map(|to| Outgoing { host: to.ip(), port: to.port() }),
            priority: trunk.priority,
            max_calls: trunk.max_calls,
            has_credentials: trunk.credentials.is_some(),
            enabled: trunk.is_enabled,
            registration: state.map(RegistrationView::from),
            created_at: trunk.created_at,
        }
    }
}

impl From<RegistrationState> for RegistrationView {
    fn from(state: RegistrationState) -> Self {
        match state {
            RegistrationState::Trying => Self::Trying,
            RegistrationState::Registered { at, since } => {
                Self::Registered { host: at.ip(), port: at.port(), since_at: since }
            }
            RegistrationState::Failing { since, status } => Self::Failing { since_at: since, status },
        }
    }
}

impl Outgoing {
    fn address(self) -> ApiResult<SocketAddr> {
        let host = self.host.to_canonical();
        let is_broadcast = matches!(host, IpAddr::V4(host) if host.is_broadcast());
        if self.port == 0 || host.is_unspecified() || host.is_multicast() || is_broadcast {
            return Err(ApiError::invalid(
                "`outgoing` must name the IP address of one host and a port from 1 to 65535.",
            ));
        }
        Ok(SocketAddr::new(host, self.port))
    }
}
