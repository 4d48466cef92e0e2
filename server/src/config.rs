//! The configuration: one typed struct, commented defaults, parsed once.
//!
//! `config.default.toml` holds every default; a file and then the environment (`CALLFIELD_SECTION__KEY`) override it.

mod listen;
mod prefix;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format as _, Toml};
use serde::Deserialize;

pub use listen::{DatabaseUrl, Listen};
pub use prefix::Prefix;

/// The commented defaults, as `callfield config` prints them.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// Everything the server can be told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The port, the certificate, the data folder.
    pub server: Server,
    /// Limits of requests.
    pub http: Http,
    /// The database.
    pub database: Database,
    /// The SIP edge.
    pub sip: Sip,
    /// What may be called.
    pub telephony: Telephony,
    /// The media relay.
    pub media: Media,
    /// The push services; each is off unless configured.
    #[serde(default)]
    pub push: Push,
    /// Log lines.
    pub log: Log,
}

/// The section `[server]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The one port of phones, browsers and the API.
    pub listen: SocketAddr,
    /// How phones reach this node; filled from the bound address when left empty.
    pub public_url: String,
    /// The name of this node.
    pub node: String,
    /// Where the database and the certificate are kept.
    pub data_dir: PathBuf,
    /// Whether and with which certificate TLS is spoken.
    pub tls: Tls,
    /// The certificate chain, when `tls` is `files`.
    pub cert_file: Option<PathBuf>,
    /// Its key, when `tls` is `files`.
    pub key_file: Option<PathBuf>,
    /// Names and addresses of a self-signed certificate.
    pub tls_names: Vec<String>,
    /// How long running requests may take to end after SIGTERM.
    pub shutdown_ms: u64,
}

/// Where the certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// Made once in the data folder.
    SelfSigned,
    /// Given as files.
    Files,
    /// None: a proxy ends TLS.
    Off,
}

/// The section `[http]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The largest body of an ordinary request.
    pub body_bytes: usize,
    /// The largest body of a sync request, as sent and after decompression.
    pub sync_body_bytes: usize,
    /// How long a request may take.
    pub request_ms: u64,
}

/// The section `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Which engine and where.
    pub url: DatabaseUrl,
    /// Connections for reading.
    pub readers: u32,
    /// Connections for writing on PostgreSQL.
    pub writers: u32,
}

/// The section `[sip]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sip {
    /// The domain of users' addresses.
    pub domain: String,
    /// Where UDP is listened on.
    pub udp: Listen,
    /// Where TCP is listened on.
    pub tcp: Listen,
    /// Where TLS is listened on.
    pub tls: Listen,
    /// The certificate chain for it; without one it is that of the HTTPS port.
    pub tls_cert_file: Option<PathBuf>,
    /// Its key.
    pub tls_key_file: Option<PathBuf>,
    /// Connections of trunks and desk phones at a time.
    pub connections: usize,
    /// Those from one address, or from one IPv6 network.
    pub connections_per_address: usize,
    /// The address PBXs and trunks are told to answer to; empty: the one that is listened on.
    pub public_address: String,
    /// The hashes that desk phones may prove their password with.
    pub digest: Vec<Digest>,
    /// The name servers that are asked for hosts of trunks; empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// How long a call rings before it counts as not answered.
    pub ring_ms: u64,
}

/// A hash of digest authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Digest {
    /// MD5.
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
}

/// The section `[telephony]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telephony {
    /// Numbers that begin like one of these are not called.
    pub blocked_destinations: Vec<Prefix>,
    /// Nor those: they cost a premium.
    pub premium_destinations: Vec<Prefix>,
    /// Calls of one user to the outside at once.
    pub user_calls: u32,
    /// Calls to the outside that one user begins in any minute.
    pub user_calls_a_minute: u32,
    /// Calls of one company to the outside at once.
    pub company_calls: u32,
    /// Calls to the outside that one company begins in any minute.
    pub company_calls_a_minute: u32,
}

/// The section `[media]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// The address the relay's sockets are bound to.
    pub bind: IpAddr,
    /// The first port they take.
    pub port_min: u16,
    /// The last port they take.
    pub port_max: u16,
    /// The address SDP names; empty: the one the sockets are bound to.
    pub public_address: String,
}

/// The section `[push]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Apple's service.
    pub apns: Option<Apns>,
    /// Google's service.
    pub fcm: Option<Fcm>,
}

