//! The table of push decisions, and that there is one for every payload.

use callfield_domain::wake::{Envelope, SealedCaller};
use callfield_domain::{Random, Seed};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_045_000);

struct Phone {
    secret: SecretKey,
    call: CallId,
    wake: WakePayload,
}

fn phone() -> Phone {
    let mut random = Random::new(Seed::from_number(1));
    let secret = SecretKey::generate(&mut random);
    let call = CallId::new(NOW, &mut random);
    let envelope = Envelope { call, node: "https://node-1.example:443", expires: LATER };
    let caller = SealedCaller {
        from: "+81312345678".to_owned(),
        name: Some("Tanaka".to_owned()),
        why: "record_owner".to_owned(),
    };
    let wake = wake::seal(&secret.public_key(), &envelope, &caller, &mut random).unwrap();
    Phone { secret, call, wake }
}

fn fcm(wake: &WakePayload) -> Vec<u8> {
    json!({ "data": { "callfield": wake.to_json() } }).to_string().into_bytes()
}

fn apns(wake: &WakePayload) -> Vec<u8> {
    json!({ "aps": {}, "callfield": wake }).to_string().into_bytes()
}

fn decided(kind: PushKind, payload: &[u8], secret: Option<&SecretKey>) -> PushDecision {
    decode_push(kind, payload, NOW, &PushContext { secret, ..PushContext::default() })
}

#[test]
fn both_services_ring_with_the_sealed_caller() {
    let Phone { secret, call, wake } = phone();
    for (kind, payload) in [(PushKind::Fcm, fcm(&wake)), (PushKind::ApnsVoip, apns(&wake))] {
        let PushDecision::Ring { call: rung, node, expires, caller } = decided(kind, &payload, Some(&secret)) else {
            panic!("a good wake rings");
        };
        assert_eq!((rung, node.as_str(), expires), (call, "https://node-1.example:443", LATER));
        assert_eq!(caller.unwrap().name.as_deref(), Some("Tanaka"));
    }
}

#[test]
fn a_wake_rings_without_the_key_and_without_a_name() {
    let Phone { wake, .. } = phone();
    assert!(matches!(decided(PushKind::Fcm, &fcm(&wake), None), PushDecision::Ring { caller: None, .. }));
}

#[test]
fn the_bare_data_map_and_the_whole_message_are_read_too() {
    let Phone { wake, .. } = phone();
    let bare = json!({ "callfield": wake.to_json() }).to_string();
    let whole = json!({ "message": { "token": "t", "data": { "callfield": wake.to_json() } } }).to_string();
    for payload in [bare, whole] {
        assert!(matches!(decided(PushKind::Fcm, payload.as_bytes(), None), PushDecision::Ring { .. }));
    }
}

#[test]
fn a_call_that_is_known_does_not_ring_again() {
    let Phone { secret, call, wake } = phone();
    for (known, expected) in [
        (Known::Live, PushDecision::AlreadyRinging { call }),
        (Known::Cancelled, PushDecision::ReportAndEnd { call: Some(call), reason: EndReason::Cancelled }),
        (Known::Over, PushDecision::ReportAndEnd { call: Some(call), reason: EndReason::Duplicate }),
    ] {
        let calls = BTreeMap::from([(call, known)]);
        let context = PushContext { secret: Some(&secret), calls: Some(&calls), is_before_first_unlock: false };
        assert_eq!(decode_push(PushKind::Fcm, &fcm(&wake), NOW, &context), expected);
    }
}

#[test]
fn a_late_push_is_reported_and_ended() {
    let Phone { secret, call, wake } = phone();
    let context = PushContext { secret: Some(&secret), ..PushContext::default() };
    let expected = PushDecision::ReportAndEnd { call: Some(call), reason: EndReason::Expired };
    assert_eq!(decode_push(PushKind::ApnsVoip, &apns(&wake), LATER, &context), expected);
}

#[test]
fn a_box_for_another_key_is_of_another_account() {
    let Phone { call, wake, .. } = phone();
    let other = SecretKey::generate(&mut Random::new(Seed::from_number(2)));
    let expected = PushDecision::ReportAndEnd { call: Some(call), reason: EndReason::WrongAccount };
    assert_eq!(decided(PushKind::ApnsVoip, &apns(&wake), Some(&other)), expected);
}

#[test]
fn before_the_first_unlock_nothing_rings() {
    let Phone { call, wake, .. } = phone();
    let context = PushContext { is_before_first_unlock: true, ..PushContext::default() };
    let expected = PushDecision::ReportAndEnd { call: Some(call), reason: EndReason::BeforeFirstUnlock };
    assert_eq!(decode_push(PushKind::Fcm, &fcm(&wake), NOW, &context), expected);
}

