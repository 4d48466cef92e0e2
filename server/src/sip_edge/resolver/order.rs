//! Records of name servers as far as SIP looks at them, and the order of servers (RFC 2782).

use callfield_domain::Random;

/// A NAPTR record: a transport and the name of its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naptr {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) service: String,
    pub(super) replacement: String,
}

/// An SRV record: a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Srv {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// Servers in the order to try them: by priority, and among equals drawn by weight.
pub(super) fn in_turn(mut servers: Vec<Srv>, random: &mut Random) -> Vec<Srv> {
    // Those without weight stand first, so that they have a chance (RFC 2782).
    servers.sort_by_key(|server| (server.priority, server.weight));
    let mut turn = Vec::with_capacity(servers.len());
    while let Some(first) = servers.first() {
        let priority = first.priority;
        let equals = servers.iter().take_while(|server| server.priority == priority);
        let total: u64 = equals.clone().map(|server| u64::from(server.weight)).sum();
        let mut drawn = random.below(total + 1);
        let mut is_drawn = |server: &Srv| {
            let weight = u64::from(server.weight);
            let is_drawn = drawn <= weight;
            drawn = drawn.saturating_sub(weight);
            is_drawn
        };
        let at = equals.clone().position(&mut is_drawn).unwrap_or(0);
        turn.push(servers.remove(at));
    }
    turn
}

#[cfg(test)]
mod tests {
    use callfield_domain::Seed;

    use super::*;

    fn server(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    #[test]
    fn priorities_come_in_order_and_weights_share_the_load() {
        let servers = [server(2, 0, "late"), server(1, 3, "big"), server(1, 1, "small")];
        let mut random = Random::new(Seed::from_number(1));
        let mut big_first = 0;
        for _ in 0..10_000 {
            let turn = in_turn(servers.to_vec(), &mut random);
            assert_eq!(turn[2].target, "late");
            big_first += usize::from(turn[0].target == "big");
        }
        // 0 to 4 is drawn: 0 and 1 are the small one's.
        assert!((5_800..6_200).contains(&big_first), "{big_first}");
        assert!(in_turn(Vec::new(), &mut random).is_empty());
    }
}
