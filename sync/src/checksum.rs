//! One number for everything in a scope, so that two stores see a difference without listing anything.

use callfield_domain::RecordId;
use sha2::{Digest as _, Sha256};

use crate::Heads;

/// A record's share of a scope's checksum; the checksum is the XOR of the shares, so a store keeps it up to date by
/// XORing the old share out and the new one in.
pub fn of_record(id: RecordId, epoch: u32, heads: &Heads) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(id.uuid().as_bytes());
    hasher.update(epoch.to_be_bytes());
    hasher.update(heads.to_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let mut share = [0; 8];
    share.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChangeHash;
    use callfield_domain::{Random, Seed, Timestamp};

    #[test]
    fn every_part_of_a_record_counts() {
        let mut random = Random::new(Seed::from_number(1));
        let (first, second) =
            (RecordId::new(Timestamp::ZERO, &mut random), RecordId::new(Timestamp::ZERO, &mut random));
        let heads: Heads = [ChangeHash::from_bytes([1; 32])].into_iter().collect();
        let share = of_record(first, 0, &heads);
        assert_ne!(share, of_record(second, 0, &heads));
        assert_ne!(share, of_record(first, 1, &heads));
        assert_ne!(share, of_record(first, 0, &Heads::default()));
        assert_eq!(share, of_record(first, 0, &heads));
    }
}
