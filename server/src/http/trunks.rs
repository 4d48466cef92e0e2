//! Trunks: how calls come in and go out.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::State;
use callfield_domain::TrunkId;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Body, name};
use crate::app::App;
use crate::app::auth::AdminAuth;
use crate::app::error::{ApiError, ApiResult};
use crate::db::Trunk;

/// The body of `POST /v1/trunks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTrunk {
    name: String,
    kind: Kind,
    addresses: Vec<IpAddr>,
    outgoing: Option<Outgoing>,
}

/// Where calls go out to, over UDP.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outgoing {
    host: IpAddr,
    port: u16,
}

/// How a trunk is known.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// By the addresses its calls come from.
    Static,
}

/// A trunk, as an answer.
#[derive(Debug, Serialize)]
pub(super) struct TrunkView {
    id: TrunkId,
    name: String,
    kind: Kind,
    addresses: Vec<IpAddr>,
    outgoing: Option<Outgoing>,
}

/// `POST /v1/trunks`: adds a trunk.
pub(super) async fn create(
    State(app): State<App>,
    AdminAuth(tenant): AdminAuth,
    Body(new): Body<NewTrunk>,
) -> ApiResult<(StatusCode, Json<TrunkView>)> {
    if new.addresses.is_empty() || new.addresses.len() > 64 {
        return Err(ApiError::invalid("`addresses` must name 1 to 64 IP addresses."));
    }
    let outgoing = new.outgoing.map(Outgoing::address).transpose()?;
    let Kind::Static = new.kind;
    let now = app.now();
    let trunk = Trunk {
        id: TrunkId::new(now, &mut app.random()),
        name: name(&new.name, "name")?,
        kind: "static".to_owned(),
        addresses: new.addresses,
        outgoing,
        created_at: now,
    };
    let mut db = app.db.write(tenant).await?;
    db.insert_trunk(&trunk).await?;
    db.commit().await?;
    let Trunk { id, name, addresses, .. } = trunk;
    Ok((StatusCode::CREATED, Json(TrunkView { id, name, kind: new.kind, addresses, outgoing: new.outgoing })))
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
