//! The client's side: challenges and answers to them.

use std::fmt;

use super::fields::Fields;
use super::{Algorithm, Ha1, Qop, Signed, Use};
use crate::message::{Message, quoted};

/// One challenge that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// What the password is for.
    pub realm: String,
    /// The value to sign; a new one each time the server wants.
    pub nonce: String,
    /// A value to give back unchanged.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: Algorithm,
    /// What is protected; `None` for servers of RFC 2069.
    pub qop: Option<Qop>,
    /// Whether the last answer was right but its nonce too old: no reason to ask for another password.
    pub is_stale: bool,
    /// Whether it came from a proxy: [`Challenge::answer_header`] differs.
    pub is_from_proxy: bool,
    hides_user: bool,
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// A login from plain text.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned() }
    }
}

/// Shows neither the user nor the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// The challenges of a 401 or 407 that can be answered, strongest first, in the order written among equals.
pub fn challenges(response: &Message) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for (name, is_from_proxy) in [("WWW-Authenticate", false), ("Proxy-Authenticate", true)] {
        let values = response.headers(name).flat_map(Fields::read_all);
        challenges.extend(values.filter_map(|fields| Challenge::of(&fields, is_from_proxy)));
    }
    challenges.sort_by_key(|challenge| std::cmp::Reverse(challenge.algorithm));
    challenges
}

impl Challenge {
    /// Reads the first challenge of a WWW-Authenticate value.
    pub fn read(value: &str) -> Option<Self> {
        Fields::read_all(value).first().and_then(|fields| Self::of(fields, false))
    }

    fn of(fields: &Fields, is_from_proxy: bool) -> Option<Self> {
        let qop = match fields.get("qop") {
            // Auth is preferred: something on the way may rewrite the body.
            Some(list) => {
                let offered: Vec<_> = list.split(',').filter_map(|name| Qop::of(name.trim())).collect();
                Some(if offered.contains(&Qop::Auth) { Qop::Auth } else { *offered.first()? })
            }
            None => None,
        };
        Some(Self {
            realm: fields.get("realm")?.to_owned(),
            nonce: fields.get("nonce")?.to_owned(),
            opaque: fields.get("opaque").map(str::to_owned),
            algorithm: fields.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::of)?,
            qop,
            is_stale: fields.is_true("stale"),
            is_from_proxy,
            hides_user: fields.is_true("userhash"),
        })
    }

    /// The header that the answer goes into.
    pub fn answer_header(&self) -> &'static str {
        if self.is_from_proxy { "Proxy-Authorization" } else { "Authorization" }
    }

    /// The value that answers this challenge.
    ///
    /// `count` starts at 1 and grows by one with each use of the same nonce; `cnonce` is random text.
    pub fn answer(&self, login: &Login, signed: &Signed<'_>, count: u32, cnonce: &str) -> String {
        let ha1 = Ha1::new(self.algorithm, &login.user, &self.realm, &login.password);
        let usage = self.qop.map(|qop| Use { qop, count, cnonce });
        let response = ha1.response(&self.nonce, usage.as_ref(), signed);
        let (user, realm, nonce) = (self.user_field(login), quoted(&self.realm), quoted(&self.nonce));
        let mut answer = format!("Digest {user}, realm={realm}, nonce={nonce}, uri={}", quoted(signed.uri));
        answer.push_str(&format!(", response=\"{response}\", algorithm={}", self.algorithm.as_str()));
        if let Some(Use { qop, count, cnonce }) = usage {
            answer.push_str(&format!(", cnonce={}, qop={}, nc={count:08x}", quoted(cnonce), qop.as_str()));
        }
        if let Some(opaque) = &self.opaque {
            answer.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        if self.hides_user {
            answer.push_str(", userhash=true");
        }
        answer
    }

    /// The copy of a request that carries the answer; an earlier answer is replaced.
    pub fn authorize(&self, login: &Login, request: &Message, count: u32, cnonce: &str) -> Message {
        let answer = Signed::of(request, |signed| self.answer(login, signed, count, cnonce));
        request.edit().set(self.answer_header(), answer).build()
    }

    /// The user, hashed if the server asks for it; a quoted string of SIP may hold any UTF-8.
    fn user_field(&self, login: &Login) -> String {
        if self.hides_user {
            let hash = self.algorithm.hash(&[login.user.as_bytes(), self.realm.as_bytes()]);
            return format!("username=\"{hash}\"");
        }
        format!("username={}", quoted(&login.user))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Credentials;
    use super::*;
    use crate::message::{Verdict, parse};

    #[test]
    fn the_strongest_known_challenge_comes_first() {
        let text = "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: <sip:a@h>;tag=1\r\n\
            Call-ID: 1\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n1\"\r\n\
            WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth,auth-int\", stale=true\r\n\
            WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", algorithm=NEW-1\r\n\
            Proxy-Authenticate: Digest realm=\"p\", nonce=\"n4\", qop=\"auth-int\"\r\n\r\n";
        let verdict = parse(text.into());
        let Verdict::Ok(response) = verdict else { panic!("{verdict:?}") };
        let found = challenges(&response);
        let nonces: Vec<_> = found.iter().map(|challenge| challenge.nonce.as_str()).collect();
        assert_eq!(nonces, ["n2", "n1", "n4"]);
        assert_eq!((found[0].qop, found[0].is_stale), (Some(Qop::Auth), true));
        assert_eq!((found[1].algorithm, found[1].qop), (Algorithm::Md5, None));
        assert_eq!((found[2].qop, found[2].answer_header()), (Some(Qop::AuthInt), "Proxy-Authorization"));
    }

    /// RFC 7616 §3.9.2 with the hashes of its erratum 4897: the printed ones are of truncated SHA-512.
    #[test]
    fn the_example_with_a_hidden_user_in_utf_8_comes_out() {
        let value = "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
            nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", \
            opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true";
        let login = Login::new("J\u{e4}s\u{f8}n Doe", "Secret, or not?");
        let signed = Signed { method: "GET", uri: "/doe.json", body: b"" };
        let answer =
            Challenge::read(value).unwrap().answer(&login, &signed, 1, "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v");
        let credentials = Credentials::read(&answer).unwrap();
        assert_eq!(credentials.user, "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
        assert!(credentials.has_hidden_user);
        assert!(answer.contains("3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"), "{answer}");
    }

    #[test]
    fn an_answer_is_written_with_all_its_fields() {
        let value = r#"Digest realm="a \"b\"", nonce="n", opaque="o", qop=auth"#;
        let signed = Signed { method: "REGISTER", uri: "sip:h", body: b"" };
        let answer = Challenge::read(value).unwrap().answer(&Login::new("u\"x", "p"), &signed, 31, "c");
        insta::assert_snapshot!(
            answer,
            @r#"Digest username="u\"x", realm="a \"b\"", nonce="n", uri="sip:h", response="9c7c45bf7b3e728ef486e79d5b6bf26b", algorithm=MD5, cnonce="c", qop=auth, nc=0000001f, opaque="o""#
        );
    }
}
