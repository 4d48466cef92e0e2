//! A phone whose network changes: the connection is another, the phone is the same, and its calls go on.

use std::sync::Arc;

use callfield_domain::CallId;
use callfield_mobile_core::events::Event;

use crate::edge::{Caller, Edge, FarEnd, register};
use crate::office::Office;
use crate::phone::{Phone, office_and_talking_phone};
use crate::sound::{Heard, Tone};

const PHONE_HZ: f64 = 440.0;
const FAR_END_HZ: f64 = 1_000.0;

fn call() -> CallId {
    "0190a000-0000-7000-8000-00000000004a".parse().unwrap()
}

fn rings(event: &Event) -> Option<CallId> {
    if let Event::Ringing { call, .. } = event { Some(*call) } else { None }
}

fn established(event: &Event) -> Option<CallId> {
    if let Event::Established { call } = event { Some(*call) } else { None }
}

async fn office_edge_and_phone() -> (Office, Edge, Phone, Heard) {
    let (tone, heard) = Tone::new(PHONE_HZ);
    let (office, phone) = office_and_talking_phone(Arc::new(tone)).await;
    let edge = office.edge();
    (office, edge, phone, heard)
}

async fn change_network(phone: &Phone) {
    phone.session.set_network(false).await;
    phone.session.set_network(true).await;
}

#[tokio::test]
async fn a_call_that_is_talked_on_goes_on_over_another_network() {
    let (_office, mut edge, mut phone, mut heard_here) = office_edge_and_phone().await;
    let (far_tone, mut heard_there) = Tone::new(FAR_END_HZ);
    let call = phone.session.dial("03-1234-5678").await.unwrap();
    let mut far_end: FarEnd = edge.called().await;
    far_end.answer(&far_tone).await;
    assert_eq!(phone.event(established).await, call);

    change_network(&phone).await;
    let mut line = edge.connected().await;
    assert_eq!(register(&mut line).await, [call.to_string()], "the phone names the call that it talks on");
    far_end.moves_to(line);
    heard_here.forget();
    heard_there.forget();
    heard_here.tone(FAR_END_HZ).await;
    heard_there.tone(PHONE_HZ).await;
    phone.session.hang_up(call).await;
    far_end.hung_up().await;
}

#[tokio::test]
async fn a_call_that_rings_rings_on_over_another_network_and_is_answered_there() {
    let (_office, mut edge, mut phone, _) = office_edge_and_phone().await;
    phone.session.set_foreground(true).await;
    let mut line = edge.connected().await;
    let instance = register_and_tell_instance(&mut line).await;
    let mut caller = Caller::new(call(), line).await;
    assert_eq!(phone.event(rings).await, call());
    assert_eq!(caller.status().await, 180);

    change_network(&phone).await;
    let mut line = edge.connected().await;
    assert_eq!(register_and_tell_instance(&mut line).await, instance);
    // The edge sends what was not answered again.
    caller.moves_to(line).await;
    assert_eq!(caller.status().await, 180);
    phone.session.answer(call()).await;
    assert_eq!(caller.status().await, 200);
    caller.acknowledge().await;
    assert_eq!(phone.event(established).await, call());
}

async fn register_and_tell_instance(line: &mut crate::edge::Line) -> String {
    crate::edge::register_with(line, |register| {
        let contact = register.contacts().next().unwrap();
        contact.params().unquoted("+sip.instance").unwrap().into_owned()
    })
    .await
}
