//! Questions to name servers, and what of their answers SIP looks at. Answers are kept as long as they say themselves.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::ResolveError;
use super::order::{Naptr, Srv};

/// How often each is asked.
const ATTEMPTS: usize = 2;
/// Answers that are kept.
const KEPT_ANSWERS: u64 = 1_024;

/// The name servers, each of which may take so long: a caller waits for it.
pub(super) struct Names(TokioResolver);

impl Names {
    /// Those at `servers`, or those of the system if there are none.
    pub(super) fn new(servers: &[SocketAddr], patience: Duration) -> io::Result<Self> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(io::Error::other)?
        } else {
            let servers = servers.iter().map(|server| name_server(*server)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (patience, ATTEMPTS, KEPT_ANSWERS);
        Ok(Self(builder.build().map_err(io::Error::other)?))
    }

    /// The NAPTR records of a name; none if there are none.
    pub(super) async fn naptr(&self, name: &str) -> Result<Vec<Naptr>, ResolveError> {
        let Some(name) = whole(name) else { return Ok(Vec::new()) };
        let answers = records(self.0.lookup(name, RecordType::NAPTR).await)?;
        let rules = answers.into_iter().filter_map(|data| {
            let RData::NAPTR(rule) = data else { return None };
            Some(Naptr {
                order: rule.order,
                preference: rule.preference,
                flags: String::from_utf8_lossy(&rule.flags).into_owned(),
                service: String::from_utf8_lossy(&rule.services).into_owned(),
                replacement: rule.replacement.to_ascii(),
            })
        });
        Ok(rules.collect())
    }

    /// The servers of a service; none if there are none, or the service is said not to exist.
    pub(super) async fn srv(&self, service: &str) -> Result<Vec<Srv>, ResolveError> {
        let Some(service) = whole(service) else { return Ok(Vec::new()) };
        let answers = records(self.0.lookup(service, RecordType::SRV).await)?;
        let servers = answers.into_iter().filter_map(|data| {
            let RData::SRV(server) = data else { return None };
            (!server.target.is_root()).then(|| Srv {
                priority: server.priority,
                weight: server.weight,
                port: server.port,
                target: server.target.to_ascii(),
            })
        });
        Ok(servers.collect())
    }

    /// The addresses of a host, those of IPv4 first; none if there are none.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let Some(host) = whole(host) else { return Ok(Vec::new()) };
        match self.0.lookup_ip(host).await {
            Ok(found) => {
                let mut addresses: Vec<_> = found.iter().collect();
                addresses.sort_by_key(IpAddr::is_ipv6);
                Ok(addresses)
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(_) => Err(ResolveError::Unanswered),
        }
    }
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(at.ip());
    for connection in &mut server.connections {
        connection.port = at.port();
    }
    server
}

/// A name from its root: what SIP names is never completed by a search list.
fn whole(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn records(found: Result<Lookup, NetError>) -> Result<Vec<RData>, ResolveError> {
    match found {
        Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(_) => Err(ResolveError::Unanswered),
    }
}
