//! Both services and the control API together, and the files that a server needs to use them.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::control::{Control, Homes};
use crate::delivery::object;
use crate::{Authority, Delivery, FakeApns, FakeError, FakeFcm};

/// A running fake APNs, a running fake FCM and their control API; all stop when dropped.
pub struct FakePush {
    /// Who signed both services' certificates.
    pub authority: Authority,
    /// The phones, the ledger and the faults.
    pub delivery: Arc<Delivery>,
    /// The fake APNs.
    pub apns: FakeApns,
    /// The fake FCM.
    pub fcm: FakeFcm,
    /// The control API.
    pub control: Control,
}

impl FakePush {
    /// Starts everything on free ports of loopback.
    ///
    /// # Errors
    /// [`FakeError`] when no port, key or certificate is to be had.
    pub async fn start() -> Result<Self, FakeError> {
        let authority = Authority::new()?;
        let delivery = Delivery::new();
        let apns = FakeApns::start(&authority, Arc::clone(&delivery)).await?;
        let fcm = FakeFcm::start(&authority, Arc::clone(&delivery)).await?;
        let homes = Homes { topic: apns.account().voip_topic(), project: fcm.account().project_id.clone() };
        let control = Control::start(Arc::clone(&delivery), homes).await?;
        Ok(Self { authority, delivery, apns, fcm, control })
    }

    /// Writes `ca.pem`, `apns.p8`, `service-account.json`, `push.toml` (the server's `[push]` sections) and, last,
    /// `ready.json` into `folder`.
    ///
    /// # Errors
    /// [`FakeError::Io`] when a file cannot be written.
    pub fn write_to(&self, folder: &Path) -> Result<(), FakeError> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        std::fs::write(folder.join("ca.pem"), self.authority.pem())?;
        std::fs::write(folder.join("apns.p8"), &self.apns.account().p8)?;
        std::fs::write(folder.join("service-account.json"), self.fcm.service_account_json())?;
        std::fs::write(folder.join("push.toml"), self.server_config(&folder))?;
        // Written under another name first: whoever sees ready.json sees it whole.
        std::fs::write(folder.join("ready.json.new"), format!("{:#}", self.ready(&folder)))?;
        std::fs::rename(folder.join("ready.json.new"), folder.join("ready.json"))?;
        Ok(())
    }

    /// The `[push.apns]` and `[push.fcm]` sections of a server that is to use these fakes.
    pub fn server_config(&self, folder: &Path) -> String {
        let account = self.apns.account();
        let quoted = |name: &str| Value::from(folder.join(name).to_string_lossy()).to_string();
        format!(
            "[push.apns]\nurl = \"{}\"\nca_file = {}\nteam_id = \"{}\"\nkey_id = \"{}\"\nkey_file = {}\nbundle_id = \
             \"{}\"\n\n[push.fcm]\nurl = \"{}\"\nca_file = {}\nservice_account_file = {}\n",
            self.apns.url(),
            quoted("ca.pem"),
            account.team_id,
            account.key_id,
            quoted("apns.p8"),
            account.bundle_id,
            self.fcm.url(),
            quoted("ca.pem"),
            quoted("service-account.json"),
        )
    }

    fn ready(&self, folder: &Path) -> Value {
        let account = self.apns.account();
        let file = |name: &str| Value::from(folder.join(name).to_string_lossy());
        object([
            ("apns_url", Value::from(self.apns.url())),
            ("fcm_url", Value::from(self.fcm.url())),
            ("token_uri", Value::from(self.fcm.token_uri())),
            ("control_url", Value::from(self.control.url())),
            ("team_id", Value::from(account.team_id.as_str())),
            ("key_id", Value::from(account.key_id.as_str())),
            ("bundle_id", Value::from(account.bundle_id.as_str())),
            ("voip_topic", Value::from(account.voip_topic())),
            ("project_id", Value::from(self.fcm.account().project_id.as_str())),
            ("ca_file", file("ca.pem")),
            ("key_file", file("apns.p8")),
            ("service_account_file", file("service-account.json")),
            ("config_file", file("push.toml")),
        ])
    }
}
