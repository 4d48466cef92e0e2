//! A certificate that follows its files: whoever renews them need not restart the server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::serve::ServeError;

/// A certificate chain and its key, read again at the first handshake after either file has changed.
///
/// Files that do not fit together, as between two renamings, leave the earlier pair in use.
pub(super) struct ReloadingCertificate {
    cert: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

struct Held {
    read_from: Stamp,
    pair: Arc<CertifiedKey>,
}

/// What tells one state of the two files from another; looking costs little beside a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64, u64)>; 2]);

impl ReloadingCertificate {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Names the file that cannot be used.
    pub(super) fn open(cert: &Path, key: &Path) -> Result<Arc<Self>, ServeError> {
        // Before the files are read: what changes meanwhile is read again.
        let read_from = Stamp::of(cert, key);
        let held = Mutex::new(Held { read_from, pair: load(cert, key)? });
        Ok(Arc::new(Self { cert: cert.to_owned(), key: key.to_owned(), held }))
    }

    /// The pair to show.
    fn current(&self) -> Arc<CertifiedKey> {
        let stamp = Stamp::of(&self.cert, &self.key);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.read_from != stamp {
            // Useless files are not read at every handshake, only once more when they change.
            held.read_from = stamp;
            match load(&self.cert, &self.key) {
                Ok(pair) => {
                    held.pair = pair;
                    tracing::info!(file = %self.cert.display(), "a changed certificate is in use");
                }
                Err(error) => tracing::warn!(%error, "a changed certificate is not taken, the earlier one stays"),
            }
        }
        Arc::clone(&held.pair)
    }
}

impl ResolvesServerCert for ReloadingCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for ReloadingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingCertificate").field("cert", &self.cert).finish_non_exhaustive()
    }
}

impl Stamp {
    fn of(cert: &Path, key: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self([cert, key].map(|file| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.size(), about.ino()))
        }))
    }
}

fn load(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, ServeError> {
    let failed = |path: &Path, error: &dyn fmt::Display| {
        ServeError::Certificate(format!("{} cannot be used: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(cert, &error))?;
    if chain.is_empty() {
        return Err(failed(cert, &"it holds no certificate"));
    }
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let pair = CertifiedKey::from_der(chain, key_der, &default_provider()).map_err(|error| failed(cert, &error))?;
    Ok(Arc::new(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn leaf(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn a_renewed_pair_is_shown_once_both_of_its_files_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        // As certificate tools do: written elsewhere, then renamed.
        let replace = |file: &Path, text: &str| {
            let fresh = folder.path().join("fresh");
            std::fs::write(&fresh, text).unwrap();
            std::fs::rename(&fresh, file).unwrap();
        };
        let (first, second) = (made(), made());
        replace(&cert, &first.0);
        replace(&key, &first.1);
        let shown = ReloadingCertificate::open(&cert, &key).unwrap();
        assert_eq!(shown.current().cert, [leaf(&first.0)]);
        replace(&cert, &second.0);
        assert_eq!(shown.current().cert, [leaf(&first.0)], "the key is that of the first");
        replace(&key, &second.1);
        assert_eq!(shown.current().cert, [leaf(&second.0)]);
        std::fs::remove_file(&cert).unwrap();
        assert_eq!(shown.current().cert, [leaf(&second.0)]);
    }

    #[test]
    fn a_chain_without_a_certificate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        std::fs::write(&cert, "").unwrap();
        std::fs::write(&key, made().1).unwrap();
        let error = ReloadingCertificate::open(&cert, &key).unwrap_err().to_string();
        assert!(error.contains("cert.pem"), "{error}");
    }
}
