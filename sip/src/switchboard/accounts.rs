//! Accounts of desk phones that proved their password: what refreshes them need not be looked up again.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::{DeviceId, Timestamp};

use super::Account;

/// How long a proven account counts: another node may have taken it away since.
const COUNTS: Duration = Duration::from_secs(300);
/// How many are kept.
const KEPT_MAX: usize = 16_384;

/// What is known of accounts without asking.
#[derive(Default)]
pub(super) struct Accounts {
    /// By user name, with the end of its time.
    proven: BTreeMap<String, (Account, Timestamp)>,
    /// Devices whose account was taken away, until any question about them is answered: an answer may be older.
    revoked: BTreeMap<DeviceId, Timestamp>,
}

impl Accounts {
    /// The account of a user name, if it was proven of late.
    pub(super) fn proven(&self, now: Timestamp, user: &str) -> Option<&Account> {
        self.proven.get(user).filter(|(_, until)| now < *until).map(|(account, _)| account)
    }

    /// Keeps an account whose password was just proven against what was looked up; not one with an installation that
    /// is woken, which may be another one the next time.
    pub(super) fn keep(&mut self, now: Timestamp, account: &Account) {
        if account.push.is_some() {
            return;
        }
        if self.proven.len() >= KEPT_MAX {
            self.proven.retain(|_, (_, until)| now < *until);
        }
        if self.proven.len() < KEPT_MAX {
            self.proven.insert(account.user.clone(), (account.clone(), now + COUNTS));
        }
    }

    /// Forgets what was proven: the account is about to change.
    pub(super) fn forget(&mut self, user: &str) {
        self.proven.remove(user);
    }

    /// Forgets the account of a device, for good.
    pub(super) fn revoke(&mut self, now: Timestamp, device: DeviceId) {
        self.proven.retain(|_, (account, _)| account.identity.device != device);
        self.revoked.retain(|_, until| now < *until);
        self.revoked.insert(device, now + COUNTS);
    }

    /// Whether an account that was looked up was taken away meanwhile.
    pub(super) fn is_revoked(&self, account: &Account) -> bool {
        self.revoked.contains_key(&account.identity.device)
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Random, Seed, TenantId, UserId};

    use super::super::DeviceIdentity;
    use super::*;

    fn account(user: &str, seed: u64) -> Account {
        let mut random = Random::new(Seed::from_number(seed));
        let identity = DeviceIdentity {
            tenant: TenantId::new(Timestamp::ZERO, &mut random),
            user: UserId::new(Timestamp::ZERO, &mut random),
            device: DeviceId::new(Timestamp::ZERO, &mut random),
        };
        Account { identity, user: user.to_owned(), hashes: Vec::new(), push: None }
    }

    #[test]
    fn a_proven_account_counts_until_its_time_is_over_or_it_is_revoked() {
        let (mut accounts, at) = (Accounts::default(), |s| Timestamp::ZERO + Duration::from_secs(s));
        let (one, two) = (account("one", 1), account("two", 2));
        accounts.keep(at(0), &one);
        accounts.keep(at(0), &two);
        assert_eq!(accounts.proven(at(299), "one"), Some(&one));
        assert_eq!(accounts.proven(at(300), "one"), None);
        accounts.revoke(at(1), one.identity.device);
        assert_eq!((accounts.proven(at(2), "one"), accounts.proven(at(2), "two")), (None, Some(&two)));
        assert!(accounts.is_revoked(&one) && !accounts.is_revoked(&two));
    }

    #[test]
    fn no_more_accounts_are_kept_than_there_is_room_for() {
        let mut accounts = Accounts::default();
        for number in 0..=KEPT_MAX as u64 {
            accounts.keep(Timestamp::ZERO, &account(&number.to_string(), number));
        }
        assert_eq!(accounts.proven.len(), KEPT_MAX);
        let late = Timestamp::ZERO + COUNTS;
        accounts.keep(late, &account("late", 0));
        assert_eq!(accounts.proven.len(), 1);
    }
}
