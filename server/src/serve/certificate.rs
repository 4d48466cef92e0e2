//! The certificates of the ports: made once in the data folder, or given as files that may change while the server runs.

mod reloading;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use crate::config::{Config, Server, Tls};
use reloading::ReloadingCertificate;

/// What speaks TLS on the ports.
pub(super) struct Acceptors {
    /// On the HTTPS port; `None` when its TLS is off.
    pub(super) https: Option<TlsAcceptor>,
    /// On the port of SIP over TLS; `None` when that is off.
    pub(super) sip: Option<TlsAcceptor>,
}

/// Opens the certificates that the configuration names; SIP takes that of HTTPS unless it has one of its own.
pub(super) fn acceptors(config: &Config) -> Result<Acceptors, ServeError> {
    let (server, wants_sip) = (&config.server, config.sip.tls.address().is_some());
    let own = match (&config.sip.tls_cert_file, &config.sip.tls_key_file) {
        (Some(cert), Some(key)) if wants_sip => Some(ReloadingCertificate::open(cert, key)?),
        _ => None,
    };
    let shared = if server.tls != Tls::Off || (wants_sip && own.is_none()) {
        let (cert, key) = files_of(server)?;
        Some(ReloadingCertificate::open(&cert, &key)?)
    } else {
        None
    };
    let https = shared.clone().filter(|_| server.tls != Tls::Off);
    let sip = own.or(shared).filter(|_| wants_sip);
    let web = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Acceptors {
        https: https.map(|certificate| acceptor(certificate, web)).transpose()?,
        sip: sip.map(|certificate| acceptor(certificate, Vec::new())).transpose()?,
    })
}

fn acceptor(certificate: Arc<ReloadingCertificate>, protocols: Vec<Vec<u8>>) -> Result<TlsAcceptor, ServeError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ServeError::Certificate(error.to_string()))?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = protocols;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The files of the HTTPS port, also while a proxy ends its TLS.
fn files_of(server: &Server) -> Result<(PathBuf, PathBuf), ServeError> {
    match (server.tls, &server.cert_file, &server.key_file) {
        (Tls::Files, Some(cert), Some(key)) => Ok((cert.clone(), key.clone())),
        (Tls::Files, _, _) => Err(ServeError::Certificate("cert_file and key_file are needed".to_owned())),
        (Tls::SelfSigned | Tls::Off, _, _) => {
            let (cert, key) = (server.data_dir.join("cert.pem"), server.data_dir.join("key.pem"));
            if !cert.exists() || !key.exists() {
                make(&server.tls_names, &cert, &key)?;
            }
            Ok((cert, key))
        }
    }
}

/// A certificate that clients can take as their authority: it signs itself and nothing else.
fn make(names: &[String], cert: &Path, key: &Path) -> Result<(), ServeError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| ServeError::Certificate(error.to_string()))?;
    write(key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
    write(cert, made.cert.pem().as_bytes(), 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ServeError> {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(bytes))
        .map_err(|error| ServeError::DataFolder(path.display().to_string(), error))
}
