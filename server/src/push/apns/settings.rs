//! What is needed to push through APNs.

use std::sync::Arc;

use http::Uri;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustls::ClientConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

use crate::config;
use crate::push::settings::{self, SettingsError};

/// A team's key and where to push with it.
pub struct ApnsSettings {
    pub(super) url: Uri,
    pub(super) sandbox_url: Option<Uri>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) team_id: String,
    pub(super) key_id: String,
    pub(super) key: EcdsaKeyPair,
    pub(super) bundle_id: String,
}

impl ApnsSettings {
    /// Reads the files that the section `[push.apns]` names.
    ///
    /// # Errors
    /// [`SettingsError`] names the file or address that is wrong.
    pub fn load(section: &config::Apns) -> Result<Self, SettingsError> {
        let holds_no_key = || SettingsError::Holds(section.key_file.clone(), "P-256 key as PKCS #8 in PEM");
        let pem = settings::read(&section.key_file)?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| holds_no_key())?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), &SystemRandom::new());
        Ok(Self {
            url: settings::https(&section.url)?,
            sandbox_url: section.sandbox_url.as_deref().map(settings::https).transpose()?,
            tls: settings::tls(section.ca_file.as_deref())?,
            team_id: section.team_id.clone(),
            key_id: section.key_id.clone(),
            key: key.map_err(|_| holds_no_key())?,
            bundle_id: section.bundle_id.clone(),
        })
    }
}
