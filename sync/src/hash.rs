//! The names of changes: their hashes, and the heads of a record.

use std::fmt;
use std::str::FromStr;

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a change, its name everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash([u8; 32]);

impl ChangeHash {
    /// The hash that `bytes` are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The name of the change that a chunk of `chunk_type` with this content is.
pub(crate) fn of_chunk_content(chunk_type: u8, content: &[u8]) -> ChangeHash {
    let mut hasher = Sha256::new();
    hasher.update([chunk_type]);
    let mut left = content.len();
    while left >= 0x80 {
        hasher.update([u8::try_from(left & 0x7f).unwrap_or(0) | 0x80]);
        left >>= 7;
    }
    hasher.update([u8::try_from(left).unwrap_or(0)]);
    hasher.update(content);
    ChangeHash(hasher.finalize().into())
}

/// Why text or bytes are no hash or no heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the hash of a change")]
pub struct NoHash;

impl fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for ChangeHash {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(NoHash);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| NoHash)?;
        }
        Ok(Self(bytes))
    }
}

impl<C> Encode<C> for ChangeHash {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        ByteArray::from(self.0).encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for ChangeHash {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(ByteArray::<32>::decode(d, ctx)?.into()))
    }
}

/// The newest changes of a record: sorted, none twice. Two records with equal heads are equal.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Heads(Vec<ChangeHash>);

impl Heads {
    /// The most heads that are read from outside; a record with more is merged by a write.
    pub const MAX: usize = 64;

    /// The hashes, sorted.
    pub fn as_slice(&self) -> &[ChangeHash] {
        &self.0
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The heads in a column: 32 bytes each, one after the other.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.0).collect()
    }

    /// The heads that a column holds.
    ///
    /// # Errors
    /// If the length is no multiple of 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoHash> {
        let hashes = bytes.chunks(32).map(|chunk| chunk.try_into().map(ChangeHash).map_err(|_| NoHash));
        hashes.collect()
    }
}

impl FromIterator<ChangeHash> for Heads {
    fn from_iter<I: IntoIterator<Item = ChangeHash>>(hashes: I) -> Self {
        let mut hashes: Vec<_> = hashes.into_iter().collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }
}

/// Hex joined by dots, as in an `ETag`.
impl fmt::Display for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, hash) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            write!(f, "{hash}")?;
        }
        Ok(())
    }
}

impl FromStr for Heads {
    type Err = NoHash;

    fn from_str(text: &str) -> Result<Self, NoHash> {
        if text.is_empty() || text.len() > Self::MAX * 65 {
            return Err(NoHash);
        }
        text.split('.').map(str::parse).collect()
    }
}

impl<C> Encode<C> for Heads {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        ByteVec::from(self.to_bytes()).encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Heads {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        if bytes.len() > 32 * Self::MAX {
            return Err(minicbor::decode::Error::message("too many heads"));
        }
        Self::from_bytes(bytes).map_err(minicbor::decode::Error::message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_survive_text_and_bytes_whatever_their_order() {
        let (low, high) = (ChangeHash([1; 32]), ChangeHash([0xfe; 32]));
        let heads: Heads = [high, low, high].into_iter().collect();
        assert_eq!(heads.as_slice(), [low, high]);
        assert_eq!(heads.to_string().parse(), Ok(heads.clone()));
        assert_eq!(Heads::from_bytes(&heads.to_bytes()), Ok(heads));
    }

    #[test]
    fn text_that_is_no_hash_is_refused() {
        for text in ["", "zz", &"é".repeat(32), &"0".repeat(63)] {
            assert_eq!(text.parse::<ChangeHash>(), Err(NoHash));
            assert_eq!(text.parse::<Heads>(), Err(NoHash));
        }
        assert_eq!(Heads::from_bytes(&[0; 31]), Err(NoHash));
    }
}
