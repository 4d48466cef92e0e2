//! The server's side: challenges and the check of what comes back.

use callfield_domain::{Seed, Timestamp};

use super::nonce::{Nonces, is_same};
use super::{Algorithm, Credentials, Ha1, Signed, Use};
use crate::message::quoted;

/// Challenges and checks for one realm.
pub struct Verifier {
    realm: String,
    /// Strongest first.
    algorithms: Vec<Algorithm>,
    nonces: Nonces,
    /// Stands in for the hash of a user who does not exist, so that the check takes as long.
    decoy: String,
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The client knows the password, and this is the first time it says so with this count.
    Accepted,
    /// The client knows the password, but the nonce is too old or was used: challenge it with `stale`.
    Stale,
    /// Wrong password, unknown user, foreign nonce: challenge it, or refuse it.
    Wrong,
}

impl Verifier {
    /// A verifier that offers these algorithms.
    pub fn new(realm: &str, algorithms: &[Algorithm], seed: Seed) -> Self {
        let mut algorithms = algorithms.to_vec();
        algorithms.sort_by_key(|algorithm| std::cmp::Reverse(*algorithm));
        let mut nonces = Nonces::new(seed);
        let decoy = nonces.issue(Timestamp::ZERO);
        Self { realm: realm.to_owned(), algorithms, nonces, decoy }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// One WWW-Authenticate (or Proxy-Authenticate) value for each algorithm, strongest first, with one nonce.
    pub fn challenges(&mut self, now: Timestamp, is_stale: bool) -> Vec<String> {
        let (realm, nonce) = (quoted(&self.realm), self.nonces.issue(now));
        let stale = if is_stale { ", stale=true" } else { "" };
        let value = |algorithm: &Algorithm| {
            let algorithm = algorithm.as_str();
            format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth,auth-int\"{stale}")
        };
        self.algorithms.iter().map(value).collect()
    }

    /// Checks credentials against the stored hash of their user; `None` when there is no such user.
    ///
    /// The URI of the credentials is the one that is checked, not that of `signed`.
    pub fn verify(
        &mut self,
        now: Timestamp,
        credentials: &Credentials,
        signed: &Signed<'_>,
        stored: Option<&Ha1>,
    ) -> Check {
        let decoy = Ha1::from_hex(credentials.algorithm, &self.decoy);
        let stored = stored.filter(|stored| stored.algorithm() == credentials.algorithm);
        let usage = credentials.usage.as_ref().map(|(qop, count, cnonce)| Use { qop: *qop, count: *count, cnonce });
        let signed = Signed { uri: &credentials.uri, ..*signed };
        let expected = stored.unwrap_or(&decoy).response(&credentials.nonce, usage.as_ref(), &signed);
        let is_right = is_same(&expected, &credentials.response) && stored.is_some();
        let is_offered = self.algorithms.contains(&credentials.algorithm) && credentials.realm == self.realm;
        let Some(nonce) = self.nonces.read(&credentials.nonce).filter(|_| is_right && is_offered) else {
            return Check::Wrong;
        };
        let count = usage.map_or(1, |usage| usage.count);
        if self.nonces.take(now, nonce, count) { Check::Accepted } else { Check::Stale }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Challenge, Login};
    use super::*;

    const SIGNED: Signed<'_> = Signed { method: "INVITE", uri: "sip:b@h", body: b"v=0" };

    struct Client {
        challenge: Challenge,
        login: Login,
        stored: Ha1,
    }

    impl Client {
        fn new(verifier: &mut Verifier, user: &str) -> Self {
            let challenge = Challenge::read(&verifier.challenges(Timestamp::ZERO, false)[0]).unwrap();
            let stored = Ha1::new(challenge.algorithm, user, "h", "secret");
            Self { challenge, login: Login::new(user, "secret"), stored }
        }

        fn check(&self, verifier: &mut Verifier, now: Timestamp, count: u32) -> Check {
            let answer = self.challenge.answer(&self.login, &SIGNED, count, "c");
            verifier.verify(now, &Credentials::read(&answer).unwrap(), &SIGNED, Some(&self.stored))
        }
    }

