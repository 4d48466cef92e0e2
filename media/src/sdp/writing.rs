//! Offers and answers as text.

use std::net::IpAddr;

use sdp_types::{Attribute, Connection, Media, Origin, Session};

use super::Direction;
use super::crypto::CryptoLine;
use super::formats::Formats;

/// One media line to write.
pub(super) enum Description {
    Audio(Line),
    /// A line of the offer, answered with port 0.
    Refused(Media),
}

/// The audio line of this side.
pub(super) struct Line {
    pub(super) proto: String,
    pub(super) port: u16,
    pub(super) formats: Formats,
    pub(super) crypto: Option<CryptoLine>,
    pub(super) direction: Direction,
    pub(super) ptime_ms: u32,
    pub(super) rtcp_mux: bool,
}

pub(super) fn write(ip: IpAddr, session_id: u64, version: u64, lines: Vec<Description>) -> Vec<u8> {
    let mut session = Session::new(Origin::with_ip_addr(session_id, version, ip), "-");
    session.set_connection(Connection::from_ip_addr(ip));
    for line in lines {
        session.add_media(match line {
            Description::Audio(line) => audio(line),
            Description::Refused(media) => refused(media),
        });
    }
    let mut text = Vec::with_capacity(512);
    session.write(&mut text).expect("writing to a Vec cannot fail");
    text
}

fn audio(line: Line) -> Media {
    let types: Vec<u8> = line.formats.codecs.iter().map(|format| format.payload_type).collect();
    let types = types.into_iter().chain(line.formats.events).map(|number| number.to_string());
    let mut media = bare(line.proto, line.port, types.collect::<Vec<_>>().join(" "));
    let mut add = |name: &str, value: String| media.attributes.push(Attribute::with_value(name, value));
    for format in &line.formats.codecs {
        let (name, clock_hz) = (format.codec.name(), format.codec.clock_hz());
        add("rtpmap", format!("{} {name}/{clock_hz}", format.payload_type));
    }
    if let Some(events) = line.formats.events {
        add("rtpmap", format!("{events} telephone-event/8000"));
        add("fmtp", format!("{events} 0-15"));
    }
    add("ptime", line.ptime_ms.to_string());
    if let Some(crypto) = line.crypto {
        add("crypto", crypto.text());
    }
    if line.rtcp_mux {
        media.attributes.push(Attribute::new("rtcp-mux"));
    }
    media.attributes.push(Attribute::new(line.direction.name()));
    media
}

fn refused(offered: Media) -> Media {
    let mut media = bare(offered.proto, 0, offered.fmt);
    media.media = offered.media;
    media
}

fn bare(proto: String, port: u16, fmt: String) -> Media {
    Media {
        media: "audio".to_owned(),
        port,
        num_ports: None,
        proto,
        fmt,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}
