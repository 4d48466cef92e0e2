//! The certificate of the port: made once in the data folder, or given as files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use crate::config::{Server, Tls};

/// What speaks TLS on the port; `None` when TLS is off.
pub(super) fn acceptor(server: &Server) -> Result<Option<TlsAcceptor>, ServeError> {
    let (cert, key) = match (server.tls, &server.cert_file, &server.key_file) {
        (Tls::Off, _, _) => return Ok(None),
        (Tls::Files, Some(cert), Some(key)) => (cert.clone(), key.clone()),
        (Tls::Files, _, _) => return Err(ServeError::Certificate("cert_file and key_file are needed".to_owned())),
        (Tls::SelfSigned, _, _) => {
            let (cert, key) = (server.data_dir.join("cert.pem"), server.data_dir.join("key.pem"));
            if !cert.exists() || !key.exists() {
                make(&server.tls_names, &cert, &key)?;
            }
            (cert, key)
        }
    };
    let config = load(&cert, &key)?;
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
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

fn load(cert: &Path, key: &Path) -> Result<ServerConfig, ServeError> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        ServeError::Certificate(format!("{} cannot be used: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(cert, &error))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key_der))
        .map_err(|error| failed(cert, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
