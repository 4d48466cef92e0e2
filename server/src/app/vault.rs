//! Secrets at rest: sealed with a key that lies beside the database, never in it.
//!
//! What is sealed says which key sealed it, and opens only in the row it was sealed for: a copy in another row, or in
//! another company's, is worth nothing.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use callfield_domain::{Random, TenantId};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use uuid::Uuid;
use zeroize::{Zeroize as _, Zeroizing};

/// The file of the key in the data folder: 32 random bytes.
const FILE: &str = "secrets.key";
/// How what is sealed begins: another form would begin otherwise.
const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 8;
/// Version, key id and nonce.
const HEAD_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;

/// Seals and opens secrets with AES-256-GCM.
pub struct Vault {
    key: LessSafeKey,
    key_id: [u8; KEY_ID_LEN],
}

/// The row that a secret belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedFor {
    /// Whose row it is.
    pub tenant: TenantId,
    /// The table and the column, e.g. `trunks.credentials`.
    pub column: &'static str,
    /// The row.
    pub row: Uuid,
}

/// Why the key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the key of the secrets {} cannot be used: {error}", .path.display())]
pub struct KeyError {
    path: PathBuf,
    error: io::Error,
}

/// Why a secret does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with another key than the one in the data folder.
    #[error("a secret was sealed with another key")]
    AnotherKey,
    /// It was changed, cut off, or sealed for another row.
    #[error("a sealed secret is broken or was moved")]
    Broken,
}

impl Vault {
    /// The vault of a data folder; its key is made with `random` when there is none.
    pub fn open(data_dir: &Path, random: &mut Random) -> Result<Self, KeyError> {
        let path = data_dir.join(FILE);
        let failed = |error| KeyError { path: path.clone(), error };
        if !path.exists() {
            let mut key: [u8; 32] = random.bytes();
            let made = make(&path, &key);
            key.zeroize();
            made.map_err(failed)?;
        }
        let stored = Zeroizing::new(fs::read(&path).map_err(failed)?);
        let key = <&[u8; 32]>::try_from(stored.as_slice());
        key.map(Self::with_key).map_err(|_| failed(io::Error::other("it must have 32 bytes")))
    }

    /// A vault whose key is in no file: what it seals is lost with it.
    pub fn in_memory(random: &mut Random) -> Self {
        Self::with_key(&Zeroizing::new(random.bytes()))
    }

    fn with_key(bytes: &[u8; 32]) -> Self {
        let Ok(key) = UnboundKey::new(&AES_256_GCM, bytes) else { unreachable!("the key has the length of AES-256") };
        let mut key_id = [0; KEY_ID_LEN];
        let digest = digest::digest(&digest::SHA256, &[b"callfield key id ".as_slice(), bytes].concat());
        key_id.copy_from_slice(&digest.as_ref()[..KEY_ID_LEN]);
        Self { key: LessSafeKey::new(key), key_id }
    }

    /// What is stored of a secret: version, key id, nonce, text and tag.
    pub fn seal(&self, random: &mut Random, place: SealedFor, secret: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random.bytes();
        let mut text = secret.to_vec();
        let sealed = self.key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), place.bound(), &mut text);
        let Ok(tag) = sealed else { unreachable!("a secret is shorter than the 64 GiB that AES-GCM takes") };
        [[VERSION].as_slice(), &self.key_id, &nonce, &text, tag.as_ref()].concat()
    }

    /// The secret that was sealed for a row.
    pub fn unseal(&self, place: SealedFor, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() < HEAD_LEN || sealed[0] != VERSION {
            return Err(OpenError::Broken);
        }
        let (head, text) = sealed.split_at(HEAD_LEN);
        if head[1..=KEY_ID_LEN] != self.key_id {
            return Err(OpenError::AnotherKey);
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + KEY_ID_LEN..]).map_err(|_| OpenError::Broken)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.key.open_in_place(nonce, place.bound(), &mut text).map_err(|_| OpenError::Broken)?.len();
        text.truncate(length);
        Ok(text)
    }
}

impl SealedFor {
    fn bound(&self) -> Aad<Vec<u8>> {
        let (tenant, row) = (self.tenant.uuid(), self.row);
        let parts = [b"callfield secret v1 ".as_slice(), tenant.as_bytes(), row.as_bytes(), self.column.as_bytes()];
        Aad::from(parts.concat())
    }
}

/// Makes the file whole or not at all; one that another process has made meanwhile stays.
fn make(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("key.{}", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use callfield_domain::{Seed, Timestamp};

    use super::*;

    fn place(random: &mut Random) -> SealedFor {
        let (tenant, row) = (TenantId::new(Timestamp::ZERO, random), TenantId::new(Timestamp::ZERO, random).uuid());
        SealedFor { tenant, column: "trunks.credentials", row }
    }

    #[test]
    fn a_secret_opens_in_its_own_row_only() {
        let mut random = Random::new(Seed::from_number(1));
        let (vault, here, there) = (Vault::in_memory(&mut random), place(&mut random), place(&mut random));
        let sealed = vault.seal(&mut random, here, b"hunter2");
        assert_eq!(vault.unseal(here, &sealed).unwrap().as_slice(), b"hunter2");
        for moved in [
            SealedFor { tenant: there.tenant, ..here },
            SealedFor { row: there.row, ..here },
            SealedFor { column: "devices.secret", ..here },
        ] {
            assert_eq!(vault.unseal(moved, &sealed), Err(OpenError::Broken));
        }
    }

    #[test]
    fn a_changed_byte_or_a_missing_one_is_noticed() {
        let mut random = Random::new(Seed::from_number(1));
        let (vault, place) = (Vault::in_memory(&mut random), place(&mut random));
        let sealed = vault.seal(&mut random, place, b"hunter2");
        assert!(!sealed.windows(7).any(|text| text == b"hunter2"));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(vault.unseal(place, &changed).is_err(), "byte {at}");
            assert!(vault.unseal(place, &sealed[..at]).is_err(), "{at} bytes");
        }
        assert_ne!(vault.seal(&mut random, place, b"hunter2"), sealed, "the same secret looks different each time");
    }

    #[test]
    fn another_key_is_told_from_a_broken_secret() {
        let mut random = Random::new(Seed::from_number(1));
        let (one, other) = (Vault::in_memory(&mut random), Vault::in_memory(&mut random));
        let place = place(&mut random);
        let sealed = one.seal(&mut random, place, b"hunter2");
        assert_eq!(other.unseal(place, &sealed), Err(OpenError::AnotherKey));
    }

    #[test]
    fn the_key_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random::new(Seed::from_number(1));
        let place = place(&mut random);
        let sealed = Vault::open(folder.path(), &mut random).unwrap().seal(&mut random, place, b"hunter2");
        let again = Vault::open(folder.path(), &mut random).unwrap();
        assert_eq!(again.unseal(place, &sealed).unwrap().as_slice(), b"hunter2");
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap()).collect();
        assert_eq!((files.len(), files[0].metadata().unwrap().permissions().mode() & 0o777), (1, 0o600));
    }

    #[test]
    fn a_key_of_another_length_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"short").unwrap();
        let Err(error) = Vault::open(folder.path(), &mut Random::new(Seed::from_number(1))) else { panic!() };
        assert!(error.to_string().contains(FILE) && error.to_string().contains("32 bytes"), "{error}");
    }
}
