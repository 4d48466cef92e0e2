//! Logins: who sends a request that came over no phone's connection is challenged, and the answer checked (RFC 7616).
//!
//! The shell keeps the accounts and is asked for one at a time; a user who does not exist is asked for, checked and
//! answered as one whose password is wrong, so that nobody can find out who exists. Only who has the password is let in
//! without asking again for a while.

use std::collections::BTreeMap;

use callfield_domain::{DeviceId, Seed, Timestamp};

use super::accounts::Accounts;
use super::trunk::flow_of;
use super::{Account, Output, Switchboard};
use crate::digest::{Algorithm, Check, Credentials, Ha1, Signed, Verifier};
use crate::message::{Message, Method};
use crate::transaction::{Flow as Hop, Input as Layer, ServerId};

/// The most logins that may wait for their account; one more is answered 503.
const WAITING_MAX: usize = 4_096;

/// Logins that are under way.
pub(super) struct Logins {
    verifier: Verifier,
    accounts: Accounts,
    waiting: BTreeMap<ServerId, Waiting>,
}

/// A request that waits for the account of who says to have sent it.
struct Waiting {
    flow: Hop,
    request: Message,
    credentials: Credentials,
}

impl Logins {
    /// None yet; nobody may guess the seed.
    pub(super) fn new(domain: &str, algorithms: &[Algorithm], seed: Seed) -> Self {
        let verifier = Verifier::new(domain, algorithms, seed);
        Self { verifier, accounts: Accounts::default(), waiting: BTreeMap::new() }
    }

    /// Forgets a request that is over.
    pub(super) fn forget(&mut self, id: ServerId) {
        self.waiting.remove(&id);
    }

    /// Looks an account up again the next time: it is about to change.
    pub(super) fn forget_account(&mut self, user: &str) {
        self.accounts.forget(user);
    }

    /// Lets nobody in any more as this device.
    pub(super) fn revoke(&mut self, now: Timestamp, device: DeviceId) {
        self.accounts.revoke(now, device);
    }

    /// The account of who proves to have its password, if it did so of late.
    fn proven(&mut self, now: Timestamp, credentials: &Credentials, request: &Message) -> Option<Account> {
        let account = self.accounts.proven(now, &credentials.user)?;
        let stored = account.hash(credentials.algorithm);
        let check = Signed::of(request, |signed| self.verifier.verify(now, credentials, signed, stored));
        (check == Check::Accepted).then(|| account.clone())
    }
}

impl Switchboard {
    /// Finds out who sent a request: by a challenge, or by the answer to one that it brings.
    pub(super) fn authenticate(&mut self, now: Timestamp, id: ServerId, flow: Hop, request: &Message) {
        let Some(credentials) = Credentials::find(request, self.logins.verifier.realm()) else {
            self.count("challenged");
            return self.challenge(now, id, request, false);
        };
        if let Some(account) = self.logins.proven(now, &credentials, request) {
            return self.take_login(now, id, flow, request, &account);
        }
        if self.logins.waiting.len() >= WAITING_MAX {
            self.count("flooded");
            return self.respond(now, id, request, 503);
        }
        let user = credentials.user.clone();
        self.logins.waiting.insert(id, Waiting { flow, request: request.detached(), credentials });
        self.outputs.push_back(Output::CredentialsWanted { login: id, user });
    }

    /// The shell looked for the account; `None` if there is none.
    pub(super) fn check_login(&mut self, now: Timestamp, id: ServerId, account: Option<Account>) {
        let Some(Waiting { flow, request, credentials }) = self.logins.waiting.remove(&id) else { return };
        let account = account.filter(|account| !self.logins.accounts.is_revoked(account));
        let stored = account.as_ref().and_then(|account| account.hash(credentials.algorithm));
        let verifier = &mut self.logins.verifier;
        let check = Signed::of(&request, |signed| verifier.verify(now, &credentials, signed, stored));
        match (check, account) {
            (Check::Accepted, Some(account)) => {
                self.logins.accounts.keep(now, &account);
                self.take_login(now, id, flow, &request, &account);
            }
            (Check::Stale, _) => {
                self.count("stale_nonce");
                self.challenge(now, id, &request, true);
            }
            (Check::Accepted | Check::Wrong, _) => {
                self.count("wrong_credentials");
                self.challenge(now, id, &request, false);
            }
        }
    }

    fn take_login(&mut self, now: Timestamp, id: ServerId, flow: Hop, request: &Message, account: &Account) {
        self.outputs.push_back(Output::Proven { flow: flow_of(flow) });
        if request.method() == &Method::Register {
            self.take_desk_register(now, id, flow, account, request);
        } else if request.method() == &Method::Refer {
            self.take_desk_refer(now, id, account, request);
        } else {
            self.take_desk_invite(now, id, flow, account, request);
        }
    }

    /// 401 with a challenge for each algorithm, strongest first; the same for everybody.
    fn challenge(&mut self, now: Timestamp, id: ServerId, request: &Message, is_stale: bool) {
        let start = request.response(401, "Unauthorized").to_tag(&self.random.token(16));
        let challenges = self.logins.verifier.challenges(now, is_stale);
        let start = challenges.iter().fold(start, |start, challenge| start.header("WWW-Authenticate", challenge));
        self.transactions.handle(now, Layer::Respond { id, response: start.build() });
    }
}

impl Account {
    fn hash(&self, algorithm: Algorithm) -> Option<&Ha1> {
        self.hashes.iter().find(|hash| hash.algorithm() == algorithm)
    }
}
