//! The bytes of a sync request and its answer: zstd both ways, bounded before and after.

use std::io::Read as _;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request};
use axum::response::Response;
use callfield_sync::protocol::{CONTENT_TYPE, DecodeError};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE as TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::app::error::{ApiError, ApiResult};

/// The compression level: most of the gain for a fraction of a millisecond.
const LEVEL: i32 = 3;
/// Answers below this are not worth packing.
const PACKED_BYTES_MIN: usize = 256;
/// The window of zstd a client may make the server hold, as a power of two: 8 MiB.
const WINDOW_LOG_MAX: u32 = 23;

/// Whether the client reads zstd.
pub(super) fn takes_zstd(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| one.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("zstd"))
}

/// The request's bytes, unpacked; more than `limit` of them is 413.
pub(super) async fn read(request: Request, limit: usize) -> ApiResult<Vec<u8>> {
    let headers = request.headers();
    if headers.get(TYPE).is_none_or(|value| value.as_bytes() != CONTENT_TYPE.as_bytes()) {
        let detail = format!("The body must be {CONTENT_TYPE}.");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_sync", detail));
    }
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default().to_vec();
    let bytes = Bytes::from_request(request, &()).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_long(limit),
        _ => ApiError::new(StatusCode::BAD_REQUEST, "body_unreadable", "The body ended early."),
    })?;
    match encoding.as_slice() {
        b"" | b"identity" => Ok(bytes.to_vec()),
        b"zstd" => unpack(&bytes, limit),
        _ => {
            let detail = "Only zstd is taken as Content-Encoding.";
            Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown_encoding", detail))
        }
    }
}

fn unpack(bytes: &[u8], limit: usize) -> ApiResult<Vec<u8>> {
    let broken = |_| ApiError::new(StatusCode::BAD_REQUEST, "malformed_zstd", "The body is no whole zstd frame.");
    let mut decoder = zstd::Decoder::new(bytes).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    let mut unpacked = Vec::new();
    decoder.take(limit as u64 + 1).read_to_end(&mut unpacked).map_err(broken)?;
    if unpacked.len() > limit { Err(too_long(limit)) } else { Ok(unpacked) }
}

/// The answer, packed if the client reads that and it is worth it.
pub(super) fn write(bytes: &[u8], packed: bool) -> ApiResult<Response> {
    let response = Response::builder().header(TYPE, CONTENT_TYPE);
    let answer = if packed && bytes.len() >= PACKED_BYTES_MIN {
        let failed = |_| ApiError::unavailable("The answer could not be packed.");
        let bytes = zstd::encode_all(bytes, LEVEL).map_err(failed)?;
        response.header(CONTENT_ENCODING, "zstd").body(Body::from(bytes))
    } else {
        response.body(Body::from(bytes.to_vec()))
    };
    answer.map_err(|_| ApiError::unavailable("The answer could not be made."))
}

/// Bytes that are no request.
pub(super) fn undecodable(error: &DecodeError) -> ApiError {
    match error {
        DecodeError::TooLong { limit } => too_long(*limit),
        DecodeError::Malformed(why) => ApiError::new(StatusCode::BAD_REQUEST, "malformed_sync", format!("{why}.")),
        DecodeError::OtherProtocol(_) => ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "other_protocol",
            "This server speaks another protocol version.",
        ),
    }
}

fn too_long(limit: usize) -> ApiError {
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("The body is longer than {limit} bytes."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked_whole() {
        let bomb = zstd::encode_all(&vec![0; 10 << 20][..], LEVEL).unwrap();
        assert!(bomb.len() < 10_000);
        assert_eq!(unpack(&bomb, 1 << 20).unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn rubbish_is_no_frame() {
        assert_eq!(unpack(b"rubbish", 100).unwrap_err().code(), "malformed_zstd");
    }

    #[test]
    fn zstd_is_sent_only_to_who_asks_for_it() {
        let headers = |value| HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        assert!(takes_zstd(&headers("gzip, zstd;q=0.5")));
        assert!(!takes_zstd(&headers("gzip")));
        assert!(!takes_zstd(&HeaderMap::new()));
    }
}
