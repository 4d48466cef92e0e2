//! Calls that are held and resumed, and what each end is told.

use callfield_sip::switchboard::Side as CallSide;

use super::super::changes::Changed;
use super::*;

#[tokio::test]
async fn a_trunk_that_holds_and_resumes_is_followed_by_the_phone() {
    let mut call = Talking::new().await;
    for (wanted, of_trunk, of_device) in [
        (Direction::SendOnly, Direction::SendOnly, Direction::ReceiveOnly),
        (Direction::Inactive, Direction::Inactive, Direction::Inactive),
        (Direction::SendReceive, Direction::SendReceive, Direction::SendReceive),
    ] {
        let (agreed, renews) = call.trunk_offers(wanted);
        assert_eq!((agreed, renews), (of_trunk, true));
        assert_eq!(call.device_is_offered_to(Direction::SendReceive), (of_device, None));
    }
}

#[tokio::test]
async fn a_phone_that_holds_hears_nothing_and_is_heard_again_when_it_resumes() {
    let mut call = Talking::new().await;
    assert_eq!(call.device_offers(Direction::SendOnly), (Direction::SendOnly, true));
    assert_eq!(call.trunk_is_offered_to(Direction::SendReceive), (Direction::ReceiveOnly, None));
    let mut audio = session(call.at_trunk.as_ref().unwrap());
    audio.handle_timeout(Clock::System.now());
    assert!(audio.poll_output().is_none(), "a trunk on hold sends nothing");
    assert_eq!(call.device_offers(Direction::SendReceive), (Direction::SendReceive, true));
    assert_eq!(call.trunk_is_offered_to(Direction::SendReceive), (Direction::SendReceive, None));
    let (mut device_audio, mut trunk_audio) =
        (session(call.at_device.as_ref().unwrap()), session(call.at_trunk.as_ref().unwrap()));
    call.device.speak(&mut device_audio).await;
    call.trunk.hear(&mut trunk_audio).await;
    call.trunk.speak(&mut trunk_audio).await;
    call.device.hear(&mut device_audio).await;
}

#[tokio::test]
async fn two_ends_that_both_hold_are_both_on_hold_until_both_resume() {
    let mut call = Talking::new().await;
    assert_eq!(call.device_offers(Direction::SendOnly), (Direction::SendOnly, true));
    assert_eq!(call.trunk_is_offered_to(Direction::SendReceive), (Direction::ReceiveOnly, None));
    assert_eq!(call.trunk_offers(Direction::SendOnly), (Direction::Inactive, true));
    assert_eq!(call.device_is_offered_to(Direction::SendOnly), (Direction::Inactive, None));
    assert_eq!(call.device_offers(Direction::SendReceive), (Direction::ReceiveOnly, true));
    assert_eq!(call.trunk_is_offered_to(Direction::SendOnly), (Direction::SendOnly, None));
    assert_eq!(call.trunk_offers(Direction::SendReceive), (Direction::SendReceive, true));
}

#[tokio::test]
async fn the_same_offer_again_tells_the_other_end_nothing() {
    let mut call = Talking::new().await;
    assert_eq!(call.trunk_offers(Direction::SendReceive), (Direction::SendReceive, false));
}

#[tokio::test]
async fn a_codec_that_the_other_leg_has_not_is_not_agreed() {
    let mut call = Talking::new().await;
    let foreign = call.trunk.leg.offer(&Wish::new(Security::Plain).codecs(&[Codec::Pcmu]));
    let changed = call.world.relays.change(call.id, CallSide::Outside, Some(&foreign));
    assert_eq!(changed, Changed { sdp: None, renews_other: false });
    call.trunk.leg.roll_back();
    assert_eq!(call.trunk_offers(Direction::SendOnly), (Direction::SendOnly, true));
}

