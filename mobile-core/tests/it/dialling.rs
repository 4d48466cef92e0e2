//! Calls that the phone begins: the far end rings, answers, refuses, hangs up; the journal holds them all.

use std::sync::Arc;

use callfield_domain::{CallId, Direction, Outcome, RecordId};
use callfield_mobile_core::events::{EndReason, Event};
use callfield_mobile_core::journal::{Entry, EntryState, LogForm};
use callfield_mobile_core::push::{EndReason as PushEnd, PushDecision, PushKind};
use callfield_mobile_core::session::SessionError;

use crate::calls::pushed_for;
use crate::edge::{Edge, FarEnd};
use crate::office::Office;
use crate::phone::{Phone, contact, office_and_phone, office_and_talking_phone};
use crate::sound::Tone;

/// Tanaka's number as a person writes it.
const TANAKA: &str = "03-1234-5678";
const PHONE_HZ: f64 = 440.0;
const FAR_END_HZ: f64 = 1_000.0;

async fn office_edge_and_phone() -> (Office, Edge, Phone) {
    let (office, phone) = office_and_phone().await;
    let edge = office.edge();
    (office, edge, phone)
}

/// A call that rings at the far end, and the phone knows.
async fn ringing() -> (Office, Phone, CallId, FarEnd) {
    let (office, mut edge, mut phone) = office_edge_and_phone().await;
    let call = phone.session.dial(TANAKA).await.unwrap();
    let mut far_end = edge.called().await;
    far_end.ring().await;
    assert_eq!(phone.event(rings_there).await, call);
    (office, phone, call, far_end)
}

fn rings_there(event: &Event) -> Option<CallId> {
    if let Event::RemoteRinging { call } = event { Some(*call) } else { None }
}

fn established(event: &Event) -> Option<CallId> {
    if let Event::Established { call } = event { Some(*call) } else { None }
}

fn shown(event: &Event) -> Option<(String, Option<String>, Option<RecordId>)> {
    match event {
        Event::Dialling { number, name, record, .. } => Some((number.clone(), name.clone(), *record)),
        _ => None,
    }
}

async fn asleep(phone: &mut Phone) {
    phone.event(|event| matches!(event, Event::Asleep).then_some(())).await;
}

