//! The default values of the picklists (features.md 4.4): stable keys, with the labels left to the apps.
//!
//! Every tenant may add values, so a key that is not in a list is kept as it came.

/// What a call was for.
pub const PURPOSE: &[&str] =
    &["prospecting", "administrative", "negotiation", "demo", "project", "support", "follow_up", "other"];

/// What came of a call.
pub const RESULT: &[&str] = &[
    "interested",
    "not_interested",
    "no_response",
    "left_message",
    "call_back_requested",
    "more_info",
    "wrong_number",
    "meeting_set",
];

/// How far a task is.
pub const TASK_STATUS: &[&str] = &["not_started", "in_progress", "completed", "deferred", "canceled"];

/// Whether `value` is one of the keys that `list` starts with.
pub fn is_default(list: &[&str], value: &str) -> bool {
    list.contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l45_the_default_results_hold_interested() {
        assert!(is_default(RESULT, "interested"));
        assert!(!is_default(RESULT, "Interested"));
    }
}