#[tokio::test]
async fn a_refused_offer_leaves_the_leg_as_it_was() {
    let mut call = Talking::new().await;
    let offer = call.world.relays.change(call.id, CallSide::Outside, None).sdp;
    assert!(offer.is_some());
    assert_eq!(call.world.relays.change_answered(call.id, CallSide::Outside, None), None);
    assert_eq!(call.trunk_offers(Direction::SendOnly), (Direction::SendOnly, true));
}

#[tokio::test]
async fn a_call_that_is_over_is_not_changed() {
    let mut call = Talking::new().await;
    call.world.relays.end(call.id);
    let offer = call.trunk.leg.offer(&Wish::new(Security::Plain));
    assert_eq!(call.world.relays.change(call.id, CallSide::Outside, Some(&offer)).sdp, None);
}

/// A call that a phone began and a trunk answered, in PCMA.
pub(super) struct Talking {
    pub(super) world: World,
    pub(super) id: CallId,
    pub(super) device: End,
    pub(super) trunk: End,
    pub(super) at_device: Option<Agreement>,
    pub(super) at_trunk: Option<Agreement>,
}

impl Talking {
    pub(super) async fn new() -> Self {
        let mut world = World::new(40_000..=41_999);
        let (mut device, mut trunk) = (End::new(&mut world).await, End::new(&mut world).await);
        let id = world.call();
        let offer = device.leg.offer(&Wish::new(Security::Required));
        let offer = world.relays.offer_trunk(id, DeviceKind::Phone, &offer).unwrap();
        let wish = Wish::new(Security::Plain).codecs(&[Codec::Pcma]);
        let (answer, at_trunk) = trunk.leg.answer(&Offer::parse(&offer).unwrap(), &wish).unwrap();
        let answer = world.relays.answer_device(id, &answer).unwrap();
        let at_device = device.leg.receive_answer(&answer).unwrap();
        Self { world, id, device, trunk, at_device: Some(at_device), at_trunk: Some(at_trunk) }
    }

    /// What the trunk has after its offer, and whether the device is to be told.
    pub(super) fn trunk_offers(&mut self, direction: Direction) -> (Direction, bool) {
        let offer = self.trunk.leg.offer(&Wish::new(Security::Plain).direction(direction));
        let Changed { sdp, renews_other } = self.world.relays.change(self.id, CallSide::Outside, Some(&offer));
        let agreed = self.trunk.leg.receive_answer(&sdp.unwrap()).unwrap();
        (self.at_trunk.insert(agreed).direction, renews_other)
    }

    pub(super) fn device_offers(&mut self, direction: Direction) -> (Direction, bool) {
        let offer = self.device.leg.offer(&Wish::new(Security::Required).direction(direction));
        let Changed { sdp, renews_other } = self.world.relays.change(self.id, CallSide::Device, Some(&offer));
        let agreed = self.device.leg.receive_answer(&sdp.unwrap()).unwrap();
        (self.at_device.insert(agreed).direction, renews_other)
    }

    /// What the device has after an offer of the relay, and who is to be told of its answer.
    fn device_is_offered_to(&mut self, wanted: Direction) -> (Direction, Option<CallSide>) {
        let offer = self.world.relays.change(self.id, CallSide::Device, None).sdp.unwrap();
        let wish = Wish::new(Security::Required).direction(wanted);
        let (answer, agreed) = self.device.leg.answer(&Offer::parse(&offer).unwrap(), &wish).unwrap();
        let told = self.world.relays.change_answered(self.id, CallSide::Device, Some(&answer));
        (self.at_device.insert(agreed).direction, told)
    }

    pub(super) fn trunk_is_offered_to(&mut self, wanted: Direction) -> (Direction, Option<CallSide>) {
        let offer = self.world.relays.change(self.id, CallSide::Outside, None).sdp.unwrap();
        let wish = Wish::new(Security::Plain).direction(wanted);
        let (answer, agreed) = self.trunk.leg.answer(&Offer::parse(&offer).unwrap(), &wish).unwrap();
        let told = self.world.relays.change_answered(self.id, CallSide::Outside, Some(&answer));
        (self.at_trunk.insert(agreed).direction, told)
    }
}
