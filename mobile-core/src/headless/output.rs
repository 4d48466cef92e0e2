//! The one writer of standard output: a JSON object a line, or the same as text.

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;

use callfield_domain::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Where everything that a person or a program reads goes out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) const fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    /// Writes one event; its `event` is its name, its `at_ms` its time.
    pub(super) fn event(&self, event: &impl Serialize) {
        // An event is a struct of numbers and strings.
        let value = serde_json::to_value(event).unwrap_or_default();
        let line = if self.is_json { value.to_string() } else { text(&value) };
        // Nobody reads any more when the pipe is closed.
        let _ = writeln!(stdout().lock(), "{line}").and_then(|()| stdout().flush());
    }

    /// Writes what was asked for.
    pub(super) fn said(&self, now: Timestamp, name: &str, fields: Value) {
        let mut event = json!({ "at_ms": now, "event": name });
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields);
        }
        self.event(&event);
    }

    /// Writes why the process fails, to standard error.
    pub(super) fn fail(&self, error: &anyhow::Error) -> ExitCode {
        let line =
            if self.is_json { json!({ "error": format!("{error:#}") }).to_string() } else { format!("{error:#}") };
        let _ = writeln!(stderr().lock(), "callfield-phone: {line}");
        ExitCode::FAILURE
    }
}

/// `12:34:56.789 ringing call=… name=…`; a list is a line each below.
fn text(value: &Value) -> String {
    let Some(fields) = value.as_object() else {
        return value.to_string();
    };
    let time = fields.get("at_ms").and_then(Value::as_i64).map(clock).unwrap_or_default();
    let name = fields.get("event").and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{time} {name}{}", inline(fields));
    for items in fields.values().filter_map(Value::as_array) {
        for item in items {
            line.push_str("\n  ");
            line.push_str(item.as_object().map_or_else(|| item.to_string(), inline).trim_start());
        }
    }
    line
}

fn inline(fields: &Map<String, Value>) -> String {
    let shown = fields
        .iter()
        .filter(|(name, value)| !matches!(name.as_str(), "at_ms" | "event") && !value.is_null() && !value.is_array());
    shown
        .map(|(name, value)| {
            value.as_str().map_or_else(|| format!(" {name}={value}"), |text| format!(" {name}={text}"))
        })
        .collect()
}

fn clock(at_ms: i64) -> String {
    let of_day = at_ms.rem_euclid(86_400_000);
    let (seconds, ms) = (of_day / 1_000, of_day % 1_000);
    format!("{:02}:{:02}:{:02}.{ms:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_as_text_has_its_time_its_name_and_its_fields() {
        let event = json!({ "at_ms": 45_296_789, "event": "ringing", "name": "Tanaka", "number": null });
        assert_eq!(text(&event), "12:34:56.789 ringing name=Tanaka");
    }

    #[test]
    fn a_list_as_text_is_a_line_each() {
        let event = json!({ "at_ms": 0, "event": "contacts", "contacts": [{ "id": 1 }, { "id": 2 }] });
        assert_eq!(text(&event), "00:00:00.000 contacts\n  id=1\n  id=2");
    }
}
