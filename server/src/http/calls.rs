//! Calls: the server's facts, the timeline, and how a call stands for a woken device.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::{
    CallFacts, CallId, CallState, DeviceId, Direction, Outcome, RecordId, TimelineEvent, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use super::input::{Parameters, id};
use crate::app::App;
use crate::app::auth::{Caller, DeviceAuth};
use crate::app::edge_port::EdgeCommand;
use crate::app::error::{ApiError, ApiResult};
use crate::db::CallPage;

/// How long the edge may take to say how a call stands.
const EDGE_PATIENCE: Duration = Duration::from_secs(2);

/// The parameters of `GET /v1/calls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default = "fifty")]
    limit: u32,
    before: Option<CallId>,
}

const fn fifty() -> u32 {
    50
}

/// The answer of `GET /v1/calls`.
#[derive(Debug, Serialize)]
pub(super) struct CallList {
    calls: Vec<CallView>,
}

/// The facts of a call.
#[derive(Debug, Serialize)]
pub(super) struct CallView {
    id: CallId,
    direction: Direction,
    from: String,
    to: String,
    user: Option<UserId>,
    device: Option<DeviceId>,
    state: CallState,
    outcome: Option<Outcome>,
    started_at: Timestamp,
    answered_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    transferred_to: Option<String>,
    ring_ms: Option<u64>,
    talk_ms: Option<u64>,
}

/// One call with what its people wrote about it.
#[derive(Debug, Serialize)]
pub(super) struct CallWithLog {
    #[serde(flatten)]
    call: CallView,
    record: RecordId,
    log: Option<Value>,
}

/// The answer of `GET /v1/calls/{id}/timeline`.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    call: CallId,
    events: Vec<TimelineEvent>,
}

/// The answer of `GET /v1/calls/{id}/state`.
#[derive(Debug, Serialize)]
pub(super) struct Standing {
    state: &'static str,
}

/// `GET /v1/calls`: the company's calls, newest first.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(listing): Parameters<Listing>,
) -> ApiResult<Json<CallList>> {
    if !(1..=200).contains(&listing.limit) {
        return Err(ApiError::invalid("`limit` must be 1 to 200."));
    }
    let page = CallPage { limit: i64::from(listing.limit), before: listing.before };
    let calls = app.db.read(caller.tenant()).await?.calls(page).await?;
    Ok(Json(CallList { calls: calls.into_iter().map(|call| CallView::from(call.facts)).collect() }))
}

/// `GET /v1/calls/{id}`: the facts, and the log once a device has written one.
pub(super) async fn one(
    State(app): State<App>,
    caller: Caller,
    Path(call): Path<String>,
) -> ApiResult<Json<CallWithLog>> {
    let call: CallId = id(&call, "call")?;
    let mut db = app.db.read(caller.tenant()).await?;
    let stored = db.call(call).await?.ok_or_else(|| ApiError::not_found("call"))?;
    let record = RecordId::of_call(caller.tenant(), call);
    let log = db.projection(record).await?;
    Ok(Json(CallWithLog { call: stored.facts.into(), record, log }))
}

/// `GET /v1/calls/{id}/timeline`: why it rang, step by step.
pub(super) async fn timeline(
    State(app): State<App>,
    caller: Caller,
    Path(call): Path<String>,
) -> ApiResult<Json<Timeline>> {
    let call: CallId = id(&call, "call")?;
    let mut db = app.db.read(caller.tenant()).await?;
    db.call(call).await?.ok_or_else(|| ApiError::not_found("call"))?;
    Ok(Json(Timeline { call, events: db.timeline(call).await? }))
}

/// `GET /v1/calls/{id}/state`: whether a call that a push named is still worth connecting for.
pub(super) async fn state(
    State(app): State<App>,
    DeviceAuth(identity): DeviceAuth,
    Path(call): Path<String>,
) -> ApiResult<Json<Standing>> {
    let call = id(&call, "call")?;
    let silent = || ApiError::unavailable("The SIP edge does not answer; try again.");
    let (reply, answer) = oneshot::channel();
    let asked = app.edge.send(EdgeCommand::CallState { identity, call, reply });
    let answered = tokio::time::timeout(EDGE_PATIENCE, async {
        asked.await.map_err(|_| silent())?;
        answer.await.map_err(|_| silent())
    });
    let state = answered.await.map_err(|_| silent())??;
    Ok(Json(Standing { state: state.word() }))
}

impl From<CallFacts> for CallView {
    fn from(facts: CallFacts) -> Self {
        Self {
            ring_ms: facts.ring_ms(),
            talk_ms: facts.talk_ms(),
            id: facts.id,
            direction: facts.direction,
            from: facts.from,
            to: facts.to,
            user: facts.user,
            device: facts.device,
            state: facts.state,
            outcome: facts.outcome,
            started_at: facts.started_at,
            answered_at: facts.answered_at,
            ended_at: facts.ended_at,
            transferred_to: facts.transferred_to,
        }
    }
}
