//! Tests of the sealed wake.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Seed;

struct Scene {
    random: Random,
    secret: SecretKey,
    call: CallId,
    expires: Timestamp,
}

impl Scene {
    fn new() -> Self {
        let mut random = Random::new(Seed::from_number(4711));
        let now = Timestamp::from_millis(1_790_000_000_000);
        let secret = SecretKey::generate(&mut random);
        Self { call: CallId::new(now, &mut random), expires: now + Duration::from_secs(45), secret, random }
    }

    fn seal(&mut self, caller: &SealedCaller) -> WakePayload {
        let envelope = Envelope { call: self.call, node: "https://calls.example:8443", expires: self.expires };
        seal(&self.secret.public_key(), &envelope, caller, &mut self.random).unwrap()
    }
}

fn tanaka() -> SealedCaller {
    SealedCaller {
        from: "+81312345678".to_owned(),
        name: Some("田中一郎 · ABC".to_owned()),
        why: "record_owner".to_owned(),
    }
}

#[test]
fn the_device_reads_what_was_sealed_for_it() {
    let mut scene = Scene::new();
    let payload = scene.seal(&tanaka());
    let received = WakePayload::from_json(payload.to_json().as_bytes()).unwrap();
    assert_eq!(received, payload);
    assert_eq!(open(&scene.secret, &received), Ok(tanaka()));
}

