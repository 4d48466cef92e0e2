//! Records through REST: listed, read, made and edited.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use callfield_domain::{RecordId, UserId};
use callfield_sync::schema::RecordType;
use callfield_sync::{ChangeHash, Heads};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::input::{Body, Parameters, id};
use crate::app::App;
use crate::app::auth::Caller;
use crate::app::error::{ApiError, ApiResult};
use crate::app::records::{self, NewRecord, Party, RecordView, RecordsError};
use crate::db::DocPage;

/// The parameters of `GET /v1/records`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    r#type: String,
    #[serde(default = "fifty")]
    limit: u32,
    after: Option<RecordId>,
}

const fn fifty() -> u32 {
    50
}

/// The answer of `GET /v1/records`.
#[derive(Debug, Serialize)]
pub(super) struct RecordList {
    records: Vec<RecordView>,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RecordId>,
}

/// The body of `POST /v1/records`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creation {
    r#type: String,
    fields: serde_json::Map<String, Value>,
    owner: Option<UserId>,
}

/// `GET /v1/records`: the records of a type that the caller may see, in the order of their ids.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(listing): Parameters<Listing>,
) -> ApiResult<Json<RecordList>> {
    if !(1..=200).contains(&listing.limit) {
        return Err(ApiError::invalid("`limit` must be between 1 and 200."));
    }
    let record_type: RecordType = listing.r#type.parse().map_err(|_| ApiError::from(RecordsError::UnknownType))?;
    let party = Party::of_caller(caller);
    let mut rows = app.db.read(party.tenant).await?;
    let page = DocPage { record_type: record_type.as_str(), after: listing.after, limit: i64::from(listing.limit) };
    let docs = rows.docs(page).await?;
    let is_full = docs.len() == listing.limit as usize;
    let next = docs.last().map(|doc| doc.id).filter(|_| is_full);
    let mut views = Vec::new();
    for doc in docs.into_iter().filter(|doc| party.may_see(record_type, &doc.projection)) {
        views.push(records::view(&mut rows, doc).await?);
    }
    Ok(Json(RecordList { records: views, next }))
}

/// `GET /v1/records/{id}`: the values, the fields that have several, and the `ETag` to edit on.
pub(super) async fn one(State(app): State<App>, caller: Caller, Path(record): Path<String>) -> ApiResult<Response> {
    shown(&app, &Party::of_caller(caller), id(&record, "record")?, StatusCode::OK).await
}

/// `POST /v1/records`.
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(creation): Body<Creation>,
) -> ApiResult<Response> {
    let party = Party::of_caller(caller);
    let record_type: RecordType = creation.r#type.parse().map_err(|_| ApiError::from(RecordsError::UnknownType))?;
    let fields = owned(record_type, creation, caller.user())?;
    let new = NewRecord { record_type, fields };
    let record = records::create(&app, &party, new).await?;
    shown(&app, &party, record, StatusCode::CREATED).await
}

/// The fields with the owner among them: the named one, else the person who asks. The server alone says whose a call is.
fn owned(record_type: RecordType, creation: Creation, asking: Option<UserId>) -> ApiResult<Value> {
    let Creation { mut fields, owner, .. } = creation;
    if record_type == RecordType::Call {
        let is_named = owner.is_some();
        return if is_named { Err(ApiError::invalid("A call has no `owner`.")) } else { Ok(Value::Object(fields)) };
    }
    let field = record_type.owner_field();
    match owner.map(|owner| Value::String(owner.to_string())) {
        Some(owner) if fields.get(field).is_some_and(|other| *other != owner) => {
            return Err(ApiError::invalid("`owner` and `fields.owner_id` differ."));
        }
        Some(owner) => drop(fields.insert(field.to_owned(), owner)),
        None => {
            let asking = asking.map(|user| Value::String(user.to_string()));
            let missing = asking.filter(|_| !fields.contains_key(field));
            fields.extend(missing.map(|user| (field.to_owned(), user)));
        }
    }
    Ok(Value::Object(fields))
}

/// `PATCH /v1/records/{id}`: a JSON merge patch on top of the heads in `If-Match`.
pub(super) async fn edit(
    State(app): State<App>,
    caller: Caller,
    Path(record): Path<String>,
    headers: HeaderMap,
    Body(patch): Body<Value>,
) -> ApiResult<Response> {
    let record = id(&record, "record")?;
    let party = Party::of_caller(caller);
    records::edit(&app, &party, record, &stated_heads(&headers)?, &patch).await?;
    shown(&app, &party, record, StatusCode::OK).await
}

async fn shown(app: &App, party: &Party, record: RecordId, status: StatusCode) -> ApiResult<Response> {
    let mut rows = app.db.read(party.tenant).await?;
    let doc = rows.doc(record).await?.ok_or_else(|| ApiError::not_found("record"))?;
    let record_type: RecordType = doc.record_type.parse().map_err(|_| ApiError::not_found("record"))?;
    if !party.may_see(record_type, &doc.projection) {
        return Err(ApiError::not_found("record"));
    }
    let view = records::view(&mut rows, doc).await?;
    let etag = view.etag();
    Ok((status, [(header::ETAG, etag)], Json(view)).into_response())
}

/// The heads in `If-Match`: the `ETag` as it was given.
fn stated_heads(headers: &HeaderMap) -> ApiResult<Heads> {
    let missing = || {
        let detail = "PATCH needs If-Match with the ETag the edit is made on.";
        ApiError::new(StatusCode::PRECONDITION_REQUIRED, "if_match_missing", detail)
    };
    let stated = headers.get(header::IF_MATCH).ok_or_else(missing)?.to_str().unwrap_or_default();
    let stated = stated.trim().trim_start_matches("W/").trim_matches('"');
    let heads = stated.split('.').map(str::parse::<ChangeHash>).collect::<Result<Heads, _>>();
    heads.map_err(|_| RecordsError::UnknownHeads.into())
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::NotFound => Self::not_found("record"),
            RecordsError::UnknownHeads => {
                let detail = "The record never had the state that If-Match names; read it again.";
                Self::new(StatusCode::PRECONDITION_FAILED, "unknown_heads", detail)
            }
            RecordsError::UnknownType => Self::invalid("There is no such type of record."),
            RecordsError::UnknownOwner => Self::invalid("The owner is no user of this company."),
            RecordsError::Forbidden => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "You may not write this record like that.")
            }
            RecordsError::Unfit(why) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit_values", format!("The values do not fit: {why}."))
            }
            RecordsError::Refused(code) => {
                let detail = format!("The change was refused: {code}.");
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "change_refused", detail)
            }
            RecordsError::Damaged(error) => {
                tracing::error!(%error, "a stored record does not load");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "record_damaged", "The stored record cannot be read.")
            }
            RecordsError::BrokeOff => Self::unavailable("The work broke off; try again."),
            RecordsError::Db(error) => error.into(),
        }
    }
}
