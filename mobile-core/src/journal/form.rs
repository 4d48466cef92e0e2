//! What the user fills in after a call.

use std::time::Duration;

use callfield_domain::{RecordId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// The after-call sheet; every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogForm {
    /// What the call was about, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What the call was for ([`callfield_domain::picklist::PURPOSE`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// What came of it ([`callfield_domain::picklist::RESULT`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Whom the user chose, where the number belongs to several or to nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<RecordId>,
    /// When to get back to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
    /// What the follow-up says; the other party's name if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow_up_subject: Option<String>,
}

/// When to get back to somebody: one tap each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowUp {
    /// In 20 minutes.
    #[serde(rename = "in_20_minutes")]
    In20Minutes,
    /// Tomorrow at 9:00 local time.
    Tomorrow,
    /// On the next Monday at 9:00 local time; on a Monday the one in a week.
    NextMonday,
    /// At a time the user picked.
    At(Timestamp),
}

impl FollowUp {
    /// When it is due.
    pub fn due(self, now: Timestamp, platform: &Platform) -> Timestamp {
        const NINE: Duration = Duration::from_secs(9 * 60 * 60);
        match self {
            Self::In20Minutes => now + Duration::from_secs(20 * 60),
            Self::Tomorrow => platform.local_midnight(now, 1) + NINE,
            Self::NextMonday => platform.local_midnight(now, 7 - platform.local_weekday(now)) + NINE,
            Self::At(time) => time,
        }
    }
}
