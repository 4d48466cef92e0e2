//! Becoming a device of a company.

use callfield_domain::UserId;

use super::{Session, SessionError};
use crate::event_loop::Command;
use crate::store::{Account, StoreError};
use crate::transport::api::{EnrolledDevice, Enrolment, PushTarget};
use crate::transport::{Api, Endpoint, Trust};

/// What enrolling needs.
#[derive(Debug, Clone)]
pub struct EnrolWith {
    /// The server's URL.
    pub server: String,
    /// Certificates to trust beside the bundled ones, as PEM.
    pub ca_pem: Option<String>,
    /// The one-time code.
    pub code: String,
    /// How to wake this phone.
    pub push: Option<PushTarget>,
}

impl Session {
    /// Enrols this installation; an account before is left with everything that belonged to it.
    ///
    /// # Errors
    /// [`SessionError::Api`] for a code that is wrong, expired or used; [`SessionError::Transport`] for a bad URL or CA.
    pub async fn enrol(&self, with: &EnrolWith) -> Result<(), SessionError> {
        let shared = &self.shared;
        let server: Endpoint = with.server.parse()?;
        let trust = Trust::new(with.ca_pem.as_deref())?;
        let api = Api { network: shared.network.clone(), trust, server, token: None };
        let now = shared.clock.now();
        let install = shared.write(|tx, random| tx.install(now, random))?;
        let platform = &shared.platform;
        let enrolled = api
            .enrol(&Enrolment {
                code: &with.code,
                device: EnrolledDevice {
                    install_id: install.device,
                    platform: platform.kind,
                    name: &platform.device_name,
                    app_version: &platform.app_version,
                    os_version: &platform.os_version,
                    public_key: install.secret.public_key().to_string(),
                    push: with.push.as_ref(),
                },
            })
            .await?;
        let account = Account {
            server_url: api.server.to_string(),
            ca_pem: with.ca_pem.clone(),
            token: enrolled.token,
            tenant: enrolled.tenant.id,
            tenant_name: enrolled.tenant.name,
            country: enrolled.tenant.country,
            user: enrolled.user.id,
            user_name: enrolled.user.name,
            node: enrolled.node,
            sip_domain: enrolled.sip.domain,
            enrolled_at: now,
            synced_at: None,
        };
        self.keep(&account, &enrolled.scopes)?;
        self.command(Command::Enrolled).await;
        Ok(())
    }

    /// Replaces the address that pushes go to, after the push service gave another.
    ///
    /// # Errors
    /// [`SessionError::NotEnrolled`] or [`SessionError::Api`].
    pub async fn replace_push_target(&self, target: &PushTarget) -> Result<(), SessionError> {
        Ok(self.shared.api()?.replace_push_target(target).await?)
    }

    fn keep(&self, account: &Account, scopes: &[String]) -> Result<(), StoreError> {
        self.shared.write(|tx, random| {
            let before: Option<UserId> = tx.account()?.map(|account| account.user);
            if before.is_some_and(|user| user != account.user) {
                tx.forget_account(account.enrolled_at, random)?;
            }
            tx.put_account(account)?;
            scopes.iter().try_for_each(|scope| tx.add_scope(scope))
        })
    }
}
