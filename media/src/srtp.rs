//! SRTP and SRTCP with AES_CM_128_HMAC_SHA1_80 (RFC 3711): one direction's keys, protecting or unprotecting packets.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use callfield_domain::Random;
use rtc_shared::error::Error as CipherError;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::RTCCryptoProvider as _;
use rtc_srtp::crypto::providers::RingProvider;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;
use thiserror::Error;
use zeroize::Zeroize;

/// Bytes of a master key and its salt together, as SDES carries them (RFC 4568 §6.1).
pub const MASTER_KEY_BYTES: usize = 30;
/// How many packets behind the newest one a late packet may be (RFC 3711 §3.3.2).
pub const REPLAY_WINDOW_PACKETS: usize = 64;
/// How many sources one key serves; more than a call ever needs, so that state cannot grow without end.
pub const SOURCES_MAX: usize = 32;

const KEY_BYTES: usize = 16;
const TAG_BYTES: usize = 10;
const RTCP_TRAILER_BYTES: usize = 4 + TAG_BYTES;
const RTP_HEADER_BYTES: usize = 12;
const RTCP_HEADER_BYTES: usize = 8;

/// Why a packet could not be protected or unprotected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SrtpError {
    /// The packet is too short or its header makes no sense.
    #[error("not a packet")]
    Malformed,
    /// The authentication tag is wrong, or the packet carries none.
    #[error("authentication failed")]
    Unauthentic,
    /// The packet was seen before or is older than the replay window.
    #[error("a packet that was seen before")]
    Replayed,
    /// One key may serve only [`SOURCES_MAX`] sources.
    #[error("too many sources under one key")]
    TooManySources,
    /// The key has protected as many packets as it may (RFC 3711 §9.2).
    #[error("the key is used up")]
    KeyUsedUp,
    /// The cipher refused its key.
    #[error("the cipher refused its key")]
    BadKey,
}

/// A master key and salt; never printed, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; MASTER_KEY_BYTES]);

