//! FCM's errors: Google's envelope with an `FcmError` or `BadRequest` in its details.

use bytes::Bytes;
use http::Response;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::delivery::object;

/// An error as FCM words it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FcmError {
    pub(super) code: u16,
    status: &'static str,
    message: String,
    detail: Detail,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Detail {
    None,
    /// `google.firebase.fcm.v1.FcmError` with this code.
    Fcm(&'static str),
    /// `google.rpc.BadRequest` about this field.
    Field(String),
}

impl FcmError {
    pub(super) fn unauthenticated() -> Self {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or \
                       other valid authentication credential.";
        Self::new(401, "UNAUTHENTICATED", message, Detail::None)
    }

    pub(super) fn permission_denied() -> Self {
        let message = "Permission 'cloudmessaging.messages.create' denied on this project (or it may not exist).";
        Self::new(403, "PERMISSION_DENIED", message, Detail::None)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested URL was not found on this server.", Detail::None)
    }

    pub(super) fn unregistered() -> Self {
        Self::new(404, "NOT_FOUND", "Requested entity was not found.", Detail::Fcm("UNREGISTERED"))
    }

    pub(super) fn sender_id_mismatch() -> Self {
        Self::new(403, "PERMISSION_DENIED", "SenderId mismatch", Detail::Fcm("SENDER_ID_MISMATCH"))
    }

    pub(super) fn not_a_token() -> Self {
        let message = "The registration token is not a valid FCM registration token";
        Self::new(400, "INVALID_ARGUMENT", message, Detail::Fcm("INVALID_ARGUMENT"))
    }

    /// The other kind of INVALID_ARGUMENT: the request is wrong, not the token.
    pub(super) fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message, Detail::Field(field.into()))
    }

    /// A message that is well formed but not allowed, e.g. too big.
    pub(super) fn invalid_message(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message, Detail::Fcm("INVALID_ARGUMENT"))
    }

    fn new(code: u16, status: &'static str, message: impl Into<String>, detail: Detail) -> Self {
        Self { code, status, message: message.into(), detail }
    }

    /// The word that tells most: FCM's own code, or Google's status.
    pub(super) fn reason(&self) -> &str {
        match &self.detail {
            Detail::Fcm(code) => code,
            Detail::None | Detail::Field(_) => self.status,
        }
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let details = match &self.detail {
            Detail::None => Vec::new(),
            Detail::Fcm(code) => vec![fcm_detail(code)],
            Detail::Field(field) => vec![object([
                ("@type", Value::from("type.googleapis.com/google.rpc.BadRequest")),
                (
                    "fieldViolations",
                    Value::from(vec![object([
                        ("field", Value::from(field.as_str())),
                        ("description", Value::from(self.message.as_str())),
                    ])]),
                ),
            ])],
        };
        json(self.code, &envelope(self.code, self.status, &self.message, details))
    }
}

/// An ordered error; `reason` is the code in its details.
pub(super) fn refuse_with(code: u16, reason: &str) -> Response<Bytes> {
    let status = match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json(code, &envelope(code, status, "An error that was ordered.", vec![fcm_detail(reason)]))
}

/// A JSON answer.
pub(super) fn json(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json; charset=UTF-8")
        .body(Bytes::from(body.to_string()))
        .unwrap_or_else(|_| Response::new(Bytes::new()))
}

fn envelope(code: u16, status: &str, message: &str, details: Vec<Value>) -> Value {
    let mut error =
        object([("code", Value::from(code)), ("message", Value::from(message)), ("status", Value::from(status))]);
    if !details.is_empty() {
        error["details"] = Value::from(details);
    }
    object([("error", error)])
}

fn fcm_detail(code: &str) -> Value {
    object([
        ("@type", Value::from("type.googleapis.com/google.firebase.fcm.v1.FcmError")),
        ("errorCode", Value::from(code)),
    ])
}
