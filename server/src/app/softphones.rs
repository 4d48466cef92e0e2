//! Foreign softphones that are woken: which of their apps there is a sender for, and their tokens at rest.

use callfield_domain::{DeviceId, Random, TenantId};
use callfield_sip::switchboard::{PushOffer, PushProvider};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::trunk_login::Secret;
use super::vault::{OpenError, SealedFor, Vault};

/// The apps that the configured push services may push to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushSupport {
    /// Apple's.
    pub apns: Option<ApnsSupport>,
    /// What Google's project may be called: its id and, if it is configured, its number.
    pub fcm_projects: Vec<String>,
}

/// The apps of a team at Apple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnsSupport {
    /// The team: any app of it may be pushed to.
    pub team: String,
    /// The app that is meant when no team is named.
    pub bundle: String,
    /// Whether apps under development can be pushed to.
    pub has_sandbox: bool,
}

impl PushSupport {
    /// The services, as softphones name them.
    pub fn providers(&self) -> Vec<PushProvider> {
        let apns = self.apns.iter().map(|_| PushProvider::Apns);
        let sandbox = self.apns.iter().filter(|apns| apns.has_sandbox).map(|_| PushProvider::ApnsSandbox);
        let fcm = self.fcm_projects.first().map(|_| PushProvider::Fcm);
        apns.chain(sandbox).chain(fcm).collect()
    }

    /// Whether there is a sender for the app of a softphone.
    pub fn takes(&self, offer: &PushOffer) -> bool {
        match (offer.provider, &self.apns) {
            (PushProvider::Fcm, _) => self.fcm_projects.contains(&offer.app),
            (PushProvider::Apns | PushProvider::ApnsSandbox, Some(apns)) => match &offer.team {
                Some(team) => *team == apns.team,
                None => offer.app == apns.bundle,
            },
            (PushProvider::Apns | PushProvider::ApnsSandbox, None) => false,
        }
    }
}

/// The tokens of a softphone: neither printed nor stored in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftphoneSecrets {
    /// What rings it.
    pub wake: Option<Secret>,
    /// What makes it register again.
    pub quiet: Option<Secret>,
}

impl SoftphoneSecrets {
    /// Those of an offer.
    pub fn of(offer: &PushOffer) -> Self {
        let secret = |token: &Option<String>| token.clone().map(Secret::from);
        Self { wake: secret(&offer.wake_token), quiet: secret(&offer.quiet_token) }
    }

    /// What is stored of them.
    pub fn seal(&self, vault: &Vault, random: &mut Random, tenant: TenantId, device: DeviceId) -> Vec<u8> {
        let Ok(text) = serde_json::to_vec(self) else { unreachable!("texts are JSON") };
        vault.seal(random, place(tenant, device), &Zeroizing::new(text))
    }

    /// What was sealed for this device.
    pub fn unseal(vault: &Vault, tenant: TenantId, device: DeviceId, sealed: &[u8]) -> Result<Self, OpenError> {
        let text = vault.unseal(place(tenant, device), sealed)?;
        serde_json::from_slice(&text).map_err(|_| OpenError::Broken)
    }
}

fn place(tenant: TenantId, device: DeviceId) -> SealedFor {
    SealedFor { tenant, column: "softphone_tokens.tokens", row: device.uuid() }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Seed, Timestamp};
    use callfield_sip::switchboard::Installation;

    use super::*;

    fn offer(provider: PushProvider, team: Option<&str>, app: &str) -> PushOffer {
        PushOffer {
            installation: Installation::default(),
            provider,
            team: team.map(str::to_owned),
            app: app.to_owned(),
            wake_token: Some("wake-me".to_owned()),
            quiet_token: None,
        }
    }

    #[test]
    fn a_sender_is_for_the_apps_of_its_team_and_for_its_own_project() {
        let apns = ApnsSupport { team: "TEAM".to_owned(), bundle: "app.own".to_owned(), has_sandbox: false };
        let support = PushSupport { apns: Some(apns), fcm_projects: vec!["project".to_owned(), "4711".to_owned()] };
        assert_eq!(support.providers(), [PushProvider::Apns, PushProvider::Fcm]);
        for (offer, is_taken) in [
            (offer(PushProvider::Apns, Some("TEAM"), "app.other"), true),
            (offer(PushProvider::Apns, Some("MAET"), "app.own"), false),
            (offer(PushProvider::Apns, None, "app.own"), true),
            (offer(PushProvider::Apns, None, "app.other"), false),
            (offer(PushProvider::Fcm, None, "project"), true),
            (offer(PushProvider::Fcm, None, "4711"), true),
            (offer(PushProvider::Fcm, None, "another"), false),
        ] {
            assert_eq!(support.takes(&offer), is_taken, "{offer:?}");
            assert!(!PushSupport::default().takes(&offer));
        }
        assert!(PushSupport::default().providers().is_empty());
    }

    #[test]
    fn tokens_come_back_for_their_own_device_and_never_print() {
        let mut random = Random::new(Seed::from_number(1));
        let vault = Vault::in_memory(&mut random);
        let tenant = TenantId::new(Timestamp::ZERO, &mut random);
        let (device, other) =
            (DeviceId::new(Timestamp::ZERO, &mut random), DeviceId::new(Timestamp::ZERO, &mut random));
        let tokens = SoftphoneSecrets::of(&offer(PushProvider::Fcm, None, "project"));
        let sealed = tokens.seal(&vault, &mut random, tenant, device);
        assert!(!sealed.windows(7).any(|bytes| bytes == b"wake-me"));
        assert_eq!(SoftphoneSecrets::unseal(&vault, tenant, device, &sealed), Ok(tokens.clone()));
        assert_eq!(SoftphoneSecrets::unseal(&vault, tenant, other, &sealed), Err(OpenError::Broken));
        assert!(!format!("{tokens:?}").contains("wake-me"));
    }
}
