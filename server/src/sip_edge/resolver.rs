//! Where a SIP URI leads: transports, servers and addresses, in the order in which to try them (RFC 3263).

mod names;
mod order;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use callfield_domain::{Random, Seed};
use callfield_sip::uri::{Scheme, Uri};

use names::Names;
use order::{Naptr, in_turn};

/// How long one name server may take to answer once: a caller waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Addresses that are tried at most.
const HOPS_MAX: usize = 16;

/// What carries SIP to a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Carrier {
    /// Datagrams.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// Where a request can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// How.
    pub carrier: Carrier,
    /// Where to.
    pub address: SocketAddr,
}

/// Why a URI leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It is neither sip nor sips.
    #[error("the URI is neither sip nor sips")]
    Scheme,
    /// Its transport is unknown here, or a plain one for sips.
    #[error("the URI asks for a transport that cannot be used")]
    Transport,
    /// Its name exists nowhere, or has no address.
    #[error("the name has no address")]
    NoAddress,
    /// No name server answered: it may be tried again.
    #[error("no name server answered")]
    Unanswered,
}

/// Finds hops; what name servers say is kept as long as they allow.
pub struct Resolver {
    names: Names,
    random: Mutex<Random>,
}

/// What of a URI decides where it leads.
struct Target<'a> {
    host: &'a str,
    port: Option<u16>,
    wanted: Option<Carrier>,
    is_secure: bool,
}

/// What name servers have said so far.
struct Found {
    hops: Vec<Hop>,
    /// Whether every question was answered.
    is_whole: bool,
}

impl Default for Found {
    fn default() -> Self {
        Self { hops: Vec::new(), is_whole: true }
    }
}

impl Resolver {
    /// A resolver that asks `servers`, or those of the system if there are none. The seed shares load among servers.
    ///
    /// # Errors
    /// When the system's configuration cannot be read.
    pub fn new(servers: &[SocketAddr], seed: Seed) -> std::io::Result<Self> {
        Self::with_patience(servers, seed, PATIENCE)
    }

    fn with_patience(servers: &[SocketAddr], seed: Seed, patience: Duration) -> std::io::Result<Self> {
        Ok(Self { names: Names::new(servers, patience)?, random: Mutex::new(Random::new(seed)) })
    }

    /// Every hop of a URI, the first to try first; never empty.
    ///
    /// # Errors
    /// [`ResolveError`] tells what must change before another try makes sense.
    pub async fn resolve(&self, uri: &Uri) -> Result<Vec<Hop>, ResolveError> {
        let target = Target::of(uri)?;
        let carrier = target.wanted.unwrap_or(if target.is_secure { Carrier::Tls } else { Carrier::Udp });
        let port = target.port.unwrap_or(carrier.default_port());
        if let Ok(address) = target.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![Hop { carrier, address: SocketAddr::new(address, port) }]);
        }
        let mut found = Found::default();
        if target.port.is_none() {
            for (carrier, service) in self.services(&target).await {
                self.add_servers(carrier, &service, &mut found).await;
            }
        }
        if found.hops.is_empty() {
            self.add_addresses(carrier, target.host, port, &mut found).await;
        }
        match found {
            Found { hops, .. } if !hops.is_empty() => Ok(hops),
            Found { is_whole: true, .. } => Err(ResolveError::NoAddress),
            Found { is_whole: false, .. } => Err(ResolveError::Unanswered),
        }
    }

    /// The names of SRV records to ask for: as NAPTR says, else those of every transport (RFC 3263 §4.1).
    async fn services(&self, target: &Target<'_>) -> Vec<(Carrier, String)> {
        if let Some(carrier) = target.wanted {
            return vec![(carrier, carrier.service_of(target.host))];
        }
        // Some name servers fail at this type: what they know of the others is still good.
        let mut rules = self.names.naptr(target.host).await.unwrap_or_default();
        rules.sort_by_key(|rule| (rule.order, rule.preference));
        let usable = |rule: Naptr| {
            let carrier = Carrier::of_service(&rule.service)?;
            let is_usable = rule.flags.eq_ignore_ascii_case("s") && (carrier == Carrier::Tls || !target.is_secure);
            is_usable.then_some((carrier, rule.replacement))
        };
        let services: Vec<_> = rules.into_iter().filter_map(usable).collect();
        if !services.is_empty() {
            return services;
        }
        let carriers: &[_] =
            if target.is_secure { &[Carrier::Tls] } else { &[Carrier::Udp, Carrier::Tcp, Carrier::Tls] };
        carriers.iter().map(|carrier| (*carrier, carrier.service_of(target.host))).collect()
    }

    async fn add_servers(&self, carrier: Carrier, service: &str, found: &mut Found) {
        let Ok(servers) = self.names.srv(service).await else { return found.is_whole = false };
        let servers = in_turn(servers, &mut self.random.lock().unwrap_or_else(PoisonError::into_inner));
        for server in servers {
            self.add_addresses(carrier, &server.target, server.port, found).await;
        }
    }

    async fn add_addresses(&self, carrier: Carrier, host: &str, port: u16, found: &mut Found) {
        let Ok(addresses) = self.names.addresses(host).await else { return found.is_whole = false };
        for address in addresses {
            let hop = Hop { carrier, address: SocketAddr::new(address, port) };
            if found.hops.len() < HOPS_MAX && !found.hops.contains(&hop) {
                found.hops.push(hop);
            }
        }
    }
}

impl<'a> Target<'a> {
    fn of(uri: &'a Uri) -> Result<Self, ResolveError> {
        let is_secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            Scheme::Tel | Scheme::Other => return Err(ResolveError::Scheme),
        };
        let wanted = match uri.param("transport").map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("udp") if !is_secure => Some(Carrier::Udp),
            Some("tcp") if !is_secure => Some(Carrier::Tcp),
            // In a sips URI, the transport is what TLS runs over (RFC 3261 §26.2.2).
            Some("tcp" | "tls") => Some(Carrier::Tls),
            Some(_) => return Err(ResolveError::Transport),
        };
        // Another host than that of the URI may be meant (RFC 3263 §4).
        let host = uri.param("maddr").unwrap_or(uri.host());
        Ok(Self { host, port: uri.port(), wanted, is_secure })
    }
}

impl Carrier {
    const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    fn service_of(self, host: &str) -> String {
        match self {
            Self::Udp => format!("_sip._udp.{host}"),
            Self::Tcp => format!("_sip._tcp.{host}"),
            Self::Tls => format!("_sips._tcp.{host}"),
        }
    }

    fn of_service(service: &str) -> Option<Self> {
        match service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Some(Self::Udp),
            "SIP+D2T" => Some(Self::Tcp),
            "SIPS+D2T" => Some(Self::Tls),
            _ => None,
        }
    }
}
