//! SDES: SRTP keys in `a=crypto` lines (RFC 4568).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sdp_types::Media;
use zeroize::Zeroize as _;

use crate::srtp::{MASTER_KEY_BYTES, MasterKey};

const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// One usable `a=crypto` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CryptoLine {
    pub(super) tag: u32,
    pub(super) key: MasterKey,
}

impl CryptoLine {
    /// The first line with the suite, key form and session parameters that this crate can use.
    pub(super) fn first_usable(media: &Media) -> Option<Self> {
        media.get_attribute_values("crypto").flatten().find_map(Self::read)
    }

    /// The attribute's value.
    pub(super) fn text(&self) -> String {
        format!("{} {SUITE} inline:{}", self.tag, BASE64_STANDARD.encode(self.key.as_bytes()))
    }

    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?.parse().ok()?;
        let suite = words.next()?;
        let key = read_key(words.next()?)?;
        (suite.eq_ignore_ascii_case(SUITE) && words.all(is_harmless)).then_some(Self { tag, key })
    }
}

/// One `inline:` key without a master key identifier; a lifetime is accepted, as no call lives 2^48 packets.
fn read_key(parameter: &str) -> Option<MasterKey> {
    let (method, rest) = parameter.split_once(':')?;
    let mut parts = rest.split('|');
    let encoded = parts.next()?;
    let has_identifier = parts.any(|part| part.contains(':'));
    if !method.eq_ignore_ascii_case("inline") || has_identifier || rest.contains(';') {
        return None;
    }
    let mut bytes = BASE64_STANDARD.decode(encoded).ok()?;
    let key = <[u8; MASTER_KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(MasterKey::from_bytes);
    bytes.zeroize();
    key
}

/// True for session parameters that change nothing here (RFC 4568 §6.3): a window hint, no re-keying, or marked optional.
fn is_harmless(parameter: &str) -> bool {
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    name.eq_ignore_ascii_case("WSH") || parameter.eq_ignore_ascii_case("KDR=0") || parameter.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn a_key_with_a_lifetime_or_a_window_hint_is_usable() {
        for value in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("7 aes_cm_128_hmac_sha1_80 inline:{KEY}|2^48"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576 WSH=128"),
            format!("1 AES_CM_128_HMAC_SHA1_80  INLINE:{KEY} -UNENCRYPTED_SRTCP"),
        ] {
            assert!(CryptoLine::read(&value).is_some(), "{value}");
        }
    }

    #[test]
    fn what_would_change_the_packets_is_not_usable() {
        for value in [
            format!("1 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=3"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:dG9vIHNob3J0".into(),
            "1 AES_CM_128_HMAC_SHA1_80".into(),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{KEY}"),
            String::new(),
        ] {
            assert!(CryptoLine::read(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let line = CryptoLine { tag: 3, key: MasterKey::from_bytes([7; 30]) };
        assert_eq!(CryptoLine::read(&line.text()), Some(line));
    }
}
