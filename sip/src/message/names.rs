//! Names of headers: compact forms, comparison, what a token is.

/// The long name of a compact one-letter name; any other name is returned as it is.
pub(super) fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => name,
    }
}

/// Whether two header names mean the same header: any case, long or compact.
pub(super) fn is_same(left: &str, right: &str) -> bool {
    long_name(left).eq_ignore_ascii_case(long_name(right))
}

/// The headers that each message is checked for, told apart once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CSeq,
    CallId,
    Contact,
    ContentLength,
    ContentType,
    From,
    MaxForwards,
    RecordRoute,
    Route,
    To,
    Via,
    Other,
}

impl Kind {
    /// The length tells most names apart.
    pub(super) fn of(name: &str) -> Self {
        let name = long_name(name);
        let candidates: &[(&str, Self)] = match name.len() {
            2 => &[("To", Self::To)],
            3 => &[("Via", Self::Via)],
            4 => &[("From", Self::From), ("CSeq", Self::CSeq)],
            5 => &[("Route", Self::Route)],
            7 => &[("Call-ID", Self::CallId), ("Contact", Self::Contact)],
            12 => &[
                ("Max-Forwards", Self::MaxForwards),
                ("Content-Type", Self::ContentType),
                ("Record-Route", Self::RecordRoute),
            ],
            14 => &[("Content-Length", Self::ContentLength)],
            _ => &[],
        };
        let found = candidates.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, kind)| *kind)
    }
}

/// Whether every byte is a token character and there is at least one (RFC 3261 §25.1).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| IS_TOKEN[usize::from(byte)])
}

const IS_TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        let is_mark = matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        table[byte as usize] = byte.is_ascii_alphanumeric() || is_mark;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_name_is_its_long_name_in_any_case() {
        assert!(is_same("v", "VIA"));
        assert!(is_same("call-id", "I"));
        assert!(!is_same("v", "Contact"));
        assert!(!is_same("z", "Zone"));
    }
}
