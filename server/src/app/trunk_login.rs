//! What the server proves itself to a trunk with: written once through the API, sealed in the database, never shown.

use std::fmt;

use callfield_domain::{Random, TenantId, TrunkId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::vault::{OpenError, SealedFor, Vault};

/// A text that is neither printed nor left in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Only into what is sealed at once.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The account of a company at a trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkLogin {
    /// The user of the digest.
    pub username: Secret,
    /// The password.
    pub password: Secret,
    /// The one realm that is answered; `None`: whatever realm the trunk names.
    pub realm: Option<Secret>,
}

impl TrunkLogin {
    /// What is stored of it.
    pub fn seal(&self, vault: &Vault, random: &mut Random, tenant: TenantId, trunk: TrunkId) -> Vec<u8> {
        let Ok(text) = serde_json::to_vec(self) else { unreachable!("texts are JSON") };
        vault.seal(random, place(tenant, trunk), &Zeroizing::new(text))
    }

    /// What was sealed for this trunk.
    pub fn unseal(vault: &Vault, tenant: TenantId, trunk: TrunkId, sealed: &[u8]) -> Result<Self, OpenError> {
        let text = vault.unseal(place(tenant, trunk), sealed)?;
        serde_json::from_slice(&text).map_err(|_| OpenError::Broken)
    }
}

fn place(tenant: TenantId, trunk: TrunkId) -> SealedFor {
    SealedFor { tenant, column: "trunks.credentials", row: trunk.uuid() }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Seed, Timestamp};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_login_comes_back_for_its_own_trunk_and_never_prints() {
        let mut random = Random::new(Seed::from_number(1));
        let vault = Vault::in_memory(&mut random);
        let tenant = TenantId::new(Timestamp::ZERO, &mut random);
        let (trunk, other) = (TrunkId::new(Timestamp::ZERO, &mut random), TrunkId::new(Timestamp::ZERO, &mut random));
        let body = json!({ "username": "hanako", "password": "hunter2", "realm": "pbx.test" });
        let login: TrunkLogin = serde_json::from_value(body).unwrap();
        let sealed = login.seal(&vault, &mut random, tenant, trunk);
        assert_eq!(TrunkLogin::unseal(&vault, tenant, trunk, &sealed).unwrap(), login);
        assert_eq!(TrunkLogin::unseal(&vault, tenant, other, &sealed), Err(OpenError::Broken));
        assert_eq!(login.password.reveal(), "hunter2");
        let printed = format!("{login:?}");
        assert!(["hanako", "hunter2", "pbx.test"].iter().all(|secret| !printed.contains(secret)), "{printed}");
    }
}
