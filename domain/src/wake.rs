//! What a wake push carries: an opaque call id, where to go, until when, and a box only the device can open.
//!
//! The box is HPKE (RFC 9180) in base mode with X25519-HKDF-SHA256, HKDF-SHA256 and ChaCha20-Poly1305; it is bound
//! to the call and its expiry, so that neither can be changed on the way. docs/protocol/push.md has the bytes.

pub mod keys;
mod missed;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{CallId, Random, Timestamp};
pub use keys::{PublicKey, SecretKey};
pub use missed::{MissedPayload, open_missed, seal_missed};

/// The version that [`seal`] writes and [`open`] reads.
pub const VERSION: u8 = 1;

/// The most bytes of a payload's JSON; with what a provider puts around it, it stays under APNs' and FCM's 4,096.
pub const PAYLOAD_BYTES_MAX: usize = 3_840;

/// The most bytes of a node's URL.
pub const NODE_BYTES_MAX: usize = 1_024;

const INFO: &[u8] = b"callfield wake v1";
const ENCAPPED_KEY_BYTES: usize = 32;
const PLAINTEXT_BYTES_MAX: usize = 1_536;
/// The plaintext is filled with blanks to a multiple of this, so that its length says nothing about the name.
const PLAINTEXT_STEP_BYTES: usize = 256;

/// The JSON of a wake push: `data.callfield` as text for FCM, `callfield` as an object beside `aps` for APNs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakePayload {
    /// The version of this shape.
    pub v: u8,
    /// The call that waits.
    pub call: CallId,
    /// The node that parked it, as the URL to connect to.
    pub node: String,
    /// When the ring limit ends; a phone that gets the push later must not ring.
    pub expires: Timestamp,
    /// `enc ‖ ciphertext` of the [`SealedCaller`], base64url without padding.
    pub sealed: String,
}

/// What only the woken device may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCaller {
    /// The caller: E.164 or what came; empty when withheld.
    pub from: String,
    /// The caller's name, if a record has the number.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Why it rings, e.g. `record_owner`.
    pub why: String,
}

/// What of a wake is readable on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The call that waits.
    pub call: CallId,
    /// The node that parked it, as a URL of at most [`NODE_BYTES_MAX`] bytes.
    pub node: &'a str,
    /// When the ring limit ends.
    pub expires: Timestamp,
}

/// Why a wake could not be sealed, read or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WakeError {
    /// The text or bytes are not an X25519 key.
    #[error("this is not a 32-byte X25519 key in base64url")]
    BadKey,
    /// The node's URL would not fit.
    #[error("the node's URL is longer than {NODE_BYTES_MAX} bytes")]
    NodeTooLong,
    /// The payload is larger than any push service carries.
    #[error("the payload is larger than {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    /// The payload is not the JSON of a wake.
    #[error("the payload is not a wake")]
    Malformed,
    /// The payload is of a version this build does not read.
    #[error("the payload has the unknown version {0}")]
    UnknownVersion(u8),
    /// The box was made for another device, call or expiry, or was changed on the way.
    #[error("the sealed box does not open with this device's key")]
    NotForThisDevice,
}

impl WakePayload {
    /// Reads a payload as it came from the push service.
    ///
    /// # Errors
    /// [`WakeError::TooLarge`], [`WakeError::Malformed`] or [`WakeError::UnknownVersion`].
    pub fn from_json(json: &[u8]) -> Result<Self, WakeError> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u8,
        }
        if json.len() > PAYLOAD_BYTES_MAX {
            return Err(WakeError::TooLarge);
        }
        let Versioned { v } = serde_json::from_slice(json).map_err(|_| WakeError::Malformed)?;
        if v != VERSION {
            return Err(WakeError::UnknownVersion(v));
        }
        serde_json::from_slice(json).map_err(|_| WakeError::Malformed)
    }

    /// The payload as one line of JSON, at most [`PAYLOAD_BYTES_MAX`] bytes when [`seal`] made it.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and strings is always JSON")
    }
}

