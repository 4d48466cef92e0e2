//! Whether two URIs mean the same (RFC 3261 §19.1.4).

use super::read::read_ipv6;
use super::{Scheme, Uri, escape};

pub(super) fn is_equivalent(left: &Uri, right: &Uri) -> bool {
    if left.scheme != right.scheme {
        return false;
    }
    match left.scheme {
        Scheme::Sip | Scheme::Sips => is_same_sip(left, right),
        Scheme::Tel => is_same_tel(left, right),
        Scheme::Other => left.as_str() == right.as_str(),
    }
}

fn is_same_sip(left: &Uri, right: &Uri) -> bool {
    is_same_user(left.user(), right.user())
        && is_same_user(left.password(), right.password())
        && is_same_host(left.host(), right.host())
        && left.port == right.port
        && are_params_same(left, right, &["user", "ttl", "method", "maddr", "transport"])
        && are_params_same(right, left, &["user", "ttl", "method", "maddr", "transport"])
        && are_headers_same(left, right)
}

/// Two texts of one IPv6 address name one host (RFC 5954 §4.2).
fn is_same_host(left: &str, right: &str) -> bool {
    let address = |host: &str| read_ipv6(host.strip_prefix('[')?.strip_suffix(']')?);
    match (address(left), address(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left.eq_ignore_ascii_case(right),
    }
}

/// RFC 3966 §5: visual separators do not count; all parameters must be there on both sides.
fn is_same_tel(left: &Uri, right: &Uri) -> bool {
    let number = |uri: &Uri| -> String {
        let digits = uri.user().unwrap_or_default().chars();
        digits.filter(|digit| !"-.()".contains(*digit)).map(|digit| digit.to_ascii_lowercase()).collect()
    };
    let has_all = |left: &Uri, right: &Uri| {
        left.params().iter().all(|(name, _)| right.params().has(name)) && are_params_same(left, right, &[])
    };
    number(left) == number(right) && has_all(left, right) && has_all(right, left)
}

/// Case counts; an escaped character equals the plain one unless that is reserved.
fn is_same_user(left: Option<&str>, right: Option<&str>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => normal_bytes(left).eq(normal_bytes(right)),
        (None, None) => true,
        _ => false,
    }
}

fn normal_bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    escape::bytes(text).map(|(byte, is_escaped)| (byte, is_escaped && b";/?:@&=+$,".contains(&byte)))
}

/// Whether each parameter of `left` that is in both is the same, and those in `on_both` are in both.
fn are_params_same(left: &Uri, right: &Uri, on_both: &[&str]) -> bool {
    left.params().iter().all(|(name, value)| {
        if right.params().has(name) {
            return is_same_value(value, right.param(name));
        }
        !on_both.iter().any(|must| must.eq_ignore_ascii_case(name))
    })
}

fn is_same_value(left: Option<&str>, right: Option<&str>) -> bool {
    let lower = |(byte, is_escaped): (u8, bool)| (byte.to_ascii_lowercase(), is_escaped);
    let bytes = |value: Option<&str>| -> Vec<_> { normal_bytes(value.unwrap_or_default()).map(lower).collect() };
    bytes(left) == bytes(right)
}

fn are_headers_same(left: &Uri, right: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let pairs = uri.headers().unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut pairs: Vec<_> =
            pairs.map(|(name, value)| (name.to_ascii_lowercase(), escape::decode(value).into_owned())).collect();
        pairs.sort();
        pairs
    };
    sorted(left) == sorted(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        let (left, right) = (Uri::parse(left).unwrap(), Uri::parse(right).unwrap());
        let forth = left.is_equivalent(&right);
        assert_eq!(forth, right.is_equivalent(&left), "the order does not count");
        forth
    }

    #[test]
    fn the_equal_examples_of_the_rfc_are_equal() {
        assert!(same("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"));
        assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"));
        assert!(same("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"));
        assert!(same("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"));
        assert!(same(
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"
        ));
        assert!(same(
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x"
        ));
    }

    #[test]
    fn the_different_examples_of_the_rfc_differ() {
        assert!(!same("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"));
        assert!(!same("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"));
        assert!(!same("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"));
        assert!(!same("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"));
        assert!(!same("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"));
        assert!(!same("sips:alice@atlanta.com", "sip:alice@atlanta.com"));
    }

    #[test]
    fn an_escaped_reserved_character_differs_from_the_plain_one() {
        assert!(!same("sip:a%3Bb@c", "sip:a;b@c"));
        assert!(same("sip:a%2db@c", "sip:a-b@c"));
    }

    #[test]
    fn two_texts_of_one_ipv6_address_are_the_same_host() {
        assert!(same("sip:a@[2001:db8::9:1]", "sip:a@[2001:DB8:0:0::9:1]"));
        assert!(same("sip:a@[::ffff:192.0.2.2]", "sip:a@[::ffff:c000:202]"));
        assert!(!same("sip:a@[2001:db8::9:1]", "sip:a@[2001:db8::9:2]"));
        assert!(!same("sip:a@[::ffff:192.0.2.2]", "sip:a@192.0.2.2"));
    }

    #[test]
    fn separators_in_a_tel_number_do_not_count() {
        assert!(same("tel:+81-3-1234-5678", "tel:+81312345678"));
        assert!(!same("tel:7042;phone-context=example.com", "tel:7042"));
    }
}
