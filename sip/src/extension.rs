//! What Callfield adds to SIP between edge and phone: two headers, one Reason, and the words in them.

use callfield_domain::CallId;

use crate::message::{Message, Params};

/// The header with the call id that push, INVITE and REGISTER share.
pub const CALL_HEADER: &str = "X-Callfield-Call";
/// The header of the answer to a REGISTER that says how the call in [`CALL_HEADER`] stands.
pub const STATE_HEADER: &str = "X-Callfield-State";

/// How a call stands for a device that was woken for it; its words are the snake_case forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WokenCallState {
    /// Still parked or ringing: connect and register.
    Ringing,
    /// The caller gave up.
    Cancelled,
    /// Another device answered.
    AnsweredElsewhere,
    /// It ended some other way, or is this device's own.
    Over,
    /// There is no such call for this device.
    Unknown,
}

impl WokenCallState {
    /// The word used in headers and in the HTTP API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Cancelled => "cancelled",
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::Over => "over",
            Self::Unknown => "unknown",
        }
    }

    /// The state that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ringing, Self::Cancelled, Self::AnsweredElsewhere, Self::Over, Self::Unknown]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// The call that a message names.
pub(crate) fn call_of(message: &Message) -> Option<CallId> {
    message.header(CALL_HEADER)?.parse().ok()
}

/// The value of Reason (RFC 3326) that tells a device that another one answered.
pub(crate) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// Whether a CANCEL, BYE or ACK says that another device answered.
pub(crate) fn says_elsewhere(message: &Message) -> bool {
    message.values("Reason").any(|reason| {
        let (protocol, params) = reason.split_once(';').unwrap_or((reason, ""));
        protocol.trim().eq_ignore_ascii_case("SIP") && Params::new(params).get("cause") == Some("200")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Method, RequestBuilder};
    use crate::uri::Uri;

    #[test]
    fn the_reason_of_a_lost_race_is_understood() {
        let request = || RequestBuilder::new(Method::Cancel, &Uri::parse("sip:a@b").unwrap());
        assert!(says_elsewhere(&request().header("Reason", ELSEWHERE).build()));
        assert!(!says_elsewhere(&request().header("Reason", "Q.850;cause=200").build()));
        assert!(!says_elsewhere(&request().build()));
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        assert_eq!(WokenCallState::from_word("answered_elsewhere"), Some(WokenCallState::AnsweredElsewhere));
        assert_eq!(WokenCallState::from_word("Ringing"), None);
    }
}
