//! What FCM demands of a send request's path and body.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answers::FcmError;
use crate::delivery::Arrival;

const DATA_BYTES_MAX: usize = 4_096;
const TTL_S_MAX: f64 = 2_419_200.0;
const RESERVED_KEYS: [&str; 2] = ["from", "message_type"];
const RESERVED_PREFIXES: [&str; 2] = ["google.", "gcm.notification."];
const MESSAGE_FIELDS: &[&str] =
    &["name", "data", "notification", "android", "webpush", "apns", "fcm_options", "token", "topic", "condition"];
const ANDROID_FIELDS: &[&str] = &[
    "collapse_key",
    "priority",
    "ttl",
    "restricted_package_name",
    "data",
    "notification",
    "fcm_options",
    "direct_boot_ok",
];

/// The project of a send path.
pub(super) fn project_of(path: &str) -> Result<&str, FcmError> {
    let project = path.strip_prefix("/v1/projects/").and_then(|rest| rest.strip_suffix("/messages:send"));
    project.filter(|project| !project.is_empty() && !project.contains('/')).ok_or_else(FcmError::not_found)
}

/// Whether text has the form of a registration token, whoever it may belong to.
pub(super) fn looks_like_a_token(text: &str) -> bool {
    let Some((instance, rest)) = text.split_once(':') else { return false };
    let is_url_safe = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
    instance.len() >= 8 && rest.len() >= 100 && is_url_safe(instance) && is_url_safe(rest)
}

/// A message whose form is right.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) token: String,
    pub(super) is_validate_only: bool,
    data: Map<String, Value>,
    headers: BTreeMap<String, String>,
    has_notification: bool,
}

impl Message {
    pub(super) fn read(body: &[u8]) -> Result<Self, FcmError> {
        let request: Value = serde_json::from_slice(body)
            .map_err(|_| FcmError::invalid_field("", "Invalid JSON payload received. Parser terminated."))?;
        let request = fields(&request, "", &["message", "validate_only"])?;
        let message = request.get("message").cloned().unwrap_or_default();
        let message = fields(&message, "message", MESSAGE_FIELDS)?;
        let mut data = string_map(message.get("data"), "message.data")?;
        let headers = read_android(message.get("android"), &mut data)?;
        check_data(&data)?;
        Ok(Self {
            token: target(message)?,
            is_validate_only: request.get("validate_only") == Some(&Value::Bool(true)),
            data,
            headers,
            has_notification: message.contains_key("notification"),
        })
    }

    pub(super) fn into_arrival(self) -> Arrival {
        let push_type = if self.has_notification { "notification" } else { "data" };
        Arrival { push_type: push_type.to_owned(), headers: self.headers, payload: Value::Object(self.data) }
    }
}

/// The one registration token that the message is for; this fake sends to no topics.
fn target(message: &Map<String, Value>) -> Result<String, FcmError> {
    let targets = ["token", "topic", "condition"].iter().filter(|name| message.contains_key(**name)).count();
    if targets != 1 {
        return Err(FcmError::invalid_message("Recipient of the message is not set."));
    }
    let token = message.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
    token.map(ToOwned::to_owned).ok_or_else(FcmError::not_a_token)
}

/// Checks priority and lifetime, and takes `android.data`, which replaces `message.data`.
fn read_android(android: Option<&Value>, data: &mut Map<String, Value>) -> Result<BTreeMap<String, String>, FcmError> {
    let mut headers = BTreeMap::new();
    let Some(android) = android else { return Ok(headers) };
    let android = fields(android, "message.android", ANDROID_FIELDS)?;
    if android.contains_key("data") {
        *data = string_map(android.get("data"), "message.android.data")?;
    }
    if let Some(priority) = android.get("priority") {
        let name = priority.as_str().unwrap_or_default().to_ascii_lowercase();
        if !["high", "normal"].contains(&name.as_str()) {
            let message = format!("Invalid value at 'message.android.priority' (TYPE_ENUM), {priority}");
            return Err(FcmError::invalid_field("message.android.priority", message));
        }
        headers.insert("priority".to_owned(), name);
    }
    if let Some(ttl) = android.get("ttl") {
        headers.insert("ttl".to_owned(), check_ttl(ttl)?);
    }
    if let Some(key) = android.get("collapse_key").and_then(Value::as_str) {
        headers.insert("collapse_key".to_owned(), key.to_owned());
    }
    Ok(headers)
}

/// A duration in protobuf's JSON form: seconds with up to nine decimals and an `s`.
fn check_ttl(ttl: &Value) -> Result<String, FcmError> {
    let field = "message.android.ttl";
    let text = ttl.as_str().unwrap_or_default();
    let Some(seconds) = text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok()) else {
        let message = format!("Invalid value at '{field}' (type.googleapis.com/google.protobuf.Duration), {ttl}");
        return Err(FcmError::invalid_field(field, message));
    };
    if !(0.0..=TTL_S_MAX).contains(&seconds) {
        return Err(FcmError::invalid_message("Invalid TTL: it must be between 0 and 2,419,200 seconds."));
    }
    Ok(text.to_owned())
}

fn check_data(data: &Map<String, Value>) -> Result<(), FcmError> {
    let reserved = data.keys().find(|key| {
        RESERVED_KEYS.contains(&key.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
    });
    if let Some(key) = reserved {
        return Err(FcmError::invalid_message(format!("Invalid data payload key: {key}")));
    }
    let bytes: usize = data.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if bytes > DATA_BYTES_MAX {
        return Err(FcmError::invalid_message("Android message is too big"));
    }
    Ok(())
}

/// A map of strings to strings; any other value is refused as Google's JSON reader does.
fn string_map(value: Option<&Value>, at: &str) -> Result<Map<String, Value>, FcmError> {
    let Some(value) = value else { return Ok(Map::new()) };
    let Some(map) = value.as_object() else {
        return Err(FcmError::invalid_field(at, format!("Invalid value at '{at}' (MapEntry), {value}")));
    };
    if let Some((index, (_, wrong))) = map.iter().enumerate().find(|(_, (_, value))| !value.is_string()) {
        let field = format!("{at}[{index}].value");
        return Err(FcmError::invalid_field(&field, format!("Invalid value at '{field}' (TYPE_STRING), {wrong}")));
    }
    Ok(map.clone())
}

/// An object that has no other fields than `known`.
fn fields<'a>(value: &'a Value, at: &str, known: &[&str]) -> Result<&'a Map<String, Value>, FcmError> {
    let Some(object) = value.as_object() else {
        return Err(FcmError::invalid_field(at, format!("Invalid value at '{at}' (Message)")));
    };
    if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
        let message = format!("Invalid JSON payload received. Unknown name \"{name}\" at '{at}': Cannot find field.");
        return Err(FcmError::invalid_field(at, message));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::object;

    #[test]
    fn a_message_needs_exactly_one_recipient() {
        let read = |message: Value| Message::read(object([("message", message)]).to_string().as_bytes());
        let token = || Value::from("t");
        assert!(read(object([("token", token())])).is_ok());
        assert!(read(object([])).is_err());
        assert!(read(object([("token", token()), ("topic", Value::from("news"))])).is_err());
    }
}