/// The one call that waits to be logged.
fn to_log(phone: &Phone) -> Entry {
    let mut entries = phone.session.journal(EntryState::TO_LOG, 10).unwrap();
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

#[tokio::test]
async fn a_dialled_call_shows_the_name_from_the_phones_own_records_and_calls_the_e164_number() {
    let (_office, mut edge, mut phone) = office_edge_and_phone().await;
    let call = phone.session.dial(TANAKA).await.unwrap();
    let (number, name, record) = phone.event(shown).await;
    assert_eq!((number.as_str(), name.as_deref()), ("+81312345678", Some("Tanaka Ichiro · ABC")));
    assert_eq!(record, Some(contact()));
    assert_eq!(phone.session.state().unwrap().live_calls, [call]);

    let far_end = edge.called().await;
    assert_eq!(far_end.invite.request_uri().unwrap().user(), Some("+81312345678"));
    assert_eq!(far_end.invite.header("X-Callfield-Call"), Some(call.to_string().as_str()));
}

#[tokio::test]
async fn a_dialled_call_is_heard_at_both_ends_until_the_phone_hangs_up() {
    let (tone, mut heard_here) = Tone::new(PHONE_HZ);
    let (office, mut phone) = office_and_talking_phone(Arc::new(tone)).await;
    let (far_tone, mut heard_there) = Tone::new(FAR_END_HZ);
    let mut edge = office.edge();
    let call = phone.session.dial(TANAKA).await.unwrap();
    let mut far_end = edge.called().await;
    far_end.ring().await;
    assert_eq!(phone.event(rings_there).await, call);
    far_end.answer(&far_tone).await;
    assert_eq!(phone.event(established).await, call);
    let is_encrypted = |event: &Event| match event {
        Event::AudioStarted { is_encrypted, .. } => Some(*is_encrypted),
        _ => None,
    };
    assert!(phone.event(is_encrypted).await);
    heard_here.tone(FAR_END_HZ).await;
    heard_there.tone(PHONE_HZ).await;

    phone.session.hang_up(call).await;
    far_end.hung_up().await;
    assert_eq!(phone.ended().await, (EndReason::HungUp, Outcome::Completed));
    asleep(&mut phone).await;
    let entry = to_log(&phone);
    assert!(entry.answered_at.is_some());
    assert_eq!((entry.call, entry.outcome), (call, Some(Outcome::Completed)));
    assert!(phone.session.state().unwrap().live_calls.is_empty());
}

#[tokio::test]
async fn a_dialled_call_ends_when_the_far_end_hangs_up() {
    let (_office, mut phone, call, mut far_end) = ringing().await;
    far_end.answer(&Tone::new(FAR_END_HZ).0).await;
    assert_eq!(phone.event(established).await, call);
    far_end.hang_up().await;
    assert_eq!(phone.ended().await, (EndReason::RemoteHungUp, Outcome::Completed));
    asleep(&mut phone).await;
}

#[tokio::test]
async fn a_refusal_says_why_in_the_event_and_in_the_journal() {
    for (status, reason, outcome) in [
        (486, EndReason::Busy, Outcome::Busy),
        (480, EndReason::NoAnswer, Outcome::NoAnswer),
        (603, EndReason::Rejected, Outcome::Rejected),
        (380, EndReason::Emergency, Outcome::Blocked),
        (503, EndReason::Failed, Outcome::Failed),
    ] {
        let (_office, mut phone, call, mut far_end) = ringing().await;
        far_end.refuse(status).await;
        assert_eq!(phone.ended().await, (reason, outcome), "{status}");
        asleep(&mut phone).await;
        let entry = to_log(&phone);
        assert_eq!((entry.call, entry.outcome, entry.answered_at), (call, Some(outcome), None), "{status}");
    }
}

#[tokio::test]
async fn hanging_up_before_the_answer_takes_the_call_back() {
    let (_office, mut phone, call, mut far_end) = ringing().await;
    phone.session.hang_up(call).await;
    assert_eq!(phone.ended().await, (EndReason::HungUp, Outcome::Canceled));
    far_end.cancelled().await;
    asleep(&mut phone).await;
    assert_eq!(to_log(&phone).outcome, Some(Outcome::Canceled));
}

#[tokio::test]
async fn declining_an_own_call_takes_it_back_as_well() {
    let (_office, mut phone, call, mut far_end) = ringing().await;
    phone.session.decline(call).await;
    assert_eq!(phone.ended().await, (EndReason::HungUp, Outcome::Canceled));
    far_end.cancelled().await;
}

#[tokio::test]
async fn hanging_up_at_once_ends_the_call_and_the_server_never_hears_of_it() {
    let (_office, mut edge, mut phone) = office_edge_and_phone().await;
    let call = phone.session.dial(TANAKA).await.unwrap();
    phone.session.hang_up(call).await;
    assert_eq!(phone.ended().await, (EndReason::HungUp, Outcome::Canceled));
    asleep(&mut phone).await;
    assert!(edge.is_unused());
    assert_eq!(to_log(&phone).call, call);
}

#[tokio::test]
async fn an_answer_without_a_key_is_hung_up_on() {
    let (_office, mut phone, _call, mut far_end) = ringing().await;
    let plain = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n";
    far_end.answer_with(plain).await;
    far_end.hung_up().await;
    assert_eq!(phone.ended().await.0, EndReason::Failed);
    asleep(&mut phone).await;
}

#[tokio::test]
async fn a_call_dialled_without_a_network_is_over_at_once_and_waits_to_be_logged() {
    let (_office, _edge, mut phone) = office_edge_and_phone().await;
    phone.session.set_network(false).await;
    let call = phone.session.dial(TANAKA).await.unwrap();
    assert_eq!(phone.ended().await, (EndReason::Unreachable, Outcome::Failed));
    asleep(&mut phone).await;
    let entry = to_log(&phone);
    assert_eq!((entry.call, entry.direction, entry.outcome), (call, Direction::Outbound, Some(Outcome::Failed)));
    assert_eq!((entry.number.as_deref(), entry.record), (Some("+81312345678"), Some(contact())));
    assert_eq!(entry.name.as_deref(), Some("Tanaka Ichiro · ABC"));
}

#[tokio::test]
async fn a_dialled_call_is_logged_under_the_contact_that_was_called() {
    let (_office, mut phone, call, mut far_end) = ringing().await;
    far_end.refuse(486).await;
    phone.ended().await;
    asleep(&mut phone).await;
    let form = LogForm { result: Some("no_response".to_owned()), ..LogForm::default() };
    let logged = phone.session.log(call, &form).unwrap();
    let record = phone.session.record(logged.record).unwrap().unwrap();
    assert_eq!(record.fields["contact_id"], contact().to_string());
    assert_eq!(phone.sync().await.unwrap().unsent, 0);
}

#[tokio::test]
async fn a_call_does_not_outlive_the_process_that_dialled_it() {
    let (_office, phone, call, _far_end) = ringing().await;
    let phone = phone.killed_and_opened();
    assert!(phone.session.state().unwrap().live_calls.is_empty());
    assert_eq!((to_log(&phone).call, to_log(&phone).outcome), (call, Some(Outcome::Failed)));
}

#[tokio::test]
async fn a_push_that_names_an_own_call_never_rings() {
    let (office, mut phone, call, mut far_end) = ringing().await;
    let payload = pushed_for(call, &office, &phone.session.public_key());
    assert_eq!(phone.session.push_received(PushKind::Fcm, &payload), PushDecision::AlreadyRinging { call });
    far_end.refuse(486).await;
    phone.ended().await;
    let duplicate = PushDecision::ReportAndEnd { call: Some(call), reason: PushEnd::Duplicate };
    // The call is noted as over right after its end is told.
    phone.event(|event| matches!(event, Event::JournalChanged { .. }).then_some(())).await;
    assert_eq!(phone.session.push_received(PushKind::Fcm, &payload), duplicate);
}

#[tokio::test]
async fn emergency_numbers_and_what_is_no_number_leave_no_call_behind() {
    let (_office, _edge, phone) = office_edge_and_phone().await;
    assert!(matches!(phone.session.dial("110").await, Err(SessionError::Emergency)));
    assert!(matches!(phone.session.dial("hello").await, Err(SessionError::NoNumber)));
    assert!(phone.session.journal(EntryState::ALL, 10).unwrap().is_empty());
    assert!(phone.session.state().unwrap().live_calls.is_empty());
}

#[tokio::test]
async fn a_phone_without_an_account_places_no_calls() {
    let phone = Phone::opened(tempfile::tempdir().unwrap());
    assert!(matches!(phone.session.dial("+81312345678").await, Err(SessionError::NotEnrolled)));
}
