//! Percent escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Text with its percent escapes decoded; escapes that are not hexadecimal or not UTF-8 are left as they are.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let decoded: Vec<u8> = bytes(text).map(|(byte, _)| byte).collect();
    String::from_utf8(decoded).map_or_else(|_| text.into(), Into::into)
}

/// Each byte of the text, and whether it was escaped.
pub(super) fn bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (byte, is_escaped, length) = match rest {
            [b'%', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high * 16 + low, true, 3),
                _ => (b'%', false, 1),
            },
            [byte, ..] => (*byte, false, 1),
            [] => return None,
        };
        rest = &rest[length..];
        Some((byte, is_escaped))
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Text for the user part: what the grammar does not allow there is percent-escaped.
pub(super) fn encode_user(text: &str) -> String {
    encode(text, b"-_.!~*'()&=+$,;?/")
}

/// Text for the value of a URI parameter.
pub(super) fn encode_param(text: &str) -> String {
    encode(text, b"-_.!~*'()[]/:&+$")
}

/// Text for a header behind `?`.
pub(super) fn encode_header(text: &str) -> String {
    encode(text, b"-_.!~*'()[]/?:+$")
}

fn encode(text: &str, allowed: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || allowed.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_that_is_none_stays() {
        assert_eq!(decode("a%20b"), "a b");
        assert_eq!(decode("%Z%45%"), "%ZE%");
        assert_eq!(decode("%FF"), "%FF");
    }

    #[test]
    fn encoding_and_decoding_give_the_same_text() {
        for text in ["I have spaces", "a@b:c", "ü#31#", "100%"] {
            assert_eq!(decode(&encode_user(text)), text);
        }
        assert_eq!(encode_user("a@b"), "a%40b");
        assert_eq!(encode_header("a&b=c"), "a%26b%3Dc");
        assert_eq!(encode_param("a;b"), "a%3Bb");
    }
}
