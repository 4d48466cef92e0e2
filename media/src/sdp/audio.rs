//! One audio line with everything that matters about it, typed.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Connection, Media, Session};

use super::crypto::CryptoLine;
use super::direction::Direction;
use super::formats::Formats;
use super::{SDP_BYTES_MAX, SdpError};

/// An audio line as the side that wrote it means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audio {
    /// Where to send; `None` when the address is a host name, unspecified (old-style hold) or the port is 0.
    pub(super) address: Option<SocketAddr>,
    pub(super) is_on: bool,
    pub(super) is_savp: bool,
    pub(super) direction: Direction,
    pub(super) formats: Formats,
    pub(super) crypto: Option<CryptoLine>,
    pub(super) ptime_ms: Option<u32>,
    pub(super) rtcp_mux: bool,
}

/// Reads SDP text; text that is not UTF-8 is read with its odd bytes replaced, since only free text has them.
pub(super) fn parse(body: &[u8]) -> Result<Session, SdpError> {
    if body.len() > SDP_BYTES_MAX {
        return Err(SdpError::TooLong);
    }
    let text = String::from_utf8_lossy(body);
    // Some devices end the text with empty lines or a NUL.
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || c == '\0');
    Session::parse(text.as_bytes()).map_err(|_| SdpError::Syntax)
}

impl Audio {
    /// The audio of one media line; `None` when it is not audio or its transport is not ours.
    pub(super) fn read(session: &Session, media: &Media) -> Option<Self> {
        let is_savp = is_secure(&media.proto)?;
        if !media.media.eq_ignore_ascii_case("audio") {
            return None;
        }
        let connection = media.connections.first().or(session.connection.as_ref());
        let ip = connection.and_then(ip_of);
        let is_unspecified = ip.is_some_and(|ip| ip.is_unspecified());
        let is_on = media.port != 0;
        let stated = direction(&media.attributes).or_else(|| direction(&session.attributes)).unwrap_or_default();
        Some(Self {
            address: ip.filter(|_| is_on && !is_unspecified).map(|ip| SocketAddr::new(ip, media.port)),
            is_on,
            is_savp,
            // RFC 2543 held a call with c=0.0.0.0: "send me nothing".
            direction: if is_unspecified { stated.and(Direction::SendOnly) } else { stated },
            formats: Formats::read(media),
            crypto: CryptoLine::first_usable(media),
            ptime_ms: media.get_attribute_values("ptime").flatten().find_map(whole_ms),
            rtcp_mux: media.has_attribute("rtcp-mux"),
        })
    }
}

/// True for RTP/SAVP, false for RTP/AVP, with or without feedback; `None` for every other transport.
fn is_secure(proto: &str) -> Option<bool> {
    match proto.to_ascii_uppercase().as_str() {
        "RTP/AVP" | "RTP/AVPF" => Some(false),
        "RTP/SAVP" | "RTP/SAVPF" => Some(true),
        _ => None,
    }
}

fn ip_of(connection: &Connection) -> Option<IpAddr> {
    connection.try_address().ok().map(|address| address.ip).filter(|ip| !ip.is_multicast())
}

fn direction(attributes: &[sdp_types::Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| Direction::named(attribute.attribute.trim()))
}

/// `a=ptime`; some devices write a fraction (RFC 8866 §6.4 allows none).
fn whole_ms(value: &str) -> Option<u32> {
    value.trim().split('.').next()?.parse().ok().filter(|&ms| (1..=200).contains(&ms))
}