impl MasterKey {
    /// The key in these bytes: 16 of key, 14 of salt.
    pub const fn from_bytes(bytes: [u8; MASTER_KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A key nobody can guess if `random` was seeded so.
    pub fn random(random: &mut Random) -> Self {
        Self(random.bytes())
    }

    /// The bytes, for the `a=crypto` line.
    pub const fn as_bytes(&self) -> &[u8; MASTER_KEY_BYTES] {
        &self.0
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The two keys of a leg (RFC 4568: each side states the key it sends with).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Protects what this side sends.
    pub send: MasterKey,
    /// Unprotects what the other side sends.
    pub receive: MasterKey,
}

/// Protects the packets one side sends under one key.
pub struct Protector {
    key: MasterKey,
    context: Context,
}

impl Protector {
    /// Starts protecting with `key`.
    pub fn new(key: &MasterKey) -> Result<Self, SrtpError> {
        Ok(Self { key: key.clone(), context: context(key)? })
    }

    /// The key it was made with.
    pub const fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Protects one RTP packet (RFC 3711 §3.1).
    ///
    /// The caller never gives two different packets the same source and sequence number within one roll-over.
    pub fn protect_rtp(&mut self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        check_rtp(packet)?;
        Ok(self.context.encrypt_rtp(packet).map_err(|error| classify(&error))?.freeze())
    }

    /// Protects one compound RTCP packet (RFC 3711 §3.4).
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        check_rtcp(packet, RTCP_HEADER_BYTES)?;
        Ok(self.context.encrypt_rtcp(packet).map_err(|error| classify(&error))?.freeze())
    }
}

/// Unprotects the packets the other side sends under one key.
///
/// Only a packet that authenticates leaves a trace here: each source gets its state with its first authentic packet.
pub struct Unprotector {
    key: MasterKey,
    rtp: BTreeMap<u32, Context>,
    rtcp: BTreeMap<u32, Context>,
}

impl Unprotector {
    /// Starts unprotecting with `key`.
    pub fn new(key: &MasterKey) -> Result<Self, SrtpError> {
        context(key)?;
        Ok(Self { key: key.clone(), rtp: BTreeMap::new(), rtcp: BTreeMap::new() })
    }

    /// The key it was made with.
    pub const fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Authenticates and decrypts one SRTP packet.
    pub fn unprotect_rtp(&mut self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        check_rtp(packet)?;
        by_source(&mut self.rtp, &self.key, word(packet, 8), |context| context.decrypt_rtp(packet))
    }

    /// Authenticates and decrypts one SRTCP packet.
    ///
    /// A packet that says it is not encrypted is refused: the cipher would pass it on without authentication.
    pub fn unprotect_rtcp(&mut self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        check_rtcp(packet, RTCP_HEADER_BYTES + RTCP_TRAILER_BYTES)?;
        if packet[packet.len() - RTCP_TRAILER_BYTES] & 0x80 == 0 {
            return Err(SrtpError::Unauthentic);
        }
        by_source(&mut self.rtcp, &self.key, word(packet, 4), |context| context.decrypt_rtcp(packet))
    }
}

/// The 31-bit index a protected RTCP packet carries before its tag.
pub(crate) fn rtcp_index(packet: &[u8]) -> Option<u32> {
    let start = packet.len().checked_sub(RTCP_TRAILER_BYTES)?;
    Some(word(packet, start) & 0x7fff_ffff)
}

fn by_source(
    sources: &mut BTreeMap<u32, Context>,
    key: &MasterKey,
    ssrc: u32,
    decrypt: impl FnOnce(&mut Context) -> Result<bytes::BytesMut, CipherError>,
) -> Result<Bytes, SrtpError> {
    if let Some(context) = sources.get_mut(&ssrc) {
        return Ok(decrypt(context).map_err(|error| classify(&error))?.freeze());
    }
    if sources.len() >= SOURCES_MAX {
        return Err(SrtpError::TooManySources);
    }
    // The cipher keeps state for every source it is asked about, authentic or not, so a stranger gets a context of its own.
    let mut context = context(key)?;
    let plain = decrypt(&mut context).map_err(|error| classify(&error))?.freeze();
    sources.insert(ssrc, context);
    Ok(plain)
}

fn context(key: &MasterKey) -> Result<Context, SrtpError> {
    let (key, salt) = key.0.split_at(KEY_BYTES);
    Context::new(
        key,
        salt,
        ProtectionProfile::Aes128CmHmacSha1_80,
        Some(srtp_replay_protection(REPLAY_WINDOW_PACKETS)),
        Some(srtcp_replay_protection(REPLAY_WINDOW_PACKETS)),
        RingProvider::new().crypto(),
    )
    .map_err(|_| SrtpError::BadKey)
}

fn check_rtp(packet: &[u8]) -> Result<(), SrtpError> {
    let is_rtp = packet.len() >= RTP_HEADER_BYTES && packet[0] >> 6 == 2;
    if is_rtp { Ok(()) } else { Err(SrtpError::Malformed) }
}

fn check_rtcp(packet: &[u8], bytes_min: usize) -> Result<(), SrtpError> {
    let is_rtcp = packet.len() >= bytes_min && packet[0] >> 6 == 2;
    if is_rtcp { Ok(()) } else { Err(SrtpError::Malformed) }
}

fn word(packet: &[u8], at: usize) -> u32 {
    packet.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the cipher's error enum covers a whole WebRTC stack")]
fn classify(error: &CipherError) -> SrtpError {
    match error {
        CipherError::SrtpSsrcDuplicated(..) | CipherError::SrtcpSsrcDuplicated(..) => SrtpError::Replayed,
        CipherError::RtpFailedToVerifyAuthTag
        | CipherError::RtcpFailedToVerifyAuthTag
        | CipherError::RtcpInvalidLengthAuthTag(..) => SrtpError::Unauthentic,
        CipherError::ErrExceededMaxPackets => SrtpError::KeyUsedUp,
        _ => SrtpError::Malformed,
    }
}
