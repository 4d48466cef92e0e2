//! Which addresses count as one: whoever holds an IPv6 network has as many addresses as he likes.

use std::net::{IpAddr, Ipv6Addr};

/// What limits of addresses are counted by: an IPv4 address, or the first 64 bits of an IPv6 one.
pub(in crate::sip_edge) fn site_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_site_and_an_ipv4_address_is_one() {
        let site = |text: &str| site_of(text.parse().unwrap());
        assert_eq!(site("2001:db8:1:2::7"), site("2001:db8:1:2:ffff::1"));
        assert_ne!(site("2001:db8:1:2::7"), site("2001:db8:1:3::7"));
        assert_ne!(site("192.0.2.7"), site("192.0.2.8"));
        assert_eq!(site("::ffff:192.0.2.7"), site("192.0.2.7"));
    }
}
