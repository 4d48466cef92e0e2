//! What the push services share of their settings: files, addresses and whom to trust.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::Uri;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Why a push service cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("push: cannot read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// A file does not hold what it should.
    #[error("push: {0} holds no {1}")]
    Holds(PathBuf, &'static str),
    /// An address is not an https URL with a host.
    #[error("push: `{0}` is not an https URL")]
    NotHttps(String),
    /// TLS cannot be set up.
    #[error("push: TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Reads a file as bytes.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(file).map_err(|error| SettingsError::Unreadable(file.to_owned(), error))
}

/// Parses an address that must be `https` and name a host; a path is kept.
pub(super) fn https(url: &str) -> Result<Uri, SettingsError> {
    let parsed = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    parsed.ok_or_else(|| SettingsError::NotHttps(url.to_owned()))
}

/// TLS for HTTP/2 that trusts the authorities in `ca_file`, or the public ones if none is named.
pub(super) fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, SettingsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let no_certificate = || SettingsError::Holds(file.to_owned(), "certificate in PEM");
            for certificate in CertificateDer::pem_slice_iter(&read(file)?) {
                roots.add(certificate.map_err(|_| no_certificate())?)?;
            }
            if roots.is_empty() {
                return Err(no_certificate());
            }
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
