//! Whether a user wants to be rung.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Whether a user is there, in their own words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceState {
    /// Calls ring.
    #[default]
    Online,
    /// Not at the desk; calls ring.
    Away,
    /// Do not disturb: no call rings, callers hear busy.
    Dnd,
    /// Not at work: no call rings, callers hear that nobody is there.
    Offline,
}

/// What a user said last about being there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence {
    /// What.
    pub state: PresenceState,
    /// When that ends by itself; `None`: when they say so.
    pub until: Option<Timestamp>,
}

impl Presence {
    /// How it stands at `now`: what has run out is over.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        if self.until.is_some_and(|until| until <= now) { Self::default() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_until_some_time_ends_by_itself() {
        let until = Timestamp::from_millis(10);
        let presence = Presence { state: PresenceState::Dnd, until: Some(until) };
        assert_eq!(presence.at(Timestamp::from_millis(9)), presence);
        assert_eq!(presence.at(until), Presence::default());
        let presence = Presence { until: None, ..presence };
        assert_eq!(presence.at(Timestamp::from_millis(i64::MAX)), presence);
    }
}
