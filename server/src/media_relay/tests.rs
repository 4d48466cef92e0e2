//! The media of calls that a device begins, over real sockets.

mod changes;
mod target;

use std::time::Duration;

use callfield_domain::{Seed, Timestamp};
use callfield_media::codec::Codec;
use callfield_media::sdp::Direction;
use callfield_media::session::{self, MediaSession};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_phone_that_calls_talks_srtp_and_the_trunk_hears_plain_rtp() {
    let mut world = World::new(40_000..=41_999);
    let call = world.call();
    let (device, trunk) = (End::new(&mut world).await, End::new(&mut world).await);
    let (mut device, mut trunk) = (device, trunk);
    let device_offer = device.leg.offer(&Wish::new(Security::Required));
    let offer = world.relays.offer_trunk(call, DeviceKind::Phone, &device_offer).unwrap();
    let offered = String::from_utf8(offer.to_vec()).unwrap();
    assert!(offered.contains("RTP/AVP ") && !offered.contains("crypto"), "{offered}");

    let taken = Wish::new(Security::Plain).codecs(&[Codec::Pcma]);
    let (answer, at_trunk) = trunk.leg.answer(&Offer::parse(&offer).unwrap(), &taken).unwrap();
    let answer = world.relays.answer_device(call, &answer).unwrap();
    let at_device = device.leg.receive_answer(&answer).unwrap();
    assert_eq!((at_device.codec(), at_device.keys.is_some()), (Codec::Pcma, true));

    let (mut device_audio, mut trunk_audio) = (session(&at_device), session(&at_trunk));
    device.speak(&mut device_audio).await;
    trunk.hear(&mut trunk_audio).await;
    trunk.speak(&mut trunk_audio).await;
    device.hear(&mut device_audio).await;
}

#[tokio::test]
async fn a_phone_that_offers_no_key_is_not_joined() {
    let mut world = World::new(40_000..=41_999);
    let call = world.call();
    let mut device = End::new(&mut world).await;
    for security in [Security::Plain, Security::Optional] {
        let offer = device.leg.offer(&Wish::new(security));
        let usable = world.relays.offer_trunk(call, DeviceKind::Phone, &offer).is_some();
        assert_eq!(usable, security == Security::Optional, "{security:?}");
    }
    assert!(world.relays.offer_trunk(world.call_again, DeviceKind::Phone, b"v=0").is_none());
}

#[tokio::test]
async fn a_desk_phone_talks_in_the_clear_and_may_hold() {
    let mut world = World::new(40_000..=41_999);
    let call = world.call();
    let (mut desk, mut trunk) = (End::new(&mut world).await, End::new(&mut world).await);
    let offer = desk.leg.offer(&Wish::new(Security::Plain));
    let to_trunk = world.relays.offer_trunk(call, DeviceKind::Desk, &offer).unwrap();
    let plain = Wish::new(Security::Plain);
    let (answer, at_trunk) = trunk.leg.answer(&Offer::parse(&to_trunk).unwrap(), &plain).unwrap();
    let answer = world.relays.answer_device(call, &answer).unwrap();
    let at_desk = desk.leg.receive_answer(&answer).unwrap();
    assert!(at_desk.keys.is_none());
    let (mut desk_audio, mut trunk_audio) = (session(&at_desk), session(&at_trunk));
    desk.speak(&mut desk_audio).await;
    trunk.hear(&mut trunk_audio).await;

    let hold = desk.leg.offer(&Wish::new(Security::Plain).direction(Direction::SendOnly));
    let changed = world.relays.change(call, callfield_sip::switchboard::Side::Device, Some(&hold));
    assert!(changed.renews_other);
    let at_desk = desk.leg.receive_answer(&changed.sdp.unwrap()).unwrap();
    assert_eq!((at_desk.direction, at_desk.keys.is_none()), (Direction::SendOnly, true));
}

#[tokio::test]
async fn a_desk_phone_over_tls_is_offered_a_key_and_the_clear_when_it_wants_none() {
    let mut world = World::new(40_000..=41_999);
    let call = world.call();
    let (mut desk, mut trunk) = (End::new(&mut world).await, End::new(&mut world).await);
    let device = DeviceId::new(Timestamp::ZERO, &mut world.random);
    let offer = trunk.leg.offer(&Wish::new(Security::Plain));
    let mut offered = |kind| world.relays.offer_device(call, device, kind, Some(&offer), None).unwrap();
    let (with_key, plain) = (offered(DeviceKind::SecureDesk), offered(DeviceKind::Desk));
    let text = |sdp: &Bytes| String::from_utf8(sdp.to_vec()).unwrap();
    assert!(text(&with_key).contains("RTP/SAVP ") && text(&with_key).contains("a=crypto:"), "{}", text(&with_key));
    assert!(text(&plain).contains("RTP/AVP ") && !text(&plain).contains("a=crypto:"), "{}", text(&plain));

    let (answer, at_desk) = desk.leg.answer(&Offer::parse(&plain).unwrap(), &Wish::new(Security::Plain)).unwrap();
    let answer = world.relays.join(call, device, &answer).unwrap();
    let at_trunk = trunk.leg.receive_answer(&answer).unwrap();
    let (mut desk_audio, mut trunk_audio) = (session(&at_desk), session(&at_trunk));
    desk.speak(&mut desk_audio).await;
    trunk.hear(&mut trunk_audio).await;
    trunk.speak(&mut trunk_audio).await;
    desk.hear(&mut desk_audio).await;
}

