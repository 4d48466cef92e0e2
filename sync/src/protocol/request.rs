//! The phone's half of a round trip.

use callfield_domain::{DeviceId, Random, RecordId, Timestamp};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Decoder, Encode, Encoder};
use uuid::{Builder, Uuid};

use super::limits::{MAX_CHANGES, MAX_REQUEST_BYTES, MAX_SCOPES, MAX_WANTS, at_most, short_text};
use super::{Cursor, DecodeError, PROTO, id};
use crate::Heads;

/// What a phone sends: its unsent changes and where it stands in each scope.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Request {
    /// [`PROTO`] of the sender.
    #[n(0)]
    pub proto: u32,
    /// [`super::SCHEMA`] of the sender: record types and fields it knows.
    #[n(1)]
    pub schema: u32,
    /// The device; must be the one the token belongs to.
    #[cbor(n(2), with = "id")]
    pub device: DeviceId,
    /// Why it syncs now.
    #[n(3)]
    pub reason: Reason,
    /// How much answer it wants.
    #[n(4)]
    pub budget: Budget,
    /// Unsent changes, oldest first. Two pushes may name one record.
    #[cbor(n(5), decode_with = "at_most::<MAX_CHANGES, _, _>")]
    pub push: Vec<Push>,
    /// The scopes it follows.
    #[cbor(n(6), decode_with = "at_most::<MAX_SCOPES, _, _>")]
    pub scopes: Vec<ScopeCursor>,
    /// Records it asks for by id: to open, or because changes were missing.
    #[cbor(n(7), decode_with = "at_most::<MAX_WANTS, _, _>")]
    pub want: Vec<Want>,
}

impl Request {
    /// The request as it travels, before compression.
    pub fn encode(&self) -> Vec<u8> {
        super::encode(self)
    }

    /// Reads a request from outside.
    ///
    /// # Errors
    /// If it is too long, malformed, past a count, or of another protocol.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let request: Self = super::decode(bytes, MAX_REQUEST_BYTES)?;
        if request.proto != PROTO {
            return Err(DecodeError::OtherProtocol(request.proto));
        }
        if request.push.iter().map(|push| push.changes.len()).sum::<usize>() > MAX_CHANGES {
            return Err(DecodeError::Malformed("more changes than allowed".to_owned()));
        }
        Ok(request)
    }
}

/// Why a phone syncs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// The app came to the front.
    #[n(0)]
    Foreground,
    /// A push or the doorbell said so.
    #[n(1)]
    Push,
    /// The system gave it time.
    #[n(2)]
    Background,
    /// A person asked for it.
    #[n(3)]
    Manual,
    /// It has something to send.
    #[n(4)]
    Edit,
}

/// How much answer a phone wants; the server may send less, never much more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Budget {
    /// Bytes of pages, before compression.
    #[n(0)]
    pub bytes: u32,
    /// Milliseconds the phone will be awake.
    #[n(1)]
    pub time_ms: u32,
    /// Whether bytes cost money.
    #[n(2)]
    pub metered: bool,
}

/// Changes of one record that belong to one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Push {
    /// The transaction: all its pushes are taken or refused together.
    #[n(0)]
    pub txn: TxnId,
    /// The record.
    #[cbor(n(1), with = "id")]
    pub doc: RecordId,
    /// The name of its type ([`crate::schema::RecordType::as_str`]).
    #[cbor(n(2), decode_with = "short_text::<32, _>")]
    pub record_type: String,
    /// The epoch of the record that the changes were made in.
    #[n(3)]
    pub epoch: u32,
    /// Automerge change chunks, each after the ones it depends on. The genesis is never sent.
    #[cbor(n(4), decode_with = "at_most::<MAX_CHANGES, _, _>")]
    pub changes: Vec<ByteVec>,
}

/// One all-or-nothing edit over one or several records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxnId(Uuid);

impl TxnId {
    /// A new transaction (UUIDv7).
    pub fn new(now: Timestamp, random: &mut Random) -> Self {
        let ms = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(Builder::from_unix_timestamp_millis(ms, &random.bytes()).into_uuid())
    }

    /// The id that `uuid` is.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id as a UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl<C> Encode<C> for TxnId {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.0.as_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for TxnId {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Uuid::from_slice(d.bytes()?).map(Self).map_err(|_| minicbor::decode::Error::message("an id has 16 bytes"))
    }
}

/// Where a phone stands in one scope.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeCursor {
    /// The scope: `tenant` or `user:<user id>`.
    #[cbor(n(0), decode_with = "short_text::<64, _>")]
    pub scope: String,
    /// The `next` of the last page that was stored; none the first time.
    #[n(1)]
    pub cursor: Option<Cursor>,
    /// The phone's [`crate::checksum`] of the scope, when it wants it compared.
    #[n(2)]
    pub checksum: Option<u64>,
    /// What it wants of each record.
    #[n(3)]
    pub level: Level,
}

/// What a phone wants of each record in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Level {
    /// The whole record: a snapshot or its new changes.
    #[n(0)]
    Full,
    /// The current values only; the record itself when it is opened (`want`).
    #[n(1)]
    Projection,
}

/// A record asked for by id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Want {
    /// The record.
    #[cbor(n(0), with = "id")]
    pub doc: RecordId,
    /// The server's heads the phone has of it; empty if it has nothing.
    #[n(1)]
    pub heads: Heads,
}
