//! JSON Web Tokens (RFC 7519) signed with ring: ES256 for Apple, RS256 for Google.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::error::Unspecified;
use ring::rand::SystemRandom;
use ring::signature::{EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

/// A key that signs tokens.
pub(super) trait SigningKey {
    /// The `alg` of its tokens.
    const ALGORITHM: &'static str;

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified>;
}

impl SigningKey for EcdsaKeyPair {
    const ALGORITHM: &'static str = "ES256";

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        Ok(Self::sign(self, &SystemRandom::new(), message)?.as_ref().to_vec())
    }
}

impl SigningKey for RsaKeyPair {
    const ALGORITHM: &'static str = "RS256";

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut signature = vec![0; self.public().modulus_len()];
        Self::sign(self, &RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
        Ok(signature)
    }
}

/// A signed token with these claims.
pub(super) fn signed<K: SigningKey>(key: &K, key_id: &str, claims: &Value) -> Result<String, Unspecified> {
    let header = json!({ "alg": K::ALGORITHM, "kid": key_id, "typ": "JWT" });
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&header), part(claims));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}
