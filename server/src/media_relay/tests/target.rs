//! Transfers: who takes the device's place is heard, and the device is not any more.

use callfield_sip::switchboard::Side as CallSide;

use super::changes::Talking;
use super::*;

#[tokio::test]
async fn a_target_that_answers_takes_the_place_of_the_device() {
    let mut call = Talking::new().await;
    let mut target = End::new(&mut call.world).await;
    assert_eq!(call.device_offers(Direction::SendOnly), (Direction::SendOnly, true), "it holds before it transfers");
    let at_target = call.join(&mut target, &[Codec::Pcma]).unwrap();
    assert!(at_target.keys.is_none());
    assert_eq!(call.trunk_is_offered_to(Direction::SendReceive), (Direction::SendReceive, None), "nobody holds it");

    let (mut of_target, mut of_trunk) = (session(&at_target), session(call.at_trunk.as_ref().unwrap()));
    let mut of_device = session(call.at_device.as_ref().unwrap());
    of_device.handle_timeout(Clock::System.now());
    while let Some(session::Output::Transmit { to, bytes }) = of_device.poll_output() {
        call.device.socket.send_to(&bytes, to).await.unwrap();
    }
    target.speak(&mut of_target).await;
    call.trunk.hear(&mut of_trunk).await;
    call.trunk.speak(&mut of_trunk).await;
    target.hear(&mut of_target).await;
}

#[tokio::test]
async fn a_target_with_nothing_in_common_or_that_is_gone_leaves_the_device_where_it_is() {
    let mut call = Talking::new().await;
    let mut target = End::new(&mut call.world).await;
    call.world.relays.offer_target(call.id).unwrap();
    let foreign =
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
    assert!(!call.world.relays.join_target(call.id, foreign));
    let offer = call.world.relays.offer_target(call.id).unwrap();
    call.world.relays.end_target(call.id);
    let (answer, _) = target.leg.answer(&Offer::parse(&offer).unwrap(), &Wish::new(Security::Plain)).unwrap();
    assert!(!call.world.relays.join_target(call.id, &answer));
    let (mut device_audio, mut trunk_audio) =
        (session(call.at_device.as_ref().unwrap()), session(call.at_trunk.as_ref().unwrap()));
    call.device.speak(&mut device_audio).await;
    call.trunk.hear(&mut trunk_audio).await;
}

#[tokio::test]
async fn who_is_passed_on_is_offered_only_what_the_target_takes() {
    let mut world = World::new(40_000..=41_999);
    let (mut device, mut trunk) = (End::new(&mut world).await, End::new(&mut world).await);
    let mut target = End::new(&mut world).await;
    let id = world.call();
    let offer = device.leg.offer(&Wish::new(Security::Required).codecs(&[Codec::Pcmu, Codec::Pcma]));
    let offer = world.relays.offer_trunk(id, DeviceKind::Phone, &offer).unwrap();
    // A trunk that answers with both, as RFC 3264 allows.
    let answer = String::from_utf8(trunk.leg.offer(&Wish::new(Security::Plain).codecs(&[Codec::Pcmu, Codec::Pcma])));
    assert!(String::from_utf8_lossy(&offer).contains(" 0 8 "));
    world.relays.answer_device(id, answer.unwrap().as_bytes()).unwrap();
    let mut call = Talking { world, id, device, trunk, at_device: None, at_trunk: None };
    call.join(&mut target, &[Codec::Pcma]).unwrap();
    let renewed = call.world.relays.change(id, CallSide::Outside, None).sdp.unwrap();
    let renewed = Offer::parse(&renewed).unwrap();
    assert_eq!(renewed.codecs(), [Codec::Pcma], "the relay translates nothing");
}

impl Talking {
    /// Calls a target that takes these codecs; what it agreed on if it was joined.
    fn join(&mut self, target: &mut End, codecs: &[Codec]) -> Option<Agreement> {
        let offer = self.world.relays.offer_target(self.id).unwrap();
        let wish = Wish::new(Security::Plain).codecs(codecs);
        let (answer, agreed) = target.leg.answer(&Offer::parse(&offer).unwrap(), &wish).unwrap();
        self.world.relays.join_target(self.id, &answer).then_some(agreed)
    }
}
