//! What travels over `POST /v1/sync`: CBOR maps with integer keys (docs/protocol/sync.md).
//!
//! One round trip pushes and pulls, and may be repeated any number of times. Everything here is data; the rules live
//! in [`crate::ingest`] on the server and in [`crate::phone`] on the phone.

mod limits;
mod request;
mod response;

pub use limits::{
    MAX_CHANGE_BYTES, MAX_CHANGES, MAX_CURSOR_BYTES, MAX_ITEMS, MAX_PAGES, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES,
    MAX_SCOPES, MAX_WANTS,
};
pub use request::{Budget, Level, Push, Reason, Request, ScopeCursor, TxnId, Want};
pub use response::{Correction, Item, ItemKind, Page, Response, Verdict, VerdictCode};

/// The version of this protocol.
pub const PROTO: u32 = 1;

/// The version of the record types a build knows ([`crate::schema`]).
pub const SCHEMA: u32 = 1;

/// The body type of requests and responses.
pub const CONTENT_TYPE: &str = "application/vnd.callfield.sync";

/// Why bytes are no message of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the limit.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit that was passed, in bytes.
        limit: usize,
    },
    /// Not CBOR, not the agreed shape, or past one of the counts.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Another major version; the peer must be updated.
    #[error("protocol {0} is not spoken here")]
    OtherProtocol(u32),
}

/// Where a device stands in the feed of one scope; opaque to everybody but the server that made it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(Vec<u8>);

impl Cursor {
    /// The cursor that `bytes` are; `None` if they are more than [`MAX_CURSOR_BYTES`].
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX_CURSOR_BYTES).then_some(Self(bytes))
    }

    /// The bytes, to be kept and sent back as they are.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<C> minicbor::Encode<C> for Cursor {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Cursor {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?.to_vec()).ok_or_else(|| minicbor::decode::Error::message("cursor too long"))
    }
}

/// Domain ids as 16 bytes.
mod id {
    use callfield_domain::{DeviceId, RecordId};
    use minicbor::{Decoder, Encoder};
    use uuid::Uuid;

    pub(super) trait Id: Sized {
        fn uuid(&self) -> Uuid;
        fn of(uuid: Uuid) -> Self;
    }

    impl Id for RecordId {
        fn uuid(&self) -> Uuid {
            Self::uuid(*self)
        }
        fn of(uuid: Uuid) -> Self {
            Self::from_uuid(uuid)
        }
    }

    impl Id for DeviceId {
        fn uuid(&self) -> Uuid {
            Self::uuid(*self)
        }
        fn of(uuid: Uuid) -> Self {
            Self::from_uuid(uuid)
        }
    }

    pub(super) fn encode<C, T: Id, W: minicbor::encode::Write>(
        id: &T,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(id.uuid().as_bytes())?.ok()
    }

    pub(super) fn decode<C, T: Id>(d: &mut Decoder<'_>, _: &mut C) -> Result<T, minicbor::decode::Error> {
        Uuid::from_slice(d.bytes()?).map(T::of).map_err(|_| minicbor::decode::Error::message("an id has 16 bytes"))
    }
}

fn encode<T: minicbor::Encode<()>>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    if minicbor::encode(message, &mut bytes).is_err() {
        // Writing to a Vec cannot fail and no field's encoder does.
        unreachable!("a message encodes into memory");
    }
    bytes
}

fn decode<'b, T: minicbor::Decode<'b, ()>>(bytes: &'b [u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLong { limit });
    }
    let mut decoder = minicbor::Decoder::new(bytes);
    let message = decoder.decode().map_err(|error| DecodeError::Malformed(error.to_string()))?;
    if decoder.position() != bytes.len() {
        return Err(DecodeError::Malformed("bytes after the end".to_owned()));
    }
    Ok(message)
}
