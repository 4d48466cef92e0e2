//! What APNs demands of a request's path, headers and body.

use http::{HeaderMap, Method};
use serde_json::Value;

use super::Refusal;

const PAYLOAD_BYTES_MAX: usize = 4_096;
const VOIP_PAYLOAD_BYTES_MAX: usize = 5_120;
const COLLAPSE_ID_BYTES_MAX: usize = 64;

/// Each push type with the suffix its topic must have after the bundle id.
const PUSH_TYPES: &[(&str, &str)] = &[
    ("alert", ""),
    ("background", ""),
    ("voip", ".voip"),
    ("complication", ".complication"),
    ("fileprovider", ".pushkit.fileprovider"),
    ("location", ".location-query"),
    ("liveactivity", ".push-type.liveactivity"),
    ("pushtotalk", ".voip-ptt"),
];

/// The headers that a request may hold once.
const SINGLE_HEADERS: &[&str] = &[
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-id",
    "apns-collapse-id",
    "authorization",
];

/// A push whose form is right.
#[derive(Debug)]
pub(super) struct CheckedPush {
    pub(super) topic: String,
    pub(super) push_type: &'static str,
    pub(super) payload: Value,
}

pub(super) fn check_request_line(method: &Method, path: &str) -> Result<(), Refusal> {
    let Some(token) = path.strip_prefix("/3/device/") else {
        let bare = path == "/3/device";
        return Err(if bare { Refusal::new(400, "MissingDeviceToken") } else { Refusal::new(404, "BadPath") });
    };
    if method != Method::POST {
        return Err(Refusal::new(405, "MethodNotAllowed"));
    }
    if token.is_empty() {
        return Err(Refusal::new(400, "MissingDeviceToken"));
    }
    let is_hex = token.len() >= 64 && token.len().is_multiple_of(2) && token.bytes().all(|c| c.is_ascii_hexdigit());
    if is_hex { Ok(()) } else { Err(Refusal::new(400, "BadDeviceToken")) }
}

pub(super) fn check_push(headers: &HeaderMap, body: &[u8], bundle_id: &str) -> Result<CheckedPush, Refusal> {
    if SINGLE_HEADERS.iter().any(|name| headers.get_all(*name).iter().count() > 1) {
        return Err(Refusal::new(400, "DuplicateHeaders"));
    }
    let (push_type, topic) = check_topic(headers, bundle_id)?;
    check_priority(headers, push_type)?;
    check_numbers_and_ids(headers)?;
    let limit = if push_type == "voip" { VOIP_PAYLOAD_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
    Ok(CheckedPush { topic, push_type, payload: check_payload(body, limit)? })
}

fn check_topic(headers: &HeaderMap, bundle_id: &str) -> Result<(&'static str, String), Refusal> {
    let Some(topic) = text(headers, "apns-topic") else {
        return Err(Refusal::new(400, "MissingTopic"));
    };
    let Some(suffix) = topic.strip_prefix(bundle_id) else {
        return Err(Refusal::new(400, "TopicDisallowed"));
    };
    // A request without a push type is taken for an alert, as on iOS.
    let named = text(headers, "apns-push-type").unwrap_or("alert");
    let Some((push_type, own_suffix)) = PUSH_TYPES.iter().find(|(push_type, _)| *push_type == named) else {
        return Err(Refusal::new(400, "InvalidPushType"));
    };
    match (suffix == *own_suffix, PUSH_TYPES.iter().any(|(_, known)| *known == suffix)) {
        (true, _) => Ok((push_type, topic.to_owned())),
        (false, true) => Err(Refusal::new(400, "InvalidPushType")),
        (false, false) => Err(Refusal::new(400, "BadTopic")),
    }
}

fn check_priority(headers: &HeaderMap, push_type: &str) -> Result<(), Refusal> {
    match (text(headers, "apns-priority"), push_type) {
        (Some("5" | "1"), _) => Ok(()),
        (None | Some("10"), push_type) if push_type != "background" => Ok(()),
        _ => Err(Refusal::new(400, "BadPriority")),
    }
}

fn check_numbers_and_ids(headers: &HeaderMap) -> Result<(), Refusal> {
    if text(headers, "apns-expiration").is_some_and(|seconds| seconds.parse::<u32>().is_err()) {
        return Err(Refusal::new(400, "BadExpirationDate"));
    }
    if text(headers, "apns-id").is_some_and(|id| !is_uuid(id)) {
        return Err(Refusal::new(400, "BadMessageId"));
    }
    if text(headers, "apns-collapse-id").is_some_and(|id| id.len() > COLLAPSE_ID_BYTES_MAX) {
        return Err(Refusal::new(400, "BadCollapseId"));
    }
    Ok(())
}

fn check_payload(body: &[u8], limit: usize) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Err(Refusal::new(400, "PayloadEmpty"));
    }
    if body.len() > limit {
        return Err(Refusal::new(413, "PayloadTooLarge"));
    }
    // Apple names no reason for a body that is no dictionary with `aps` in it; it must not pass unseen here.
    let payload: Value = serde_json::from_slice(body).map_err(|_| Refusal::new(400, "PayloadEmpty"))?;
    if payload.get("aps").is_some_and(Value::is_object) { Ok(payload) } else { Err(Refusal::new(400, "PayloadEmpty")) }
}

/// Whether `id` is a UUID in its canonical lower-case form.
pub(super) fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == b'-',
            _ => c.is_ascii_digit() || (b'a'..=b'f').contains(&c),
        })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // Bytes that are no text match nothing that is asked for.
    headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
}
