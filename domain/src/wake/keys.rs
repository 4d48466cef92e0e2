//! The key pair of a device: the server seals to the public half, the secret half never leaves the phone.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, Serializable as _};
use zeroize::Zeroizing;

use super::WakeError;
use crate::Random;

/// The X25519 key that a device made and keeps; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(pub(super) <X25519HkdfSha256 as Kem>::PrivateKey);

/// The X25519 key that a device enrolled with; its text is base64url without padding.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) <X25519HkdfSha256 as Kem>::PublicKey);

impl SecretKey {
    /// Makes a key.
    pub fn generate(random: &mut Random) -> Self {
        let seed = Zeroizing::new(random.bytes::<32>());
        Self(X25519HkdfSha256::derive_keypair(seed.as_slice()).0)
    }

    /// The key that was stored as `bytes`.
    ///
    /// # Errors
    /// [`WakeError::BadKey`] unless there are 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WakeError> {
        <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(bytes).map(Self).map_err(|_| WakeError::BadKey)
    }

    /// The key's bytes, for the phone's own store.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(X25519HkdfSha256::sk_to_pk(&self.0))
    }
}

impl PublicKey {
    /// The key that was stored as `bytes`.
    ///
    /// # Errors
    /// [`WakeError::BadKey`] unless there are 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WakeError> {
        <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(bytes).map(Self).map_err(|_| WakeError::BadKey)
    }

    /// The key's bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes().into()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl FromStr for PublicKey {
    type Err = WakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| WakeError::BadKey)?;
        Self::from_bytes(&bytes)
    }
}
