//! Calls that are held and resumed, by the user and by the far end.

use std::sync::Arc;

use callfield_media::sdp::Direction;
use callfield_mobile_core::events::Event;

use crate::edge::FarEnd;
use crate::office::Office;
use crate::phone::{Phone, office_and_talking_phone};
use crate::sound::{Heard, Tone};

const PHONE_HZ: f64 = 440.0;
const FAR_END_HZ: f64 = 1_000.0;

/// Who holds the call: the user, the far end.
fn held(event: &Event) -> Option<(bool, bool)> {
    if let Event::HoldChanged { by_user, by_far_end, .. } = event { Some((*by_user, *by_far_end)) } else { None }
}

#[tokio::test]
async fn a_user_holds_a_call_and_resumes_it() {
    let (_office, mut phone, mut far_end, mut heard_here, mut heard_there) = talking().await;
    let call = phone.session.state().unwrap().live_calls[0];
    phone.session.hold(call).await;
    assert_eq!(far_end.changed().await, Direction::Inactive);
    assert_eq!(phone.event(held).await, (true, false));
    phone.session.resume(call).await;
    assert_eq!(far_end.changed().await, Direction::SendReceive);
    assert_eq!(phone.event(held).await, (false, false));
    heard_here.tone(FAR_END_HZ).await;
    heard_there.tone(PHONE_HZ).await;
}

#[tokio::test]
async fn a_far_end_holds_a_call_and_the_user_is_told() {
    let (_office, mut phone, mut far_end, ..) = talking().await;
    let call = phone.session.state().unwrap().live_calls[0];
    assert_eq!(far_end.change(Direction::SendOnly).await, Direction::SendOnly);
    assert_eq!(phone.event(held).await, (false, true));
    phone.session.hold(call).await;
    assert_eq!(far_end.changed().await, Direction::Inactive);
    assert_eq!(phone.event(held).await, (true, true));
    assert_eq!(far_end.change(Direction::SendReceive).await, Direction::Inactive);
    assert_eq!(phone.event(held).await, (true, false));
}

#[tokio::test]
async fn a_call_that_is_held_can_be_ended() {
    let (_office, mut phone, mut far_end, ..) = talking().await;
    let call = phone.session.state().unwrap().live_calls[0];
    phone.session.hold(call).await;
    far_end.changed().await;
    assert_eq!(phone.event(held).await, (true, false));
    phone.session.hang_up(call).await;
    far_end.hung_up().await;
    assert!(phone.session.state().unwrap().live_calls.is_empty());
}

/// A call that the phone began and that is heard at both ends.
async fn talking() -> (Office, Phone, FarEnd, Heard, Heard) {
    let (tone, mut heard_here) = Tone::new(PHONE_HZ);
    let (office, mut phone) = office_and_talking_phone(Arc::new(tone)).await;
    let (far_tone, mut heard_there) = Tone::new(FAR_END_HZ);
    let mut edge = office.edge();
    let call = phone.session.dial("03-1234-5678").await.unwrap();
    let mut far_end = edge.called().await;
    far_end.answer(&far_tone).await;
    let established = |event: &Event| if let Event::Established { call } = event { Some(*call) } else { None };
    assert_eq!(phone.event(established).await, call);
    heard_here.tone(FAR_END_HZ).await;
    heard_there.tone(PHONE_HZ).await;
    (office, phone, far_end, heard_here, heard_there)
}
