//! The URL of a server, read once.

use std::fmt;
use std::str::FromStr;

use http::Uri;

use super::TransportError;

/// Where a server is: scheme, host and port, with nothing behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// The host name or address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// The node that a push named, if the device's token may be shown to it, else the server itself.
    ///
    /// A push is not signed: whoever can send one must not learn the token, so a node is another port of the
    /// server's host or a name below it, and never less encrypted.
    pub fn node(&self, named: &str) -> Self {
        named.parse().ok().filter(|node| self.trusts(node)).unwrap_or_else(|| self.clone())
    }

    fn trusts(&self, node: &Self) -> bool {
        let is_same_house = node.host == self.host || node.host.ends_with(&format!(".{}", self.host));
        is_same_house && node.is_tls == self.is_tls
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> String {
        let is_v6 = self.host.contains(':');
        if is_v6 { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

impl FromStr for Endpoint {
    type Err = TransportError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let bad = || TransportError::BadUrl(url.to_owned());
        let uri: Uri = url.trim().parse().map_err(|_| bad())?;
        let is_tls = match uri.scheme_str() {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            _ => return Err(bad()),
        };
        let host = uri.host().ok_or_else(bad)?.trim_matches(['[', ']']).to_ascii_lowercase();
        if !matches!(uri.path(), "" | "/") || host.is_empty() {
            return Err(bad());
        }
        Ok(Self { is_tls, host, port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }) })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_read_and_printed_with_their_port() {
        for (url, printed) in [
            ("https://Call.example", "https://call.example:443"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(url.parse::<Endpoint>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for url in ["", "call.example", "ftp://call.example", "https://", "https://call.example/path"] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_push_cannot_send_the_token_to_a_foreign_node() {
        let server: Endpoint = "https://call.example".parse().unwrap();
        for (named, expected) in [
            ("https://call.example:8443", "https://call.example:8443"),
            ("https://node-2.call.example", "https://node-2.call.example:443"),
            ("https://evil.example", "https://call.example:443"),
            ("https://evilcall.example", "https://call.example:443"),
            ("http://call.example", "https://call.example:443"),
            ("", "https://call.example:443"),
        ] {
            assert_eq!(server.node(named).to_string(), expected, "{named}");
        }
    }
}
