//! Whom the phone trusts: the bundled web roots and, for a company's own server, one more file of certificates.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Endpoint, Network, TransportError};

const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// A connection to the server, encrypted or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The certificates that a server may be signed by.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The bundled roots and the certificates of `extra_ca_pem`.
    ///
    /// # Errors
    /// [`TransportError::BadCa`] if the text holds no certificate.
    pub fn new(extra_ca_pem: Option<&str>) -> Result<Self, TransportError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(pem) = extra_ca_pem {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| TransportError::BadCa)?;
                roots.add(certificate).map_err(|_| TransportError::BadCa)?;
            }
            if roots.len() == before {
                return Err(TransportError::BadCa);
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TransportError::Connection(std::io::Error::other(error)))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Connects over `network` and, where the endpoint says so, encrypts.
    ///
    /// # Errors
    /// What [`Network::connect`] fails with, or the TLS handshake's failure.
    pub async fn connect(&self, network: &Network, endpoint: &Endpoint) -> Result<Box<dyn Stream>, TransportError> {
        let link = network.connect(endpoint).await?;
        if !endpoint.is_tls {
            return Ok(Box::new(link));
        }
        let name =
            ServerName::try_from(endpoint.host.clone()).map_err(|_| TransportError::BadUrl(endpoint.to_string()))?;
        let handshake = TlsConnector::from(Arc::clone(&self.0)).connect(name, link);
        let stream = timeout(HANDSHAKE_LIMIT, handshake).await.map_err(|_| TransportError::TimedOut)??;
        Ok(Box::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(Trust::new(Some(pem)), Err(TransportError::BadCa)), "{pem:?}");
        }
        assert!(Trust::new(None).is_ok());
    }
}
