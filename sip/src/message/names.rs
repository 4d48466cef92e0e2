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
    pub(super) fn of(name: &str) -> Self {
        const KINDS: [(&str, Kind); 11] = [
            ("CSeq", Kind::CSeq),
            ("Call-ID", Kind::CallId),
            ("Contact", Kind::Contact),
            ("Content-Length", Kind::ContentLength),
            ("Content-Type", Kind::ContentType),
            ("From", Kind::From),
            ("Max-Forwards", Kind::MaxForwards),
            ("Record-Route", Kind::RecordRoute),
            ("Route", Kind::Route),
            ("To", Kind::To),
            ("Via", Kind::Via),
        ];
        let name = long_name(name);
        let found = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Self::Other, |(_, kind)| *kind)
    }
}

/// Whether every byte is a token character and there is at least one (RFC 3261 §25.1).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

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
