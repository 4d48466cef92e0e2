//! Calls that ring their own user first: one click on a number, wherever that was (P8, P9).

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use callfield_domain::{CallId, DeviceId, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::input::{Body, id};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::edge_port::{CallbackAsk, CallbackError, EdgeCommand};
use crate::app::error::{ApiError, ApiResult};

/// How long the edge may take to look up what a call needs.
const LOOK_UP_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to end one.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// The body of `POST /v1/calls`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCall {
    to: String,
    from_device: Option<DeviceId>,
    user: Option<UserId>,
}

/// A call that has begun.
#[derive(Debug, Serialize)]
pub(super) struct Begun {
    id: CallId,
}

/// `POST /v1/calls`: rings the user's own devices, and calls the number when one of them is answered.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewCall>,
) -> ApiResult<(StatusCode, Json<Begun>)> {
    let user = match (caller.user(), new.user) {
        (Some(own), Some(user)) if own != user => return Err(ApiError::invalid("`user` must be the device's own.")),
        (own, user) => own.or(user).ok_or_else(|| ApiError::invalid("`user` must say who calls."))?,
    };
    if caller.user().is_none() {
        let known = app.db.read(caller.tenant()).await?.user(user).await?;
        known.ok_or_else(|| ApiError::invalid("`user` names no user of this company."))?;
    }
    let ask = CallbackAsk { tenant: caller.tenant(), user, to: new.to, device: new.from_device };
    let (reply, answer) = oneshot::channel();
    let begun = asked(&app, EdgeCommand::CallBack { ask, reply }, answer, LOOK_UP_PATIENCE).await?;
    let id = begun.map_err(refusal)?;
    Ok((StatusCode::ACCEPTED, Json(Begun { id })))
}

/// `DELETE /v1/calls/{id}`: ends such a call, whatever its state.
pub(super) async fn end(State(app): State<App>, caller: Caller, Path(call): Path<String>) -> ApiResult<StatusCode> {
    let call = id(&call, "call")?;
    let (reply, answer) = oneshot::channel();
    let command = EdgeCommand::EndCallback { call, tenant: caller.tenant(), user: caller.user(), reply };
    match asked(&app, command, answer, END_PATIENCE).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("live call that rang its own user first")),
    }
}

async fn asked<T>(app: &App, command: EdgeCommand, answer: oneshot::Receiver<T>, patience: Duration) -> ApiResult<T> {
    let silent = || ApiError::unavailable("The SIP edge does not answer; try again.");
    let answered = tokio::time::timeout(patience, async {
        app.edge.send(command).await.map_err(|_| silent())?;
        answer.await.map_err(|_| silent())
    });
    answered.await.map_err(|_| silent())?
}

fn refusal(error: CallbackError) -> ApiError {
    let (status, code, detail) = match error {
        CallbackError::Emergency => (
            StatusCode::FORBIDDEN,
            "emergency_number",
            "Emergency numbers are called with the phone's own dialler, never through this system.",
        ),
        CallbackError::NoNumber => {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", "`to` is no number that can be called.")
        }
        CallbackError::Blocked => {
            (StatusCode::FORBIDDEN, "destination_blocked", "The company does not call this destination.")
        }
        CallbackError::Colleague => {
            (StatusCode::UNPROCESSABLE_ENTITY, "colleague", "A colleague is called from a phone, not by callback.")
        }
        CallbackError::NoWayOut => {
            (StatusCode::CONFLICT, "no_way_out", "The company has no trunk that takes calls, or no number to show.")
        }
        CallbackError::NotEnrolled => {
            (StatusCode::CONFLICT, "not_enrolled", "The user has no device that could ring first.")
        }
        CallbackError::ForeignDevice => {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value", "`from_device` is no device of the user.")
        }
        CallbackError::NoDeviceReachable => {
            (StatusCode::CONFLICT, "no_device_reachable", "No device that may ring is registered or can be woken.")
        }
        CallbackError::Capped => {
            (StatusCode::TOO_MANY_REQUESTS, "too_many_calls", "The user or the company has called enough for now.")
        }
        CallbackError::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The call was not begun; try again.")
        }
    };
    ApiError::new(status, code, detail)
}
