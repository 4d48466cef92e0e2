//! Whole calls: two media sessions and the relay between them.

use std::time::Duration;

use callfield_domain::{Seed, Timestamp};
use callfield_media::relay::{Output, Side};
use callfield_media::sdp::{Direction, Negotiation, Offer, Security, Wish};
use callfield_media::session::{self, MediaSession, Why};

use crate::stage::{GOOD, Link, PBX_HZ, PHONE_HZ, Stage, address, agree, at};

#[test]
fn both_ends_hear_the_other_ones_tone_through_the_relay() {
    for trunk in [Security::Plain, Security::Optional, Security::Required] {
        let agreed = agree(trunk);
        assert_eq!((agreed.a.keys.is_some(), agreed.b.keys.is_some()), (trunk != Security::Plain, true));
        let mut stage = Stage::new(&agreed, GOOD, 1);
        stage.run(3000);
        assert!(stage.phone.share_of(PBX_HZ, 2000) > 0.95, "{trunk:?}");
        assert!(stage.pbx.share_of(PHONE_HZ, 2000) > 0.95, "{trunk:?}");
        assert_eq!(stage.phone.session.statistics().frames_concealed, 0);
    }
}

#[test]
fn speech_survives_loss_and_jitter_and_the_loss_is_measured() {
    let link = Link { loss_percent: 5, delay_ms: 20, jitter_ms: 30 };
    let mut stage = Stage::new(&agree(Security::Plain), link, 7);
    stage.run(20_000);
    assert!(stage.phone.share_of(PBX_HZ, 10_000) > 0.8, "{}", stage.phone.share_of(PBX_HZ, 10_000));
    assert!(stage.pbx.share_of(PHONE_HZ, 10_000) > 0.8);
    // Two links of 5 % each lose about 9.75 %.
    let statistics = stage.phone.session.statistics();
    let share = statistics.leg.packets_lost * 1000 / (statistics.leg.packets_received + statistics.leg.packets_lost);
    assert!((70..130).contains(&share), "{share} ‰ lost");
    assert!((5..30).contains(&statistics.leg.jitter_ms), "{} ms jitter", statistics.leg.jitter_ms);
    assert!(statistics.frames_concealed > 0);
    let towards_relay = stage.relay.statistics(Side::A);
    assert!((30..70).contains(&(towards_relay.packets_lost * 1000 / towards_relay.packets_received)));
}

#[test]
fn a_phone_that_changes_its_network_is_heard_and_hears_again_at_once() {
    let mut stage = Stage::new(&agree(Security::Plain), GOOD, 3);
    stage.run(2000);
    stage.phone.address = address("203.0.113.50:31000");
    stage.run(300);
    assert_eq!(stage.relay.target(Side::B), Some(address("203.0.113.50:31000")));
    assert_eq!(stage.relay_events, [Output::Moved { side: Side::B }]);
    stage.run(1000);
    assert!(stage.phone.share_of(PBX_HZ, 1000) > 0.95, "hears");
    assert!(stage.pbx.share_of(PHONE_HZ, 1000) > 0.95, "is heard");
    // Only what was under way to the old address is lost.
    assert!(stage.phone.session.statistics().leg.packets_lost <= 3);
    assert_eq!(stage.relay.statistics(Side::B).address_changes, 1);
}

#[test]
fn a_packet_of_the_old_network_that_comes_late_does_not_move_the_phone_back() {
    let link = Link { jitter_ms: 60, ..GOOD };
    let mut stage = Stage::new(&agree(Security::Plain), link, 4);
    stage.run(1000);
    stage.phone.address = address("203.0.113.50:31000");
    stage.run(1000);
    assert_eq!(stage.relay_events, [Output::Moved { side: Side::B }]);
}

