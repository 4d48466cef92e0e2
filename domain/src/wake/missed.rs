//! What tells a device of a call that it never rang for: the same box as in a wake, sealed for this purpose alone.

use serde::{Deserialize, Serialize};

use super::{
    PAYLOAD_BYTES_MAX, PublicKey, SealedCaller, SecretKey, VERSION, WakeError, bound_to, open_caller, seal_caller,
};
use crate::{CallId, Outcome, Random, Timestamp};

const INFO: &[u8] = b"callfield missed v1";

/// The JSON that tells of a missed call, in the same places as that of a wake; `kind` tells the two apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedPayload {
    /// The version of this shape.
    pub v: u8,
    kind: Kind,
    /// The call that was missed.
    pub call: CallId,
    /// When it came.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// `enc ‖ ciphertext` of the [`SealedCaller`], base64url without padding.
    pub sealed: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Missed,
}

impl MissedPayload {
    /// Reads a payload as it came from the push service.
    ///
    /// # Errors
    /// [`WakeError::TooLarge`], [`WakeError::Malformed`] or [`WakeError::UnknownVersion`].
    pub fn from_json(json: &[u8]) -> Result<Self, WakeError> {
        if json.len() > PAYLOAD_BYTES_MAX {
            return Err(WakeError::TooLarge);
        }
        let payload: Self = serde_json::from_slice(json).map_err(|_| WakeError::Malformed)?;
        if payload.v == VERSION { Ok(payload) } else { Err(WakeError::UnknownVersion(payload.v)) }
    }

    /// The payload as one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and strings is always JSON")
    }
}

/// Makes the payload that tells the device whose public key is `to` of a missed call.
///
/// # Errors
/// [`WakeError::BadKey`] for a key that no honest device makes (low order).
pub fn seal_missed(
    to: &PublicKey,
    call: CallId,
    at: Timestamp,
    outcome: Outcome,
    caller: &SealedCaller,
    random: &mut Random,
) -> Result<MissedPayload, WakeError> {
    let sealed = seal_caller(to, INFO, &bound_to(call, at), caller, random)?;
    Ok(MissedPayload { v: VERSION, kind: Kind::Missed, call, at, outcome, sealed })
}

/// Opens the box of a payload with the device's own key.
///
/// # Errors
/// [`WakeError::Malformed`] or [`WakeError::NotForThisDevice`].
pub fn open_missed(secret: &SecretKey, payload: &MissedPayload) -> Result<SealedCaller, WakeError> {
    open_caller(secret, INFO, &bound_to(payload.call, payload.at), &payload.sealed)
}

#[cfg(test)]
mod tests {
    use super::super::{Envelope, WakePayload, open, seal};
    use super::*;
    use crate::Seed;

    fn story() -> (SecretKey, CallId, Timestamp, SealedCaller, Random) {
        let mut random = Random::new(Seed::from_number(4711));
        let at = Timestamp::from_millis(1_790_000_000_000);
        let (secret, call) = (SecretKey::generate(&mut random), CallId::new(at, &mut random));
        let (from, name) = ("+81312345678".to_owned(), Some("田中一郎".to_owned()));
        (secret, call, at, SealedCaller { from, name, why: "record_owner".to_owned() }, random)
    }

    #[test]
    fn the_device_alone_reads_whose_call_it_missed() {
        let (secret, call, at, caller, mut random) = story();
        let payload = seal_missed(&secret.public_key(), call, at, Outcome::Canceled, &caller, &mut random).unwrap();
        let json = payload.to_json();
        assert!(!json.contains("81312345678") && !json.contains("record_owner"), "{json}");
        let received = MissedPayload::from_json(json.as_bytes()).unwrap();
        assert_eq!((&received, open_missed(&secret, &received)), (&payload, Ok(caller)));
        let another = SecretKey::generate(&mut random);
        assert_eq!(open_missed(&another, &received), Err(WakeError::NotForThisDevice));
    }

    #[test]
    fn a_missed_call_reads_on_the_wire_as_documented() {
        let (secret, call, at, caller, mut random) = story();
        let payload = seal_missed(&secret.public_key(), call, at, Outcome::NoAnswer, &caller, &mut random).unwrap();
        let payload = MissedPayload { sealed: "(box)".to_owned(), ..payload };
        insta::assert_snapshot!(payload.to_json(), @r#"{"v":1,"kind":"missed","call":"01a0c450-6c00-78da-9139-7bba64d7b061","at":1790000000000,"outcome":"no_answer","sealed":"(box)"}"#);
    }

    #[test]
    fn the_box_of_a_missed_call_is_none_of_a_wake_and_the_other_way_round() {
        let (secret, call, at, caller, mut random) = story();
        let missed = seal_missed(&secret.public_key(), call, at, Outcome::Canceled, &caller, &mut random).unwrap();
        assert_eq!(WakePayload::from_json(missed.to_json().as_bytes()), Err(WakeError::Malformed));
        let envelope = Envelope { call, node: "https://calls.example", expires: at };
        let wake = seal(&secret.public_key(), &envelope, &caller, &mut random).unwrap();
        assert_eq!(MissedPayload::from_json(wake.to_json().as_bytes()), Err(WakeError::Malformed));
        let moved = WakePayload { sealed: missed.sealed, ..wake };
        assert_eq!(open(&secret, &moved), Err(WakeError::NotForThisDevice));
    }
}
