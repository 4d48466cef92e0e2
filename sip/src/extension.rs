//! What Callfield adds to SIP between edge and phone: two headers, one Reason, and the words in them.

use callfield_domain::CallId;

use crate::message::{Message, Params};

/// The header with the call id that push, INVITE and REGISTER share.
pub const CALL_HEADER: &str = "X-Callfield-Call";
/// The header of the answer to a REGISTER that says how each call in its [`CALL_HEADER`]s stands: `<call id>;state=<word>`.
pub const STATE_HEADER: &str = "X-Callfield-State";

/// How a call stands for a device that was woken for it; its words are the snake_case forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WokenCallState {
    /// Still parked or ringing, or connected to this very device: connect and register.
    Ringing,
    /// The caller gave up.
    Cancelled,
    /// Another device answered.
    AnsweredElsewhere,
    /// It ended some other way.
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

/// The most calls of one REGISTER that are answered for.
const CALLS_LIMIT: usize = 16;

/// The calls that a phone names in its REGISTER.
pub(crate) fn calls_of(register: &Message) -> Vec<CallId> {
    register.values(CALL_HEADER).filter_map(|call| call.parse().ok()).take(CALLS_LIMIT).collect()
}

/// How one call stands, as a value of [`STATE_HEADER`].
pub(crate) fn state_value(call: CallId, state: WokenCallState) -> String {
    format!("{call};state={}", state.word())
}

/// How the calls stand that the answer to a REGISTER tells of.
pub(crate) fn states_of(response: &Message) -> Vec<(CallId, WokenCallState)> {
    let values = response.values(STATE_HEADER).filter_map(|value| value.split_once(';'));
    let states = values.filter_map(|(call, params)| {
        let state = WokenCallState::from_word(Params::new(params).get("state")?)?;
        Some((call.trim().parse().ok()?, state))
    });
    states.collect()
}

/// The value of Reason (RFC 3326) that tells a device that another one answered.
pub(crate) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// The value of Reason that tells a device that its answer came after the end.
pub(crate) const OVER: &str = "SIP;cause=487;text=\"Call is over\"";

/// Why a device is not, or no longer, part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Another device answered.
    Elsewhere,
    /// The call was over before.
    Over,
}

/// What the Reason of a CANCEL, a BYE or an ACK says. An ACK with one only confirms an answer that came too late.
pub(crate) fn ending_of(message: &Message) -> Option<Ending> {
    message.values("Reason").find_map(|reason| {
        let (protocol, params) = reason.split_once(';')?;
        let is_sip = protocol.trim().eq_ignore_ascii_case("SIP");
        match Params::new(params).get("cause").filter(|_| is_sip)? {
            "200" => Some(Ending::Elsewhere),
            "487" => Some(Ending::Over),
            _ => None,
        }
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
        assert_eq!(ending_of(&request().header("Reason", ELSEWHERE).build()), Some(Ending::Elsewhere));
        assert_eq!(ending_of(&request().header("Reason", OVER).build()), Some(Ending::Over));
        assert_eq!(ending_of(&request().header("Reason", "Q.850;cause=200").build()), None);
        assert_eq!(ending_of(&request().build()), None);
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        assert_eq!(WokenCallState::from_word("answered_elsewhere"), Some(WokenCallState::AnsweredElsewhere));
        assert_eq!(WokenCallState::from_word("Ringing"), None);
    }
}