#[tokio::test]
async fn a_trunk_that_answers_on_hold_or_with_nothing_in_common_is_told_to_the_phone() {
    let mut world = World::new(40_000..=41_999);
    let (mut device, mut trunk) = (End::new(&mut world).await, End::new(&mut world).await);
    let offer = device.leg.offer(&Wish::new(Security::Required));
    let call = world.call();
    let to_trunk = world.relays.offer_trunk(call, DeviceKind::Phone, &offer).unwrap();
    let hold = Wish::new(Security::Plain).direction(Direction::SendOnly);
    let (answer, _) = trunk.leg.answer(&Offer::parse(&to_trunk).unwrap(), &hold).unwrap();
    let answer = world.relays.answer_device(call, &answer).unwrap();
    assert_eq!(device.leg.receive_answer(&answer).unwrap().direction, Direction::ReceiveOnly);

    let call = world.call();
    world.relays.offer_trunk(call, DeviceKind::Phone, &offer).unwrap();
    let foreign =
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n";
    assert!(world.relays.answer_device(call, foreign).is_none());
}

#[tokio::test]
async fn ports_are_given_back_when_a_call_ends_and_an_id_opens_them_once() {
    let (mut world, first) = World::with_ports_for_one_call().await;
    let mut device = End::new(&mut world).await;
    let offer = device.leg.offer(&Wish::new(Security::Required));
    let second = world.call();
    assert!(world.relays.offer_trunk(first, DeviceKind::Phone, &offer).is_none());
    assert!(world.relays.offer_trunk(second, DeviceKind::Phone, &offer).is_none());
    world.relays.end(first);
    let free = async {
        while world.relays.offer_trunk(second, DeviceKind::Phone, &offer).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

struct World {
    relays: MediaRelays,
    random: Random,
    call_again: CallId,
}

impl World {
    fn new(ports: std::ops::RangeInclusive<u16>) -> Self {
        let config = config::Media {
            bind: IpAddr::from([127, 0, 0, 1]),
            port_min: *ports.start(),
            port_max: *ports.end(),
            public_address: String::new(),
        };
        let mut random = Random::new(Seed::from_number(1));
        let relays = MediaRelays::new(&config, Clock::System, Random::new(random.seed()));
        let call_again = CallId::new(Timestamp::ZERO, &mut random);
        Self { relays, random, call_again }
    }

    /// Two free ports, and the call that has them.
    async fn with_ports_for_one_call() -> (Self, CallId) {
        for _ in 0..100 {
            let free = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port() & !1;
            let mut world = Self::new(free..=free.saturating_add(3));
            let (mut device, call) = (End::new(&mut world).await, world.call());
            let offer = device.leg.offer(&Wish::new(Security::Required));
            if world.relays.offer_trunk(call, DeviceKind::Phone, &offer).is_some() {
                return (world, call);
            }
        }
        panic!("no two ports beside each other are free");
    }

    fn call(&mut self) -> CallId {
        CallId::new(Timestamp::ZERO, &mut self.random)
    }
}

/// One end with a socket of its own.
struct End {
    socket: UdpSocket,
    leg: Negotiation,
}

impl End {
    async fn new(world: &mut World) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let leg = Negotiation::new(socket.local_addr().unwrap(), &mut world.random);
        Self { socket, leg }
    }

    async fn speak(&self, audio: &mut MediaSession) {
        audio.handle_timeout(Clock::System.now());
        let mut sent = 0;
        while let Some(session::Output::Transmit { to, bytes }) = audio.poll_output() {
            sent += self.socket.send_to(&bytes, to).await.unwrap();
        }
        assert!(sent > 0);
    }

    async fn hear(&self, audio: &mut MediaSession) {
        let mut packet = [0; 2_048];
        let received = tokio::time::timeout(PATIENCE, self.socket.recv_from(&mut packet)).await.unwrap();
        let (length, from) = received.unwrap();
        audio.handle(Clock::System.now(), from, &packet[..length]);
        assert_eq!(audio.statistics().leg.packets_received, 1);
    }
}

fn session(agreed: &Agreement) -> MediaSession {
    MediaSession::new(agreed, Seed::from_number(3), Clock::System.now()).unwrap()
}