#[test]
fn keys_pressed_on_the_phone_reach_the_pbx_in_spite_of_loss() {
    let mut stage = Stage::new(&agree(Security::Plain), Link { loss_percent: 10, ..GOOD }, 2);
    stage.run(500);
    assert!(stage.phone.session.send_digits("0120*444#"));
    stage.run(3000);
    assert_eq!(stage.pbx.digits, "0120*444#");
    assert!(!stage.phone.session.send_digits("nonsense"));
}

#[test]
fn a_muted_phone_sends_silence_and_speaks_again() {
    let mut stage = Stage::new(&agree(Security::Plain), GOOD, 2);
    stage.phone.session.set_muted(true);
    stage.run(1500);
    assert!(stage.pbx.heard[4000..].iter().all(|sample| sample.abs() <= 8));
    assert!(stage.relay.statistics(Side::B).packets_received > 50, "packets go on");
    stage.phone.session.set_muted(false);
    stage.run(1500);
    assert!(stage.pbx.share_of(PHONE_HZ, 1000) > 0.95);
}

#[test]
fn reports_tell_the_round_trip_and_the_last_one_says_bye() {
    let mut stage = Stage::new(&agree(Security::Plain), Link { delay_ms: 25, ..GOOD }, 2);
    stage.run(12_000);
    let round_trip = stage.phone.session.statistics().round_trip_ms.unwrap();
    assert!((98..=104).contains(&round_trip), "{round_trip} ms over two links of 25 ms each way");
    stage.phone.session.stop(at(12_000));
    assert!(matches!(stage.phone.session.poll_output(), Some(session::Output::Transmit { .. })));
    assert_eq!(stage.phone.session.poll_timeout(), None);
}

#[test]
fn a_side_that_falls_silent_is_reported_once_and_again_after_it_spoke() {
    let agreed = agree(Security::Plain);
    let mut stage = Stage::new(&agreed, GOOD, 2);
    stage.run(1000);
    let heard = |side| Output::Idle { side, since: at(0) };
    let kind = |output: &Output| match output {
        Output::Idle { side, .. } => heard(*side),
        Output::Moved { .. } | Output::Transmit { .. } => output.clone(),
    };
    stage.link.loss_percent = 100;
    stage.run(70_000);
    let events: Vec<_> = stage.relay_events.iter().map(kind).collect();
    assert_eq!(events.len(), 2);
    assert!(events.contains(&heard(Side::A)) && events.contains(&heard(Side::B)));
    stage.link.loss_percent = 0;
    stage.run(100);
    stage.link.loss_percent = 100;
    stage.run(31_000);
    assert_eq!(stage.relay_events.len(), 4);
}

#[test]
fn a_held_phone_gets_nothing_and_is_not_called_silent() {
    let mut agreed = agree(Security::Plain);
    (agreed.b.direction, agreed.phone.direction) = (Direction::Inactive, Direction::Inactive);
    let mut stage = Stage::new(&agreed, GOOD, 2);
    stage.run(40_000);
    assert!(stage.phone.heard.iter().all(|&sample| sample == 0));
    assert!(stage.relay.statistics(Side::B).withheld > 1900);
    assert!(stage.relay_events.is_empty());
}

#[test]
fn packets_before_the_answer_are_dropped_and_counted() {
    let agreed = agree(Security::Plain);
    let mut stage = Stage::new(&agreed, GOOD, 2);
    stage.relay = callfield_media::relay::Relay::new(Default::default(), Seed::from_number(1));
    stage.run(100);
    stage.relay.connect(at(100), Side::A, &agreed.a).unwrap();
    stage.run(900);
    let early = stage.relay.statistics(Side::A).early_packets;
    assert!((45..=50).contains(&early), "{early}");
    stage.relay.connect(at(1000), Side::B, &agreed.b).unwrap();
    stage.run(2000);
    assert!(stage.phone.share_of(PBX_HZ, 1000) > 0.95);
}

