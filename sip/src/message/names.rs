//! Names of headers: compact forms, comparison, what a token is.

/// The long name of a compact one-letter name; any other name is returned as it is.
pub(super) fn long_name(name: &str) -> &str {
    let [letter] = name.as_bytes() else { return name };
    long_name_of(*letter).unwrap_or(name)
}

fn long_name_of(letter: u8) -> Option<&'static str> {
    Some(match letter.to_ascii_lowercase() {
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
        _ => return None,
    })
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
    /// How many kinds there are.
    pub(super) const COUNT: usize = Self::Other as usize + 1;

    /// The length, the first and the last letter leave one name to compare with.
    pub(super) fn of(name: &[u8]) -> Self {
        let name = match name {
            [letter] => long_name_of(*letter).map_or(name, str::as_bytes),
            _ => name,
        };
        let [first, .., last] = name else { return Self::Other };
        let (known, kind) = match (name.len(), first.to_ascii_lowercase(), last.to_ascii_lowercase()) {
            (2, b't', b'o') => ("To", Self::To),
            (3, b'v', b'a') => ("Via", Self::Via),
            (4, b'f', b'm') => ("From", Self::From),
            (4, b'c', b'q') => ("CSeq", Self::CSeq),
            (5, b'r', b'e') => ("Route", Self::Route),
            (7, b'c', b'd') => ("Call-ID", Self::CallId),
            (7, b'c', b't') => ("Contact", Self::Contact),
            (12, b'c', b'e') => ("Content-Type", Self::ContentType),
            (12, b'm', b's') => ("Max-Forwards", Self::MaxForwards),
            (12, b'r', b'e') => ("Record-Route", Self::RecordRoute),
            (14, b'c', b'h') => ("Content-Length", Self::ContentLength),
            _ => return Self::Other,
        };
        if known.as_bytes().eq_ignore_ascii_case(name) { kind } else { Self::Other }
    }
}

/// Whether every byte is a token character and there is at least one (RFC 3261 §25.1).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && token_length(text.as_bytes()) == text.len()
}

/// How many token characters stand at the start.
pub(super) fn token_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !IS_TOKEN[usize::from(*byte)]).unwrap_or(bytes.len())
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
    fn each_kind_is_known_by_its_name_in_any_case() {
        let names = "Via From To CSeq Call-ID Contact Route Record-Route Max-Forwards Content-Type Content-Length";
        for name in names.split(' ') {
            let kind = Kind::of(name.as_bytes());
            assert_ne!(kind, Kind::Other, "{name}");
            assert_eq!(Kind::of(name.to_uppercase().as_bytes()), kind);
            assert_eq!(Kind::of(name.replace(['o', 'i', 'a', 'S'], "x").as_bytes()), Kind::Other, "{name}");
        }
        assert_eq!((Kind::of(b"v"), Kind::of(b"M"), Kind::of(b"z")), (Kind::Via, Kind::Contact, Kind::Other));
    }

    #[test]
    fn a_compact_name_is_its_long_name_in_any_case() {
        assert!(is_same("v", "VIA"));
        assert!(is_same("call-id", "I"));
        assert!(!is_same("v", "Contact"));
        assert!(!is_same("z", "Zone"));
    }
}
