//! The why-it-rang timeline: every step must be there, in an order that makes sense.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Steps that must be there, and how often at least.
const EXPECTED: &[(&str, usize)] = &[
    ("invited", 1),
    ("routed", 1),
    ("push_sent", 2),
    ("push_accepted", 2),
    ("state_asked", 2),
    ("registered", 2),
    ("invite_forwarded", 2),
    ("device_ringing", 1),
    ("answered", 1),
    ("cancelled", 1),
    ("hung_up", 1),
    ("durable", 1),
    ("synced", 1),
];

pub(super) fn check(timeline: &Value) -> Result<()> {
    let events = timeline["events"].as_array().context("the timeline has no events")?;
    for (milestone, times) in EXPECTED {
        let seen = events.iter().filter(|event| event["milestone"] == *milestone).count();
        ensure!(seen >= *times, "the timeline shows `{milestone}` {seen} times instead of {times}: {timeline}");
    }
    let forwarded = events.iter().filter(|event| event["milestone"] == "invite_forwarded").count();
    ensure!(forwarded == 2, "the INVITE went to the two phones {forwarded} times");
    Ok(())
}

/// The timeline for people: milliseconds after the INVITE, what happened, where.
pub fn lines(timeline: &Value) -> Vec<String> {
    let events = timeline["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let start = events.first().and_then(|event| event["at"].as_i64()).unwrap_or(0);
    let line = |event: &Value| {
        let after = event["at"].as_i64().unwrap_or(0) - start;
        let device = event["device"].as_str().map_or(String::new(), |device| format!("  device …{}", tail(device)));
        let detail = event["detail"].as_str().map_or(String::new(), |detail| format!("  {detail}"));
        format!("{after:>7} ms  {:<18}{device}{detail}", event["milestone"].as_str().unwrap_or("?"))
    };
    events.iter().map(line).collect()
}

/// UUIDv7s of one minute differ only at their end.
fn tail(id: &str) -> &str {
    &id[id.len().saturating_sub(6)..]
}