/// Makes the payload of a wake for the device whose public key is `to`; a caller that is too long is cut, name first.
///
/// # Errors
/// [`WakeError::NodeTooLong`], or [`WakeError::BadKey`] for a key that no honest device makes (low order).
pub fn seal(
    to: &PublicKey,
    envelope: &Envelope<'_>,
    caller: &SealedCaller,
    random: &mut Random,
) -> Result<WakePayload, WakeError> {
    if json_bytes(envelope.node) > NODE_BYTES_MAX {
        return Err(WakeError::NodeTooLong);
    }
    let sealed = seal_caller(to, INFO, &bound_to(envelope.call, envelope.expires), caller, random)?;
    let node = envelope.node.to_owned();
    Ok(WakePayload { v: VERSION, call: envelope.call, node, expires: envelope.expires, sealed })
}

/// Opens the box of a payload with the device's own key.
///
/// # Errors
/// [`WakeError::UnknownVersion`], [`WakeError::Malformed`] or [`WakeError::NotForThisDevice`].
pub fn open(secret: &SecretKey, payload: &WakePayload) -> Result<SealedCaller, WakeError> {
    if payload.v != VERSION {
        return Err(WakeError::UnknownVersion(payload.v));
    }
    open_caller(secret, INFO, &bound_to(payload.call, payload.expires), &payload.sealed)
}

/// `enc ‖ ciphertext` for whoever has the secret half of `to`, in base64url.
fn seal_caller(
    to: &PublicKey,
    info: &[u8],
    bound: &[u8],
    caller: &SealedCaller,
    random: &mut Random,
) -> Result<String, WakeError> {
    let (encapped_key, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to.0,
        info,
        &plaintext(caller),
        bound,
        random.generator(),
    )
    .map_err(|_| WakeError::BadKey)?;
    let mut sealed = encapped_key.to_bytes().to_vec();
    sealed.extend_from_slice(&ciphertext);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed))
}

fn open_caller(secret: &SecretKey, info: &[u8], bound: &[u8], sealed: &str) -> Result<SealedCaller, WakeError> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).map_err(|_| WakeError::Malformed)?;
    let Some((encapped_key, ciphertext)) = sealed.split_at_checked(ENCAPPED_KEY_BYTES) else {
        return Err(WakeError::Malformed);
    };
    let encapped_key =
        <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(encapped_key).map_err(|_| WakeError::Malformed)?;
    let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret.0,
        &encapped_key,
        info,
        ciphertext,
        bound,
    )
    .map_err(|_| WakeError::NotForThisDevice)?;
    serde_json::from_slice(&plaintext).map_err(|_| WakeError::Malformed)
}

fn bound_to(call: CallId, expires: Timestamp) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(call.uuid().as_bytes());
    bytes[16..].copy_from_slice(&expires.as_millis().to_be_bytes());
    bytes
}

/// The caller as JSON, cut to what fits and filled with blanks, which JSON ignores.
fn plaintext(caller: &SealedCaller) -> Vec<u8> {
    let mut fitting = caller.clone();
    let mut json = caller_json(&fitting);
    while json.len() > PLAINTEXT_BYTES_MAX {
        shorten(&mut fitting, json.len() - PLAINTEXT_BYTES_MAX);
        json = caller_json(&fitting);
    }
    json.resize(json.len().next_multiple_of(PLAINTEXT_STEP_BYTES), b' ');
    json
}

fn caller_json(caller: &SealedCaller) -> Vec<u8> {
    serde_json::to_vec(caller).expect("a struct of strings is always JSON")
}

/// Cuts the least needed text that is left: the name, then the reason, then the number. Each cut is by at least one
/// character and an empty caller fits, so repeating it ends.
fn shorten(caller: &mut SealedCaller, excess_bytes: usize) {
    let text = match &mut caller.name {
        Some(name) if !name.is_empty() => name,
        _ if !caller.why.is_empty() => &mut caller.why,
        _ => &mut caller.from,
    };
    // A character may take six bytes as a JSON escape: cutting a sixth never cuts more than is needed.
    let target = text.len().saturating_sub(excess_bytes.div_ceil(6));
    let end = (0..=target.min(text.len().saturating_sub(1))).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
}

fn json_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

#[cfg(test)]
mod tests;
