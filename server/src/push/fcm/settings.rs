//! What is needed to push through FCM.

use std::sync::Arc;

use http::Uri;
use ring::signature::RsaKeyPair;
use rustls::ClientConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;

use crate::config;
use crate::push::settings::{self, SettingsError};

/// A service account and where to push with it.
pub struct FcmSettings {
    pub(super) url: Uri,
    pub(super) token_uri: Uri,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) project_id: String,
    pub(super) project_number: Option<String>,
    pub(super) client_email: String,
    pub(super) key_id: String,
    pub(super) key: RsaKeyPair,
}

/// The JSON file that Google lets a project download.
#[derive(Deserialize)]
struct ServiceAccount {
    project_id: String,
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

impl FcmSettings {
    /// Reads the files that the section `[push.fcm]` names.
    ///
    /// # Errors
    /// [`SettingsError`] names the file or address that is wrong.
    pub fn load(section: &config::Fcm) -> Result<Self, SettingsError> {
        let holds_no = |what| SettingsError::Holds(section.service_account_file.clone(), what);
        let json = settings::read(&section.service_account_file)?;
        let account: ServiceAccount = serde_json::from_slice(&json).map_err(|_| holds_no("service account as JSON"))?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(account.private_key.as_bytes());
        let key = key.map_err(|_| holds_no("RSA key as PKCS #8 in PEM"))?;
        Ok(Self {
            url: settings::https(&section.url)?,
            token_uri: settings::https(&account.token_uri)?,
            tls: settings::tls(section.ca_file.as_deref())?,
            project_id: account.project_id,
            project_number: section.project_number.clone(),
            client_email: account.client_email,
            key_id: account.private_key_id,
            key: RsaKeyPair::from_pkcs8(key.secret_pkcs8_der())
                .map_err(|_| holds_no("RSA key of 2048 bits or more"))?,
        })
    }
}
