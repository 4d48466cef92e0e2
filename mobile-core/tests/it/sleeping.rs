//! A phone that was suspended for a while: what was due meanwhile happens at once, and nothing that is over rings.

use std::time::Duration;

use callfield_mobile_core::events::{EndReason, Event};
use callfield_mobile_core::push::{EndReason as PushEnd, PushDecision, PushKind};

use crate::calls::pushed_for;
use crate::edge::register;
use crate::phone::office_and_phone;

fn call() -> callfield_domain::CallId {
    "0190a000-0000-7000-8000-00000000005e".parse().unwrap()
}

fn asked(event: &Event) -> Option<()> {
    matches!(event, Event::StateAsked { .. }).then_some(())
}

fn registered(event: &Event) -> Option<()> {
    matches!(event, Event::Registered).then_some(())
}

#[tokio::test]
async fn a_phone_that_slept_over_its_refresh_registers_as_soon_as_it_runs() {
    let (office, mut phone) = office_and_phone().await;
    let mut edge = office.edge();
    phone.session.set_foreground(true).await;
    let mut line = edge.connected().await;
    register(&mut line).await;
    phone.event(registered).await;
    phone.session.clock().advance(Duration::from_secs(3_600));
    register(&mut line).await;
    phone.event(registered).await;
}

#[tokio::test]
async fn a_phone_that_slept_while_it_waited_for_an_invite_asks_at_once_and_gives_up_in_the_end() {
    let (office, mut phone) = office_and_phone().await;
    let _edge = office.edge();
    phone.session.push_received(PushKind::Fcm, &pushed_for(call(), &office, &phone.session.public_key()));
    phone.event(asked).await;
    phone.session.clock().advance(Duration::from_secs(10));
    phone.event(asked).await;
    assert_eq!(office.calls_asked(), 2);
    phone.session.clock().advance(Duration::from_secs(50));
    assert_eq!(phone.ended().await.0, EndReason::Unreachable);
}

#[tokio::test]
async fn a_phone_that_asks_after_it_slept_ends_a_call_that_is_over() {
    let (office, mut phone) = office_and_phone().await;
    let _edge = office.edge();
    phone.session.push_received(PushKind::Fcm, &pushed_for(call(), &office, &phone.session.public_key()));
    phone.event(asked).await;
    office.calls_are("cancelled");
    phone.session.clock().advance(Duration::from_secs(10));
    assert_eq!(phone.ended().await.0, EndReason::Cancelled);
}

#[tokio::test]
async fn a_push_that_expired_while_the_phone_slept_does_not_ring() {
    let (office, phone) = office_and_phone().await;
    let payload = pushed_for(call(), &office, &phone.session.public_key());
    phone.session.clock().advance(Duration::from_secs(46));
    let decision = phone.session.push_received(PushKind::Fcm, &payload);
    assert_eq!(decision, PushDecision::ReportAndEnd { call: Some(call()), reason: PushEnd::Expired });
}

/// Whoever woke the phone is dealt with after what was due: a call that rang out does not take the answer.
#[tokio::test]
async fn an_answer_to_a_call_that_was_given_up_during_sleep_comes_too_late() {
    let (office, mut phone) = office_and_phone().await;
    let _edge = office.edge();
    phone.session.push_received(PushKind::Fcm, &pushed_for(call(), &office, &phone.session.public_key()));
    phone.event(asked).await;
    phone.session.clock().advance(Duration::from_secs(3_600));
    phone.session.answer(call()).await;
    assert_eq!(phone.ended().await.0, EndReason::Unreachable);
}