/// The section `[push.apns]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apns {
    /// The service for tokens of the production environment.
    #[serde(default = "apns_url")]
    pub url: String,
    /// The service for tokens of the sandbox environment; without it they go to `url`.
    pub sandbox_url: Option<String>,
    /// The authority to trust when it is none of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The developer team.
    pub team_id: String,
    /// The id of the key.
    pub key_id: String,
    /// The key, a .p8 file.
    pub key_file: PathBuf,
    /// The app; its VoIP topic is this with `.voip` behind it.
    pub bundle_id: String,
}

fn apns_url() -> String {
    "https://api.push.apple.com".to_owned()
}

/// The section `[push.fcm]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fcm {
    /// The service.
    #[serde(default = "fcm_url")]
    pub url: String,
    /// The authority to trust when it is none of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The service account's JSON file; it names the project and where OAuth tokens come from.
    pub service_account_file: PathBuf,
    /// The project's number, which some foreign softphones name instead of its id.
    pub project_number: Option<String>,
}

fn fcm_url() -> String {
    "https://fcm.googleapis.com".to_owned()
}

/// The section `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// What is logged, in the words of `tracing`'s filter.
    pub filter: String,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Why a configuration is refused: one line that names the key.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(String);

impl Config {
    /// Reads the defaults, then `file` if one is named, then the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut layers = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError(format!("there is no file {}", file.display())));
            }
            layers = layers.merge(Toml::file_exact(file));
        }
        Self::read(&layers.merge(Env::prefixed("CALLFIELD_").split("__")))
    }

    /// The defaults with `text` on top and without the environment, for tests and tools.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::read(&Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(text)))
    }

    fn read(layers: &Figment) -> Result<Self, ConfigError> {
        let config: Self = layers.extract().map_err(|error| ConfigError(one_line(&error)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let server = &self.server;
        if server.tls == Tls::Files && (server.cert_file.is_none() || server.key_file.is_none()) {
            return Err(ConfigError(
                "server.tls is \"files\": server.cert_file and server.key_file are needed".to_owned(),
            ));
        }
        if self.sip.tls_cert_file.is_some() != self.sip.tls_key_file.is_some() {
            return Err(ConfigError("sip.tls_cert_file and sip.tls_key_file are needed together".to_owned()));
        }
        if self.media.port_min >= self.media.port_max {
            return Err(ConfigError("media.port_min must be below media.port_max".to_owned()));
        }
        if self.database.readers == 0 || self.database.writers == 0 {
            return Err(ConfigError("database.readers and database.writers must be at least 1".to_owned()));
        }
        Ok(())
    }
}

fn one_line(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let source = error.metadata.as_ref().map_or_else(String::new, |metadata| match &metadata.source {
        Some(figment::Source::File(path)) => path.display().to_string(),
        _ => metadata.name.to_string(),
    });
    let what = if let figment::error::Kind::UnknownField(field, _) = &error.kind {
        format!("the key `{field}` is unknown")
    } else {
        error.kind.to_string()
    };
    let at = if key.is_empty() { String::new() } else { format!(" at `{key}`") };
    format!("{what}{at} ({source})").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_a_whole_configuration() {
        let config = Config::from_toml("").unwrap();
        assert_eq!(config.server.tls, Tls::SelfSigned);
        assert!(config.push.apns.is_none());
        assert_eq!(config.sip.udp.address(), Some("0.0.0.0:5060".parse().unwrap()));
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = Config::from_toml("[server]\nlisten_on = \"127.0.0.1:1\"").unwrap_err().to_string();
        assert!(error.contains("`listen_on`") && error.contains("unknown"), "{error}");
        assert!(!error.contains('\n'));
    }

    #[test]
    fn an_unknown_section_is_refused_by_name() {
        let error = Config::from_toml("[serve]\nx = 1").unwrap_err().to_string();
        assert!(error.contains("`serve`"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_key() {
        let error = Config::from_toml("[media]\nport_min = \"many\"").unwrap_err().to_string();
        assert!(error.contains("media.port_min"), "{error}");
    }

    #[test]
    fn files_without_a_certificate_are_refused() {
        let error = Config::from_toml("[server]\ntls = \"files\"").unwrap_err().to_string();
        assert!(error.contains("cert_file"), "{error}");
    }

    #[test]
    fn half_a_certificate_for_sip_is_refused() {
        let error = Config::from_toml("[sip]\ntls_cert_file = \"cert.pem\"").unwrap_err().to_string();
        assert!(error.contains("sip.tls_key_file"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Config::load(Some(Path::new("/nowhere/callfield.toml"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/callfield.toml"), "{error}");
    }
}
