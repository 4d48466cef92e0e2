//! Who makes a change: the device (its actor) and the person (its author).

use std::fmt;

use callfield_domain::{Random, UserId};
use sha2::{Digest as _, Sha256};

/// The first 8 bytes of the SHA-256 of a device's public key: which device an actor belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey([u8; 8]);

impl DeviceKey {
    /// The key id of a device with this X25519 public key.
    pub fn of_public_key(public_key: &[u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::digest(public_key).into();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }

    /// The key id that `bytes` are.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The 8 bytes of the key id.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// One life of one device's editing: device key (8 bytes), incarnation (4, big endian), random (4).
///
/// An install, a restore, a detected clone and every rebase start a new one: an actor that is used twice makes the
/// device's edits refused for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor([u8; 16]);

impl Actor {
    /// A new actor of the device.
    pub fn new(device: DeviceKey, incarnation: u32, random: &mut Random) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&device.0);
        bytes[8..12].copy_from_slice(&incarnation.to_be_bytes());
        bytes[12..].copy_from_slice(&random.bytes::<4>());
        Self(bytes)
    }

    /// The actor that `bytes` are.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the actor.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The device the actor belongs to.
    pub fn device(&self) -> DeviceKey {
        let mut id = [0; 8];
        id.copy_from_slice(&self.0[..8]);
        DeviceKey(id)
    }

    /// Which life of the device it is, from 1.
    pub fn incarnation(&self) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[8..12]);
        u32::from_be_bytes(bytes)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.device(), self.incarnation())
    }
}

/// The person a change is from. The change carries it as a claim; the server checks it against the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// A user, on a phone, in the console or by REST.
    User(UserId),
    /// The server itself: facts of a call, resolved conflicts, corrections.
    Server,
}

impl Author {
    const SERVER: &str = "server";

    /// The author as a change's message carries it: the user's id, or `server`.
    pub(crate) fn to_message(self) -> String {
        match self {
            Self::User(user) => user.to_string(),
            Self::Server => Self::SERVER.to_owned(),
        }
    }

    pub(crate) fn from_message(message: &str) -> Option<Self> {
        if message == Self::SERVER {
            return Some(Self::Server);
        }
        let user: UserId = message.parse().ok()?;
        // One spelling only, so that equal authors are equal bytes.
        (user.to_string() == message).then_some(Self::User(user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callfield_domain::{Seed, Timestamp};

    #[test]
    fn an_actor_tells_its_device_and_incarnation() {
        let device = DeviceKey::of_public_key(&[7; 32]);
        let mut random = Random::new(Seed::from_number(1));
        let actor = Actor::new(device, 3, &mut random);
        assert_eq!((actor.device(), actor.incarnation()), (device, 3));
        assert_ne!(actor, Actor::new(device, 3, &mut random));
    }

    #[test]
    fn an_author_has_one_spelling() {
        let user = UserId::new(Timestamp::ZERO, &mut Random::new(Seed::from_number(1)));
        assert_eq!(Author::from_message(&user.to_string()), Some(Author::User(user)));
        assert_eq!(Author::from_message(&user.to_string().to_uppercase()), None);
        assert_eq!(Author::from_message("server"), Some(Author::Server));
    }
}
