//! Digest authentication, both sides (RFC 7616 with the algorithms of RFC 8760).
//!
//! A client reads the [`challenges`] of a 401 or 407, strongest first, and answers one with [`Challenge::answer`].
//! A server writes challenges with [`Verifier::challenges`], reads [`Credentials`], looks up the stored [`Ha1`] of the
//! user and asks [`Verifier::verify`]. A server stores no passwords.
//!
//! ```
//! use callfield_domain::{Seed, Timestamp};
//! use callfield_sip::digest::{Algorithm, Challenge, Check, Credentials, Ha1, Login, Signed, Verifier};
//!
//! let mut server = Verifier::new("example.com", &[Algorithm::Sha256], Seed::from_number(1));
//! let challenge = Challenge::read(&server.challenges(Timestamp::ZERO, false)[0]).unwrap();
//!
//! let signed = Signed { method: "REGISTER", uri: "sip:example.com", body: b"" };
//! let answer = challenge.answer(&Login::new("desk", "secret"), &signed, 1, "c1");
//!
//! let credentials = Credentials::read(&answer).unwrap();
//! let stored = Ha1::new(Algorithm::Sha256, "desk", "example.com", "secret");
//! assert_eq!(server.verify(Timestamp::ZERO, &credentials, &signed, Some(&stored)), Check::Accepted);
//! ```

mod challenge;
mod credentials;
mod fields;
mod nonce;
mod verifier;

use std::fmt;

use md5::{Digest as _, Md5};

use crate::message::Message;

pub use challenge::{Challenge, Login, challenges};
pub use credentials::Credentials;
pub use verifier::{Check, Verifier};

/// A hash of RFC 7616; a later one is stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// MD5, for phones that know nothing else.
    Md5,
    /// SHA-512/256.
    Sha512Of256,
    /// SHA-256, which the RFC prefers.
    Sha256,
}

impl Algorithm {
    /// The name in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha512Of256 => "SHA-512-256",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The algorithm of this name in any case; session variants are not known.
    pub fn of(name: &str) -> Option<Self> {
        let known = [Self::Md5, Self::Sha512Of256, Self::Sha256];
        known.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }

    /// The hash of parts joined by colons, as lower-case hexadecimal digits.
    fn hash(self, parts: &[&[u8]]) -> String {
        let text = parts.join(&b':');
        match self {
            Self::Md5 => hex(Md5::digest(&text).as_slice()),
            Self::Sha512Of256 => hex(ring::digest::digest(&ring::digest::SHA512_256, &text).as_ref()),
            Self::Sha256 => hex(ring::digest::digest(&ring::digest::SHA256, &text).as_ref()),
        }
    }
}

/// What a response protects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qop {
    /// Method and URI.
    Auth,
    /// Method, URI and body.
    AuthInt,
}

impl Qop {
    /// The name in headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt].into_iter().find(|qop| qop.as_str().eq_ignore_ascii_case(name))
    }
}

/// The hash of user, realm and password: what a server stores in the place of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1 {
    algorithm: Algorithm,
    hex: String,
}

impl Ha1 {
    /// The hash of a password.
    pub fn new(algorithm: Algorithm, user: &str, realm: &str, password: &str) -> Self {
        Self { algorithm, hex: algorithm.hash(&[user.as_bytes(), realm.as_bytes(), password.as_bytes()]) }
    }

    /// A stored hash.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Self {
        Self { algorithm, hex: hex.to_ascii_lowercase() }
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The text to store.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The response to a nonce (RFC 7616 §3.4.1); without a [`Use`] that of RFC 2069.
    fn response(&self, nonce: &str, usage: Option<&Use<'_>>, signed: &Signed<'_>) -> String {
        let algorithm = self.algorithm;
        let (method, uri) = (signed.method.as_bytes(), signed.uri.as_bytes());
        let ha2 = match usage {
            Some(Use { qop: Qop::AuthInt, .. }) => {
                algorithm.hash(&[method, uri, algorithm.hash(&[signed.body]).as_bytes()])
            }
            Some(Use { qop: Qop::Auth, .. }) | None => algorithm.hash(&[method, uri]),
        };
        let Some(usage) = usage else {
            return algorithm.hash(&[self.hex.as_bytes(), nonce.as_bytes(), ha2.as_bytes()]);
        };
        let count = format!("{:08x}", usage.count);
        let parts = [&self.hex, nonce, &count, usage.cnonce, usage.qop.as_str(), &ha2];
        algorithm.hash(&parts.map(str::as_bytes))
    }
}

/// Hides the hash, which is as good as the password.
impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({})", self.algorithm.as_str())
    }
}

/// The part of a request that is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// The URI in the start line.
    pub uri: &'a str,
    /// The body.
    pub body: &'a [u8],
}

impl Signed<'_> {
    /// Calls `then` with the signed part of a request.
    pub fn of<T>(request: &Message, then: impl FnOnce(&Signed<'_>) -> T) -> T {
        let body = request.body();
        then(&Signed { method: request.method().as_str(), uri: request.request_uri_text(), body: &body })
    }
}

/// One use of a nonce.
struct Use<'a> {
    qop: Qop,
    count: u32,
    cnonce: &'a str,
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNED: Signed<'_> = Signed { method: "GET", uri: "/dir/index.html", body: b"" };
    const NONCE: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";

    fn example(algorithm: Algorithm) -> String {
        let ha1 = Ha1::new(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        ha1.response(NONCE, Some(&Use { qop: Qop::Auth, count: 1, cnonce }), &SIGNED)
    }

    #[test]
    fn the_examples_of_rfc_7616_section_3_9_1_come_out() {
        assert_eq!(example(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(example(Algorithm::Sha256), "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    }

    #[test]
    fn the_example_of_rfc_2617_comes_out() {
        let ha1 = Ha1::new(Algorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life");
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let usage = Use { qop: Qop::Auth, count: 1, cnonce: "0a4f113b" };
        assert_eq!(ha1.response(nonce, Some(&usage), &SIGNED), "6629fae49393a05397450978507c4ef1");
        assert_eq!(ha1.response(nonce, None, &SIGNED), "670fd8c2df070c60b045671b8b24ff02");
    }

    #[test]
    fn a_protected_body_changes_the_response() {
        let ha1 = Ha1::new(Algorithm::Sha256, "a", "r", "p");
        let response =
            |qop, body| ha1.response("n", Some(&Use { qop, count: 1, cnonce: "c" }), &Signed { body, ..SIGNED });
        assert_eq!(response(Qop::Auth, b"1"), response(Qop::Auth, b"2"));
        assert_ne!(response(Qop::AuthInt, b"1"), response(Qop::AuthInt, b"2"));
    }

    #[test]
    fn no_secret_shows_in_debug_text() {
        assert_eq!(format!("{:?}", Ha1::new(Algorithm::Md5, "a", "r", "p")), "Ha1(MD5)");
    }
}