#[test]
fn what_is_no_call_is_ended_on_voip_and_passed_by_elsewhere() {
    let undecodable = PushDecision::ReportAndEnd { call: None, reason: EndReason::Undecodable };
    let hint: &[u8] = br#"{"aps":{"content-available":1}}"#;
    let kind_of_sync: &[u8] = br#"{"callfield":"{\"v\":1,\"kind\":\"sync\"}"}"#;
    let foreign: &[u8] = br#"{"aps":{"alert":"x"}}"#;
    for (kind, payload, expected) in [
        (PushKind::ApnsVoip, foreign, undecodable.clone()),
        (PushKind::ApnsVoip, hint, undecodable.clone()),
        (PushKind::Apns, foreign, PushDecision::NotACall { sync: false }),
        (PushKind::Apns, hint, PushDecision::NotACall { sync: true }),
        (PushKind::Fcm, kind_of_sync, PushDecision::NotACall { sync: true }),
        (PushKind::Fcm, b"{}", PushDecision::NotACall { sync: false }),
        (PushKind::Fcm, b"", undecodable.clone()),
        (PushKind::Fcm, br#"{"callfield":{"v":9}}"#, undecodable.clone()),
        (PushKind::Fcm, br#"{"callfield":"not json"}"#, undecodable.clone()),
    ] {
        assert_eq!(decided(kind, payload, None), expected, "{kind:?} {}", String::from_utf8_lossy(payload));
    }
}

fn kinds() -> impl Strategy<Value = PushKind> {
    prop_oneof![Just(PushKind::Fcm), Just(PushKind::ApnsVoip), Just(PushKind::Apns)]
}

proptest! {
    #[test]
    fn any_bytes_get_a_decision_and_never_ring(kind in kinds(), payload in proptest::collection::vec(any::<u8>(), 0..512)) {
        let decision = decided(kind, &payload, None);
        let rings = matches!(decision, PushDecision::Ring { .. } | PushDecision::AlreadyRinging { .. });
        prop_assert!(!rings);
    }

    #[test]
    fn a_wake_with_one_changed_byte_never_rings_with_another_caller(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let Phone { secret, wake, .. } = phone();
        let mut payload = apns(&wake);
        let at = at.index(payload.len());
        payload[at] = byte;
        if let PushDecision::Ring { caller, .. } = decided(PushKind::ApnsVoip, &payload, Some(&secret)) {
            prop_assert_eq!(caller.unwrap().from, "+81312345678");
        }
    }

    #[test]
    fn every_expiry_gets_a_decision(expires in any::<i64>(), now in any::<i64>()) {
        let Phone { mut wake, .. } = phone();
        wake.expires = Timestamp::from_millis(expires);
        let decision = decode_push(PushKind::Fcm, &fcm(&wake), Timestamp::from_millis(now), &PushContext::default());
        prop_assert_eq!(matches!(decision, PushDecision::Ring { .. }), expires > now);
    }
}

fn missed(secret: &SecretKey, call: CallId) -> MissedPayload {
    let (from, name) = ("+81312345678".to_owned(), Some("Tanaka".to_owned()));
    let caller = SealedCaller { from, name, why: "record_owner".to_owned() };
    let mut random = Random::new(Seed::from_number(2));
    wake::seal_missed(&secret.public_key(), call, NOW, Outcome::Canceled, &caller, &mut random).unwrap()
}

#[test]
fn a_missed_call_is_shown_with_its_caller_and_does_not_ring_by_either_service() {
    let Phone { secret, call, .. } = phone();
    let told = missed(&secret, call);
    let fcm = json!({ "data": { "callfield": told.to_json() } }).to_string();
    let apns = json!({ "aps": { "alert": { "loc-key": "MISSED_CALL" } }, "callfield": told }).to_string();
    for (kind, payload) in [(PushKind::Fcm, fcm), (PushKind::Apns, apns)] {
        let PushDecision::Missed { call: named, at, outcome, caller } =
            decided(kind, payload.as_bytes(), Some(&secret))
        else {
            panic!("a missed call is shown");
        };
        assert_eq!((named, at, outcome), (call, NOW, Outcome::Canceled));
        assert_eq!(caller.unwrap().name.as_deref(), Some("Tanaka"));
        let without_key = decided(kind, payload.as_bytes(), None);
        assert!(matches!(without_key, PushDecision::Missed { caller: None, .. }));
    }
}

#[test]
fn a_missed_call_that_the_phone_knows_of_or_that_is_not_for_it_is_not_shown() {
    let Phone { secret, call, .. } = phone();
    let payload = json!({ "callfield": missed(&secret, call).to_json() }).to_string();
    let nothing = PushDecision::NotACall { sync: false };
    for known in [Known::Live, Known::Cancelled, Known::Over] {
        let calls = BTreeMap::from([(call, known)]);
        let context = PushContext { secret: Some(&secret), calls: Some(&calls), is_before_first_unlock: false };
        assert_eq!(decode_push(PushKind::Fcm, payload.as_bytes(), NOW, &context), nothing);
    }
    let another = SecretKey::generate(&mut Random::new(Seed::from_number(3)));
    assert_eq!(decided(PushKind::Fcm, payload.as_bytes(), Some(&another)), nothing);
}

#[test]
fn a_missed_call_in_a_voip_push_still_has_to_be_shown_as_a_call_and_ended() {
    let Phone { secret, call, .. } = phone();
    let payload = json!({ "aps": {}, "callfield": missed(&secret, call) }).to_string();
    let ended = PushDecision::ReportAndEnd { call: None, reason: EndReason::Undecodable };
    assert_eq!(decided(PushKind::ApnsVoip, payload.as_bytes(), Some(&secret)), ended);
}
