//! What the edge proves itself to a trunk with (RFC 3261 §22).

use callfield_domain::Random;

use crate::digest::{Login, challenges};
use crate::message::Message;

/// The account of a company at a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkAccount {
    /// User and password.
    pub login: Login,
    /// The one realm that is answered; `None`: whatever realm the trunk names.
    pub realm: Option<String>,
}

impl TrunkAccount {
    /// The copy of a request that answers the strongest challenge of a 401 or 407; `None` if there is none for this
    /// account.
    pub(super) fn prove(&self, request: &Message, refusal: &Message, random: &mut Random) -> Option<Message> {
        let is_ours = |realm: &str| self.realm.as_deref().is_none_or(|own| own == realm);
        let challenge = challenges(refusal).into_iter().find(|challenge| is_ours(&challenge.realm))?;
        Some(challenge.authorize(&self.login, request, 1, &random.token(16)))
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::Seed;

    use super::*;
    use crate::message::{Verdict, parse};

    fn message(text: &str) -> Message {
        let Verdict::Ok(message) = parse(text.replace('\n', "\r\n").into()) else { panic!("{text}") };
        message
    }

    fn answered(realm: Option<&str>, challenge: &str) -> Option<Message> {
        let head =
            "Via: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=1\nTo: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\n";
        let invite = message(&format!("INVITE sip:b@h SIP/2.0\n{head}Max-Forwards: 70\nContent-Length: 0\n\n"));
        let refusal = message(&format!("SIP/2.0 407 No\n{head}{challenge}Content-Length: 0\n\n"));
        let account = TrunkAccount { login: Login::new("desk", "secret"), realm: realm.map(str::to_owned) };
        account.prove(&invite, &refusal, &mut Random::new(Seed::from_number(1)))
    }

    #[test]
    fn the_strongest_challenge_of_the_own_realm_is_answered() {
        let challenges = "Proxy-Authenticate: Digest realm=\"thief\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\n\
            Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n2\"\n\
            Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n3\", algorithm=SHA-256, qop=\"auth\"\n";
        let of = |realm| answered(realm, challenges).unwrap().header("Proxy-Authorization").unwrap().to_owned();
        assert!(of(Some("pbx")).contains("nonce=\"n3\""));
        assert!(of(None).contains("nonce=\"n1\""));
        assert!(!of(None).contains("secret"));
    }

    #[test]
    fn a_foreign_realm_or_no_readable_challenge_gets_no_proof() {
        let challenge = "Proxy-Authenticate: Digest realm=\"pbx\", nonce=\"n2\"\n";
        assert_eq!(answered(Some("other"), challenge), None);
        assert_eq!(answered(None, "Proxy-Authenticate: Basic realm=\"pbx\"\n"), None);
        assert_eq!(answered(None, ""), None);
    }
}
