//! `POST /v1/sync`: one round trip that pushes and pulls (docs/protocol/sync.md).
//!
//! The body is unpacked and decoded under limits, its changes are judged and durable first ([`crate::app::records`]),
//! then the pages are read, so that a phone sees its own edits in the same answer.

mod body;
mod cursor;
mod pages;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use axum::routing::post;
use callfield_domain::TenantId;
use callfield_sync::DeviceKey;
use callfield_sync::protocol::{Request as SyncRequest, Response as SyncResponse, SCHEMA, Verdict};
use http::{Method, StatusCode};

use crate::app::App;
use crate::app::auth::DeviceAuth;
use crate::app::edge_port::DeviceIdentity;
use crate::app::error::{ApiError, ApiResult};
use crate::app::records::{self, Party};
use crate::app::route::{Needs, Route};
use pages::Reader;

/// Every operation of this part.
pub fn routes() -> Vec<Route> {
    vec![Route::new(Method::POST, "/v1/sync", Needs::Device, post(sync))]
}

/// Its router; a body over `body_bytes` is refused.
pub fn router(body_bytes: usize) -> Router<App> {
    Route::router(routes()).layer(DefaultBodyLimit::max(body_bytes))
}

async fn sync(State(app): State<App>, DeviceAuth(identity): DeviceAuth, request: Request) -> ApiResult<Response> {
    let packed = body::takes_zstd(request.headers());
    let bytes = body::read(request, app.config.http.sync_body_bytes).await?;
    let request = SyncRequest::decode(&bytes).map_err(|error| body::undecodable(&error))?;
    if request.device != identity.device {
        return Err(ApiError::invalid("The request names another device than the token."));
    }
    let party = party(&app, identity).await?;
    let response = answer(&app, &party, request).await?;
    body::write(&response.encode(), packed)
}

async fn party(app: &App, identity: DeviceIdentity) -> ApiResult<Party> {
    let device = app.db.read(identity.tenant).await?.device(identity.device).await?;
    let device = device.ok_or_else(|| ApiError::not_found("device"))?;
    let key: [u8; 32] = device.public_key.as_slice().try_into().map_err(|_| {
        ApiError::new(StatusCode::CONFLICT, "no_device_key", "The device has no usable key: enrol it again.")
    })?;
    let key = DeviceKey::of_public_key(&key);
    Ok(Party::of_device(identity.tenant, identity.user, identity.device, key))
}

async fn answer(app: &App, party: &Party, request: SyncRequest) -> ApiResult<SyncResponse> {
    // A log must meet the facts of its call, and a phone wants to see its ended call in this answer.
    records::make_call_records(app, party.tenant).await?;
    let mut response = SyncResponse::new(app.now());
    if !request.push.is_empty() {
        let ingested = records::ingest(app, party, request.push).await?;
        count(party.tenant, &ingested.verdicts);
        response.verdicts = ingested.verdicts;
        response.corrections = ingested.records.into_iter().flat_map(|record| record.corrections).collect();
    }
    let mut reader = Reader::new(app, party, request.budget).await?;
    response.wanted = reader.wanted(&request.want).await?;
    if request.schema >= SCHEMA {
        let permitted = party.scopes();
        for named in &request.scopes {
            if permitted.contains(&named.scope) {
                response.pages.push(reader.page(named).await?);
            } else {
                response.scopes_removed.push(named.scope.clone());
            }
        }
        let is_named = |scope: &String| request.scopes.iter().any(|named| named.scope == *scope);
        response.scopes_added = permitted.into_iter().filter(|scope| !is_named(scope)).collect();
    } else {
        response.min_schema = Some(SCHEMA);
    }
    Ok(response)
}

fn count(tenant: TenantId, verdicts: &[Verdict]) {
    for verdict in verdicts {
        let code = format!("{:?}", verdict.code).to_lowercase();
        metrics::counter!("callfield_sync_changes_total", "verdict" => code).increment(1);
    }
    tracing::debug!(%tenant, changes = verdicts.len(), "changes were judged");
}
