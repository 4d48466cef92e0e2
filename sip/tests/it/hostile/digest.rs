//! What must hold for any text that comes in as a challenge or as credentials.

use callfield_domain::{Seed, Timestamp};
use callfield_sip::digest::{Algorithm, Challenge, Check, Credentials, Ha1, Login, Signed, Verifier, challenges};
use callfield_sip::message::{Verdict, parse};

const REALM: &str = "example.com";
const SIGNED: Signed<'_> = Signed { method: "REGISTER", uri: "sip:example.com", body: b"" };

/// Reads the text in every way there is; panics where something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace(['\r', '\n'], " ");
    check_challenge(&text);
    check_credentials(&text);
}

/// Whatever a server asks, the answer is one line that reads back as what it is.
fn check_challenge(text: &str) {
    let response = format!(
        "SIP/2.0 401 Unauthorized\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@h>\r\nTo: <sip:a@h>;tag=1\r\nCall-ID: 1\r\n\
         CSeq: 1 REGISTER\r\nWWW-Authenticate: {text}\r\n\r\n"
    );
    let Verdict::Ok(response) = parse(response.into()) else { return };
    let found = challenges(&response);
    assert!(found.is_sorted_by(|left, right| left.algorithm >= right.algorithm), "not the strongest first");
    for challenge in found {
        let answer = challenge.answer(&Login::new("desk", "secret"), &SIGNED, 1, "c1");
        assert!(!answer.contains(['\r', '\n']), "an answer of two lines");
        check_answer(&challenge, &answer);
    }
}

fn check_answer(challenge: &Challenge, answer: &str) {
    let credentials = Credentials::read(answer).expect("an answer reads back");
    assert_eq!((credentials.algorithm, credentials.uri.as_str()), (challenge.algorithm, SIGNED.uri));
    // Control characters are left out of what is sent.
    if !challenge.realm.contains(char::is_control) {
        assert_eq!(credentials.realm, challenge.realm);
    }
}

/// Nobody gets in without the password.
fn check_credentials(text: &str) {
    let Some(credentials) = Credentials::read(text) else { return };
    let mut verifier = Verifier::new(REALM, &[Algorithm::Md5, Algorithm::Sha256], Seed::from_number(1));
    let stored = Ha1::new(credentials.algorithm, "desk", REALM, "secret");
    for stored in [Some(&stored), None] {
        let verdict = verifier.verify(Timestamp::ZERO, &credentials, &SIGNED, stored);
        assert_eq!(verdict, Check::Wrong, "let in without the password");
    }
}
