//! The address under which others reach a socket that is bound to all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The bound address, or that of the interface with the default route when bound to all of them.
pub fn reachable(bound: IpAddr) -> IpAddr {
    if !bound.is_unspecified() {
        return bound;
    }
    // Connecting a datagram socket sends nothing: it only asks the routing table. Both addresses are documentation's.
    let outside = match bound {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    };
    let asked = UdpSocket::bind((bound, 0)).and_then(|socket| {
        socket.connect((outside, 9))?;
        socket.local_addr()
    });
    asked.map_or(bound, |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_chosen_is_kept() {
        for chosen in ["127.0.0.1", "::1", "192.0.2.7"] {
            let chosen: IpAddr = chosen.parse().unwrap();
            assert_eq!(reachable(chosen), chosen);
        }
    }

    #[test]
    fn all_addresses_become_one_of_the_same_family_that_can_be_bound() {
        for all in [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)] {
            let found = reachable(all);
            assert_eq!(found.is_ipv4(), all.is_ipv4());
            if found != all {
                assert!(UdpSocket::bind((found, 0)).is_ok(), "{found}");
            }
        }
    }
}
