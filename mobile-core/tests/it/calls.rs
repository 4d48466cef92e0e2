//! Calls to the phone as far as they go without SIP: the switchboard and the whole path are tested end to end.

use std::time::Duration;

use callfield_domain::wake::{Envelope, PublicKey, SealedCaller, seal};
use callfield_domain::{CallId, Outcome, Random, Seed};
use callfield_mobile_core::events::{EndReason, Event};
use callfield_mobile_core::journal::EntryState;
use callfield_mobile_core::push::{EndReason as PushEnd, PushDecision, PushKind};
use serde_json::json;

use crate::office::{NOW, Office};
use crate::phone::office_and_phone;

fn call() -> CallId {
    "0190a000-0000-7000-8000-00000000000c".parse().unwrap()
}

fn pushed(office: &Office, key: &PublicKey) -> Vec<u8> {
    pushed_for(call(), office, key)
}

pub(crate) fn pushed_for(call: CallId, office: &Office, key: &PublicKey) -> Vec<u8> {
    let envelope = Envelope { call, node: &office.url, expires: NOW + Duration::from_secs(45) };
    let caller = SealedCaller { from: "+81312345678".to_owned(), name: Some("T.".to_owned()), why: "owner".to_owned() };
    let wake = seal(key, &envelope, &caller, &mut Random::new(Seed::from_number(5))).unwrap();
    json!({ "data": { "callfield": wake.to_json() } }).to_string().into_bytes()
}

fn rings(event: &Event) -> Option<(Option<String>, bool)> {
    match event {
        Event::Ringing { name, is_from_own_store, .. } => Some((name.clone(), *is_from_own_store)),
        _ => None,
    }
}

#[tokio::test]
async fn a_push_shows_the_name_from_the_phones_own_records() {
    let (office, mut phone) = office_and_phone().await;
    let payload = pushed(&office, &phone.session.public_key());
    let decision = phone.session.push_received(PushKind::Fcm, &payload);
    assert!(matches!(decision, PushDecision::Ring { .. }), "{decision:?}");
    assert_eq!(phone.event(rings).await, (Some("Tanaka Ichiro · ABC".to_owned()), true));
    assert_eq!(phone.session.state().unwrap().live_calls, [call()]);
}

#[tokio::test]
async fn a_push_that_comes_twice_rings_once() {
    let (office, phone) = office_and_phone().await;
    let payload = pushed(&office, &phone.session.public_key());
    phone.session.push_received(PushKind::Fcm, &payload);
    let again = phone.session.push_received(PushKind::Fcm, &payload);
    assert_eq!(again, PushDecision::AlreadyRinging { call: call() });
}

#[tokio::test]
async fn a_cancelled_call_ends_on_the_servers_word_and_does_not_ring_again_after_a_restart() {
    let (office, mut phone) = office_and_phone().await;
    office.calls_are("cancelled");
    let payload = pushed(&office, &phone.session.public_key());
    phone.session.push_received(PushKind::Fcm, &payload);
    assert_eq!(phone.ended().await, (EndReason::Cancelled, Outcome::Canceled));
    phone.event(|event| matches!(event, Event::Asleep).then_some(())).await;
    assert!(office.calls_asked() > 0);
    assert_eq!(phone.session.journal(EntryState::TO_LOG, 10).unwrap()[0].call, call());

    let phone = phone.killed_and_opened();
    let again = phone.session.push_received(PushKind::Fcm, &payload);
    assert_eq!(again, PushDecision::ReportAndEnd { call: Some(call()), reason: PushEnd::Cancelled });
}

#[tokio::test]
async fn a_call_taken_elsewhere_is_not_offered_for_logging() {
    let (office, mut phone) = office_and_phone().await;
    office.calls_are("answered_elsewhere");
    let payload = pushed(&office, &phone.session.public_key());
    phone.session.push_received(PushKind::ApnsVoip, &payload);
    assert_eq!(phone.ended().await, (EndReason::AnsweredElsewhere, Outcome::AnsweredElsewhere));
    assert!(phone.session.journal(EntryState::TO_LOG, 10).unwrap().is_empty());
}

#[tokio::test]
async fn declining_before_the_invite_ends_the_call_screen_at_once() {
    let (office, mut phone) = office_and_phone().await;
    let payload = pushed(&office, &phone.session.public_key());
    phone.session.push_received(PushKind::Fcm, &payload);
    phone.session.decline(call()).await;
    assert_eq!(phone.ended().await, (EndReason::Declined, Outcome::Rejected));
}

#[tokio::test]
async fn a_call_that_was_live_when_the_process_died_may_ring_again() {
    let (office, phone) = office_and_phone().await;
    let payload = pushed(&office, &phone.session.public_key());
    phone.session.push_received(PushKind::Fcm, &payload);
    let phone = phone.killed_and_opened();
    assert_eq!(phone.session.journal(EntryState::TO_LOG, 10).unwrap().len(), 1);
    let again = phone.session.push_received(PushKind::Fcm, &payload);
    assert!(matches!(again, PushDecision::Ring { .. }), "{again:?}");
    assert_eq!(phone.session.journal(&[EntryState::Live], 10).unwrap().len(), 1);
}