    fn verifier() -> Verifier {
        Verifier::new("h", &[Algorithm::Md5, Algorithm::Sha256], Seed::from_number(1))
    }

    #[test]
    fn two_users_challenged_at_the_same_moment_both_get_in() {
        let mut verifier = verifier();
        let (a, b) = (Client::new(&mut verifier, "a"), Client::new(&mut verifier, "b"));
        assert_ne!(a.challenge.nonce, b.challenge.nonce);
        assert_eq!(a.check(&mut verifier, Timestamp::ZERO, 1), Check::Accepted);
        assert_eq!(b.check(&mut verifier, Timestamp::ZERO, 1), Check::Accepted);
    }

    #[test]
    fn the_thousandth_use_of_a_nonce_works() {
        let mut verifier = verifier();
        let client = Client::new(&mut verifier, "a");
        for count in 1..=1000 {
            assert_eq!(client.check(&mut verifier, Timestamp::ZERO, count), Check::Accepted, "{count}");
        }
    }

    #[test]
    fn a_repetition_or_an_old_nonce_is_stale_and_not_wrong() {
        let mut verifier = verifier();
        let client = Client::new(&mut verifier, "a");
        assert_eq!(client.check(&mut verifier, Timestamp::ZERO, 1), Check::Accepted);
        assert_eq!(client.check(&mut verifier, Timestamp::ZERO, 1), Check::Stale);
        let later = Timestamp::ZERO + Duration::from_secs(7200);
        assert_eq!(client.check(&mut verifier, later, 2), Check::Stale);
        assert!(Challenge::read(&verifier.challenges(later, true)[0]).unwrap().is_stale);
    }

    #[test]
    fn wrong_passwords_unknown_users_and_foreign_nonces_are_wrong() {
        let mut verifier = verifier();
        let mut client = Client::new(&mut verifier, "a");
        let answer = Credentials::read(&client.challenge.answer(&client.login, &SIGNED, 1, "c")).unwrap();
        assert_eq!(verifier.verify(Timestamp::ZERO, &answer, &SIGNED, None), Check::Wrong);
        client.login = Login::new("a", "guess");
        assert_eq!(client.check(&mut verifier, Timestamp::ZERO, 1), Check::Wrong);
        let mut other = Verifier::new("h", &[Algorithm::Sha256], Seed::from_number(2));
        let client = Client::new(&mut other, "a");
        assert_eq!(client.check(&mut verifier, Timestamp::ZERO, 1), Check::Wrong);
    }

    #[test]
    fn a_wrong_answer_uses_up_no_count() {
        let mut verifier = verifier();
        let mut client = Client::new(&mut verifier, "a");
        let login = std::mem::replace(&mut client.login, Login::new("a", "guess"));
        assert_eq!(client.check(&mut verifier, Timestamp::ZERO, 1), Check::Wrong);
        client.login = login;
        assert_eq!(client.check(&mut verifier, Timestamp::ZERO, 1), Check::Accepted);
    }

    #[test]
    fn the_challenges_are_written_strongest_first() {
        let values = verifier().challenges(Timestamp::ZERO, true);
        let shown: Vec<_> = values.iter().map(|value| value.split("nonce=").next().unwrap()).collect();
        assert_eq!(shown, ["Digest realm=\"h\", "; 2]);
        assert!(values[0].ends_with(", algorithm=SHA-256, qop=\"auth,auth-int\", stale=true"), "{}", values[0]);
        assert!(values[1].contains("algorithm=MD5"));
    }

    #[test]
    fn a_changed_body_is_found_by_auth_int() {
        let mut verifier = verifier();
        let mut client = Client::new(&mut verifier, "a");
        client.challenge.qop = Some(super::super::Qop::AuthInt);
        let answer = Credentials::read(&client.challenge.answer(&client.login, &SIGNED, 1, "c")).unwrap();
        let changed = Signed { body: b"v=1", ..SIGNED };
        assert_eq!(verifier.verify(Timestamp::ZERO, &answer, &changed, Some(&client.stored)), Check::Wrong);
        assert_eq!(verifier.verify(Timestamp::ZERO, &answer, &SIGNED, Some(&client.stored)), Check::Accepted);
    }
}