#[test]
fn a_wake_reads_on_the_wire_as_documented() {
    let mut scene = Scene::new();
    let mut payload = scene.seal(&tanaka());
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&payload.sealed).unwrap().len(), 32 + 256 + 16);
    insta::assert_snapshot!(payload.sealed, @r#"HMMLZ4V85XTfjqm2JWv6gG3bsSkWPKFBbZBXwlL6XQ97Xve_hjO-v7-CIHoHUvJfJhcgIbO0diKWASvk3Ux-4pgJVD1neIJJk3qxoUBU3-HhuITa9gNKp6XQ1EVPU_E2K4X132xrKYMxYI-rB1yp7Z26EKA3Wwfoqe-hk0GHepTTabDANNSCCyWLvvvcfouh4m9tQe9XkzAz74hrCMNoGPly75w6Oui450fETbYpTQ7BVZRFHlcQ7t-AHh2nO0oCjwOlvQQZTNBVBXPe9VJzLSI_q9gozGvpwR_k2gIt6T2tx_22T0yyko2Fp89-3TFw1yFd_qPnZhxCN0ikjC7lntAF8tJSQJAXIz-D8sgRSMAexNXw17wAnRnBXbosNSYSranDgXPZw0rG4By-VBS42w"#);
    payload.sealed = "(box)".to_owned();
    insta::assert_snapshot!(payload.to_json(), @r#"{"v":1,"call":"01a0c450-6c00-78da-9139-7bba64d7b061","node":"https://calls.example:8443","expires":1790000045000,"sealed":"(box)"}"#);
}

#[test]
fn nothing_readable_is_in_the_payload() {
    let mut scene = Scene::new();
    let json = scene.seal(&tanaka()).to_json();
    let sealed = WakePayload::from_json(json.as_bytes()).unwrap().sealed;
    let raw = String::from_utf8_lossy(&BASE64_URL_SAFE_NO_PAD.decode(sealed).unwrap()).into_owned();
    for secret in ["81312345678", "12345678", "田中", "ABC", "\\u7530", "record_owner"] {
        assert!(!json.contains(secret) && !raw.contains(secret), "{secret} is readable");
    }
}

#[test]
fn the_length_does_not_tell_a_short_name_from_a_longer_one() {
    let mut scene = Scene::new();
    let short = scene.seal(&SealedCaller { name: None, ..tanaka() }).to_json().len();
    let long = scene.seal(&SealedCaller { name: Some("Wolfeschlegelsteinhausen".to_owned()), ..tanaka() });
    assert_eq!(long.to_json().len(), short);
}

#[test]
fn another_device_cannot_open_it() {
    let mut scene = Scene::new();
    let payload = scene.seal(&tanaka());
    let other = SecretKey::generate(&mut scene.random);
    assert_eq!(open(&other, &payload), Err(WakeError::NotForThisDevice));
}

#[test]
fn a_changed_expiry_or_call_does_not_open() {
    let mut scene = Scene::new();
    let payload = scene.seal(&tanaka());
    let later = WakePayload { expires: payload.expires + Duration::from_millis(1), ..payload.clone() };
    let replayed = WakePayload { call: CallId::new(scene.expires, &mut scene.random), ..payload };
    assert_eq!(open(&scene.secret, &later), Err(WakeError::NotForThisDevice));
    assert_eq!(open(&scene.secret, &replayed), Err(WakeError::NotForThisDevice));
}

#[test]
fn a_flipped_bit_anywhere_in_the_box_does_not_open() {
    let mut scene = Scene::new();
    let payload = scene.seal(&tanaka());
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(&payload.sealed).unwrap();
    for at in [0, 15, 32, 33, 100, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let changed = WakePayload { sealed: BASE64_URL_SAFE_NO_PAD.encode(changed), ..payload.clone() };
        assert_eq!(open(&scene.secret, &changed), Err(WakeError::NotForThisDevice), "byte {at}");
    }
}

#[test]
fn a_box_that_is_cut_off_is_refused() {
    let mut scene = Scene::new();
    let payload = scene.seal(&tanaka());
    let cut = |length: usize| WakePayload { sealed: payload.sealed[..length].to_owned(), ..payload.clone() };
    assert_eq!(open(&scene.secret, &cut(0)), Err(WakeError::Malformed));
    assert_eq!(open(&scene.secret, &cut(40)), Err(WakeError::Malformed));
    assert_eq!(open(&scene.secret, &cut(44)), Err(WakeError::NotForThisDevice));
}

#[test]
fn an_endless_name_is_cut_and_the_wake_still_fits() {
    let mut scene = Scene::new();
    for letter in ["あ", "\u{1}", "\"", "x", "👩‍👩‍👧"] {
        let payload = scene.seal(&SealedCaller { name: Some(letter.repeat(5_000)), ..tanaka() });
        assert!(payload.to_json().len() <= PAYLOAD_BYTES_MAX);
        let opened = open(&scene.secret, &payload).unwrap();
        assert_eq!((opened.from, opened.why), (tanaka().from, tanaka().why));
        assert!(letter.repeat(5_000).starts_with(&opened.name.unwrap()));
    }
}

#[test]
fn the_longest_node_and_caller_still_fit() {
    let mut scene = Scene::new();
    let node = format!("https://{}", "n".repeat(NODE_BYTES_MAX - 10));
    let caller = SealedCaller { from: "9".repeat(9_000), name: Some("x".repeat(9_000)), why: "y".repeat(9_000) };
    let envelope = Envelope { call: scene.call, node: &node, expires: Timestamp::from_millis(i64::MAX) };
    let payload = seal(&scene.secret.public_key(), &envelope, &caller, &mut scene.random).unwrap();
    assert!(payload.to_json().len() <= PAYLOAD_BYTES_MAX, "{}", payload.to_json().len());
    assert!(open(&scene.secret, &payload).is_ok());
}

#[test]
fn a_node_that_cannot_fit_is_refused() {
    let mut scene = Scene::new();
    let envelope = Envelope { call: scene.call, node: &"n".repeat(NODE_BYTES_MAX), expires: scene.expires };
    let refused = seal(&scene.secret.public_key(), &envelope, &tanaka(), &mut scene.random);
    assert_eq!(refused, Err(WakeError::NodeTooLong));
}

#[test]
fn a_low_order_public_key_is_refused() {
    let mut scene = Scene::new();
    let envelope = Envelope { call: scene.call, node: "https://n", expires: scene.expires };
    let zero = PublicKey::from_bytes(&[0; 32]).unwrap();
    assert_eq!(seal(&zero, &envelope, &tanaka(), &mut scene.random), Err(WakeError::BadKey));
}

#[test]
fn another_version_is_named_even_when_its_shape_is_unknown() {
    assert_eq!(WakePayload::from_json(br#"{"v":2,"box":"?"}"#), Err(WakeError::UnknownVersion(2)));
    assert_eq!(WakePayload::from_json(br#"{"call":"x"}"#), Err(WakeError::Malformed));
    assert_eq!(WakePayload::from_json(b"\xff"), Err(WakeError::Malformed));
    assert_eq!(WakePayload::from_json(&[b' '; PAYLOAD_BYTES_MAX + 1]), Err(WakeError::TooLarge));
}

#[test]
fn a_newer_field_in_the_payload_is_ignored() {
    let mut scene = Scene::new();
    let json = scene.seal(&tanaka()).to_json().replacen('{', r#"{"later":true,"#, 1);
    assert_eq!(open(&scene.secret, &WakePayload::from_json(json.as_bytes()).unwrap()), Ok(tanaka()));
}

#[test]
fn keys_survive_being_stored() {
    let mut random = Random::new(Seed::from_number(1));
    let secret = SecretKey::generate(&mut random);
    let stored = SecretKey::from_bytes(secret.to_bytes().as_slice()).unwrap();
    let text = secret.public_key().to_string();
    assert_eq!(text.len(), 43);
    assert_eq!(text.parse::<PublicKey>(), Ok(stored.public_key()));
    assert_eq!(format!("{secret:?}"), "SecretKey(..)");
    assert_eq!("AAAA".parse::<PublicKey>(), Err(WakeError::BadKey));
}

proptest! {
    #[test]
    fn no_payload_from_the_network_panics(json in proptest::collection::vec(any::<u8>(), 0..600)) {
        let secret = SecretKey::generate(&mut Random::new(Seed::from_number(1)));
        if let Ok(payload) = WakePayload::from_json(&json) {
            prop_assert!(open(&secret, &payload).is_err());
        }
    }

    #[test]
    fn every_caller_can_be_sealed_and_opened(from in ".{0,60}", name in proptest::option::of(".{0,200}")) {
        let mut scene = Scene::new();
        let caller = SealedCaller { from, name, why: "record_owner".to_owned() };
        let payload = scene.seal(&caller);
        prop_assert!(payload.to_json().len() <= PAYLOAD_BYTES_MAX);
        prop_assert_eq!(open(&scene.secret, &payload).map(|opened| opened.from), Ok(caller.from));
    }
}