#[test]
fn legs_with_different_payload_types_understand_each_other() {
    let odd = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 98 99\na=rtpmap:98 PCMA/8000\na=rtpmap:99 telephone-event/8000\na=rtcp-mux";
    let mut agreed = agree(Security::Plain);
    let mut random = callfield_domain::Random::new(Seed::from_number(1));
    let mut leg = |local: &str| Negotiation::new(address(local), &mut random);
    let offer = Offer::parse(odd.as_bytes()).unwrap();
    let (mut b, mut phone) = (leg(crate::stage::RELAY_B), leg(crate::stage::PHONE));
    let to_phone = Offer::parse(&b.offer(&Wish::like(&offer, Security::Required))).unwrap();
    let (answer, at_phone) = phone.answer(&to_phone, &Wish::new(Security::Required)).unwrap();
    agreed.phone = at_phone;
    agreed.b = b.receive_answer(&answer).unwrap();
    agreed.a = leg(crate::stage::RELAY_A).answer(&offer, &Wish::new(Security::Plain)).unwrap().1;
    agreed.pbx = agreed.a.clone();
    (agreed.pbx.local, agreed.pbx.remote) = (address(crate::stage::PBX), Some(address(crate::stage::RELAY_A)));
    assert_eq!((agreed.a.formats[0].send, agreed.b.formats[0].send), (98, 8));
    let mut stage = Stage::new(&agreed, GOOD, 2);
    stage.run(1000);
    stage.pbx.session.send_digits("42");
    stage.run(2000);
    assert!(stage.phone.share_of(PBX_HZ, 1000) > 0.95 && stage.pbx.share_of(PHONE_HZ, 1000) > 0.95);
    assert_eq!(stage.phone.digits, "42");
}

#[test]
fn a_new_agreement_with_a_new_key_and_address_goes_on_without_a_gap() {
    let agreed = agree(Security::Plain);
    let mut stage = Stage::new(&agreed, GOOD, 2);
    stage.run(1000);
    let mut random = callfield_domain::Random::new(Seed::from_number(77));
    let (mut b, mut phone) = (
        Negotiation::new(address(crate::stage::RELAY_B), &mut random),
        Negotiation::new(address("198.51.100.7:7000"), &mut random),
    );
    let offer = Offer::parse(&b.offer(&Wish::new(Security::Required))).unwrap();
    let (answer, at_phone) = phone.answer(&offer, &Wish::new(Security::Required)).unwrap();
    stage.relay.connect(at(1000), Side::B, &b.receive_answer(&answer).unwrap()).unwrap();
    stage.phone.session.renegotiate(at(1000), &at_phone).unwrap();
    stage.phone.address = address("198.51.100.7:7000");
    stage.run(1000);
    assert!(stage.phone.share_of(PBX_HZ, 800) > 0.95 && stage.pbx.share_of(PHONE_HZ, 800) > 0.95);
}

#[test]
fn after_a_long_sleep_the_phone_does_not_send_what_it_missed() {
    let agreed = agree(Security::Plain);
    let mut session = MediaSession::new(&agreed.phone, Seed::from_number(1), at(0)).unwrap();
    session.handle_timeout(at(0));
    session.handle_timeout(at(60_000));
    let mut packets = 0;
    while session.poll_output().is_some() {
        packets += 1;
    }
    assert_eq!(packets, 3, "two audio packets and a report");
    assert_eq!(session.poll_timeout(), Some((at(60_020), Why::SendTick)));
}

#[test]
fn machines_can_be_moved_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<callfield_media::relay::Relay>();
    is_send::<MediaSession>();
    is_send::<Negotiation>();
}

#[test]
fn pushed_sound_that_nobody_sends_is_thrown_away_oldest_first() {
    let mut session = MediaSession::new(&agree(Security::Plain).phone, Seed::from_number(1), Timestamp::ZERO).unwrap();
    session.push_pcm(&[1; 8000]);
    assert_eq!(session.statistics().frames_overrun, 6400);
    assert_eq!(session.last_heard() + Duration::ZERO, Timestamp::ZERO);
}
