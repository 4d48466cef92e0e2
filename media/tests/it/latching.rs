//! Attacks on the relay: strangers that want to hear, to be heard, or to divert.

use std::net::SocketAddr;

use bytes::Bytes;
use callfield_domain::Seed;
use callfield_media::relay::{Latching, Output, Relay, Settings, Side};
use callfield_media::rtp::Packet;
use callfield_media::rtp::reports::{self, Sent};
use callfield_media::sdp::{Agreement, Direction, Security};
use callfield_media::srtp::Protector;

use crate::stage::{Agreed, GOOD, PBX, PBX_HZ, PHONE, PHONE_HZ, RELAY_B, Stage, address, agree, at};

const STRANGER: &str = "203.0.113.66:4000";

fn speech(ssrc: u32, sequence: u16) -> Packet {
    let payload = Bytes::from(vec![0x55; 160]);
    Packet { marker: false, payload_type: 0, sequence, timestamp: u32::from(sequence) * 160, ssrc, payload }
}

fn relay(agreed: &Agreed, latching: Latching) -> Relay {
    let mut relay = Relay::new(Settings { latching, ..Settings::default() }, Seed::from_number(1));
    relay.connect(at(0), Side::A, &agreed.a).unwrap();
    relay.connect(at(0), Side::B, &agreed.b).unwrap();
    relay
}

/// Plain packets to side A; how many of them were passed on.
fn passed(relay: &mut Relay, from: SocketAddr, ssrc: u32, sequences: std::ops::Range<u16>) -> usize {
    for sequence in sequences {
        relay.handle(at(0), Side::A, from, &speech(ssrc, sequence).write());
    }
    std::iter::from_fn(|| relay.poll_output()).filter(|output| matches!(output, Output::Transmit { .. })).count()
}

#[test]
fn a_stranger_on_the_protected_leg_neither_hears_nor_is_heard() {
    let mut stage = Stage::new(&agree(Security::Plain), GOOD, 1);
    stage.run(500);
    for sequence in 0..2000 {
        let plain = speech(7, sequence).write();
        let forged = [&plain[..], &[0; 10]].concat();
        stage.send(address(STRANGER), address(RELAY_B), plain.into());
        stage.send(address(STRANGER), address(RELAY_B), forged.into());
        stage.run(1);
    }
    assert_eq!(stage.relay.target(Side::B), Some(address(PHONE)));
    assert!(stage.relay_events.is_empty());
    assert!(stage.relay.statistics(Side::B).unauthentic >= 3900);
    assert!(stage.pbx.share_of(PHONE_HZ, 1500) > 0.95 && stage.phone.share_of(PBX_HZ, 1500) > 0.95);
}

#[test]
fn a_captured_packet_sent_again_from_elsewhere_does_not_divert_the_phone() {
    let agreed = agree(Security::Plain);
    let mut relay = relay(&agreed, Latching::AnySource);
    let mut phone = Protector::new(&agreed.phone.keys.as_ref().unwrap().send).unwrap();
    let packets: Vec<_> = (0..10).map(|n| phone.protect_rtp(&speech(9, n).write()).unwrap()).collect();
    for packet in &packets[..8] {
        relay.handle(at(0), Side::B, address(PHONE), packet);
    }
    for packet in &packets[..8] {
        relay.handle(at(1), Side::B, address(STRANGER), packet);
    }
    assert_eq!((relay.target(Side::B), relay.statistics(Side::B).replayed), (Some(address(PHONE)), 8));
    // Held back by the stranger, who sends it after a newer one has come: authentic, yet it moves nothing.
    relay.handle(at(2), Side::B, address(PHONE), &packets[9]);
    relay.handle(at(3), Side::B, address(STRANGER), &packets[8]);
    assert_eq!(relay.target(Side::B), Some(address(PHONE)));
    assert_eq!(relay.statistics(Side::B).address_changes, 0);
}

#[test]
fn a_protected_leg_is_never_answered_in_the_clear() {
    let agreed = agree(Security::Plain);
    let mut relay = relay(&agreed, Latching::AnySource);
    relay.handle(at(0), Side::A, address(PBX), &speech(7, 1).write());
    let Some(Output::Transmit { side: Side::B, to, bytes }) = relay.poll_output() else {
        panic!("the caller's packet goes to the phone");
    };
    assert_eq!((to, bytes.len()), (address(PHONE), 12 + 160 + 10));
    assert!(!bytes.windows(16).any(|window| window == [0x55; 16]));
}

#[test]
fn the_signalled_caller_is_believed_at_once_and_locks_others_out() {
    let mut relay = relay(&agree(Security::Plain), Latching::AnySource);
    assert_eq!(passed(&mut relay, address(PBX), 7, 0..1), 1);
    assert_eq!(passed(&mut relay, address(STRANGER), 7, 1..100), 0, "same source number");
    assert_eq!(passed(&mut relay, address(STRANGER), 8, 0..100), 0, "other source number");
    assert_eq!((relay.target(Side::A), relay.statistics(Side::A).strays), (Some(address(PBX)), 199));
    assert_eq!(passed(&mut relay, address(PBX), 99, 500..510), 10, "the caller may change its source number");
}

#[test]
fn a_caller_behind_nat_is_learned_from_three_packets_in_a_row() {
    let mut relay = relay(&agree(Security::Plain), Latching::AnySource);
    let nat = address("198.51.100.200:1234");
    assert_eq!(passed(&mut relay, nat, 7, 0..2), 0);
    // A stranger that sprays single packets neither wins nor breaks the caller's run.
    for n in 0..3 {
        assert_eq!(passed(&mut relay, address(STRANGER), n * 1000, 0..1), 0);
    }
    assert_eq!(passed(&mut relay, nat, 7, 2..10), 8);
    assert_eq!(relay.target(Side::A), Some(nat));
    assert_eq!(passed(&mut relay, address(STRANGER), 7, 10..100), 0);
}

#[test]
fn packets_of_one_stranger_that_do_not_follow_each_other_are_not_learned_from() {
    let mut relay = relay(&agree(Security::Plain), Latching::AnySource);
    for n in 0..50_u16 {
        assert_eq!(passed(&mut relay, address(STRANGER), 8, n * 1000..n * 1000 + 1), 0);
    }
    for n in 0..50_u16 {
        assert_eq!(passed(&mut relay, address(STRANGER), u32::from(n), n..n + 1), 0);
    }
    assert_eq!(relay.target(Side::A), Some(address(PBX)));
}

#[test]
fn a_held_phone_is_followed_by_its_reports_and_a_late_report_does_not_move_it_back() {
    let agreed = agree(Security::Plain);
    let mut relay = relay(&agreed, Latching::AnySource);
    let mut phone = Protector::new(&agreed.phone.keys.as_ref().unwrap().send).unwrap();
    let report = reports::build(at(0), &Sent { ssrc: 9, ..Sent::default() }, None, "name", false);
    let reports: Vec<_> = (0..3).map(|_| phone.protect_rtcp(&report).unwrap()).collect();
    relay.handle(at(0), Side::B, address(PHONE), &reports[0]);
    relay.handle(at(1), Side::B, address("203.0.113.50:31000"), &reports[2]);
    assert_eq!(relay.target(Side::B), Some(address("203.0.113.50:31000")));
    relay.handle(at(2), Side::B, address(PHONE), &reports[1]);
    assert_eq!(relay.target(Side::B), Some(address("203.0.113.50:31000")));
    assert_eq!(relay.statistics(Side::B).address_changes, 1);
}

#[test]
fn a_stranger_that_was_faster_gives_way_to_the_signalled_caller() {
    let mut relay = relay(&agree(Security::Plain), Latching::AnySource);
    assert!(passed(&mut relay, address(STRANGER), 8, 0..10) > 0);
    assert_eq!(passed(&mut relay, address(PBX), 7, 0..5), 5);
    assert_eq!(passed(&mut relay, address(STRANGER), 8, 10..20), 0);
    assert_eq!(relay.target(Side::A), Some(address(PBX)));
}

#[test]
fn a_trunk_with_a_fixed_address_is_learned_from_that_address_only() {
    let mut relay = relay(&agree(Security::Plain), Latching::SignalledIp);
    assert_eq!(passed(&mut relay, address(STRANGER), 8, 0..50), 0);
    assert_eq!(passed(&mut relay, address("192.0.2.1:9999"), 7, 0..10), 8, "another port of the same host");
}

#[test]
fn a_new_address_in_a_new_agreement_starts_the_learning_over() {
    let mut agreed = agree(Security::Plain);
    let mut relay = relay(&agreed, Latching::AnySource);
    assert_eq!(passed(&mut relay, address(PBX), 7, 0..5), 5);
    agreed.a.remote = Some(address("192.0.2.77:8000"));
    relay.connect(at(10), Side::A, &agreed.a).unwrap();
    assert_eq!(relay.target(Side::A), Some(address("192.0.2.77:8000")));
    assert_eq!(passed(&mut relay, address("192.0.2.77:8000"), 7, 5..10), 5);
    assert_eq!(passed(&mut relay, address(PBX), 7, 10..20), 0);
}

#[test]
fn an_old_style_hold_and_its_end_keep_what_was_learned() {
    let agreed = agree(Security::Plain);
    let mut relay = relay(&agreed, Latching::AnySource);
    let nat = address("198.51.100.200:1234");
    assert!(passed(&mut relay, nat, 7, 0..10) > 0);
    let held = Agreement { remote: None, direction: Direction::ReceiveOnly, ..agreed.a.clone() };
    relay.connect(at(10), Side::A, &held).unwrap();
    relay.connect(at(20), Side::A, &agreed.a).unwrap();
    assert_eq!(passed(&mut relay, address(STRANGER), 8, 0..50), 0);
    assert_eq!(passed(&mut relay, nat, 7, 10..20), 10);
}

#[test]
fn payload_types_that_were_not_agreed_are_not_learned_from() {
    let mut relay = relay(&agree(Security::Plain), Latching::AnySource);
    for sequence in 0..10 {
        let packet = Packet { payload_type: 34, ..speech(1, sequence) };
        relay.handle(at(0), Side::A, address(STRANGER), &packet.write());
    }
    assert_eq!((relay.target(Side::A), relay.statistics(Side::A).unknown_formats), (Some(address(PBX)), 10));
    assert!(relay.poll_output().is_none());
}

#[test]
fn a_caller_that_starts_its_numbers_over_never_repeats_a_key_stream() {
    let mut relay = relay(&agree(Security::Plain), Latching::AnySource);
    let mut seen = std::collections::BTreeSet::new();
    for start in [40_000, 100, 40_000, 39_990, 65_500] {
        for n in 0..200_u16 {
            relay.handle(at(0), Side::A, address(PBX), &speech(7, n.wrapping_add(start)).write());
            while let Some(output) = relay.poll_output() {
                let Output::Transmit { side: Side::B, bytes, .. } = output else { continue };
                assert!(seen.insert(bytes[2..4].to_vec()), "a number again");
            }
        }
    }
    assert!(seen.len() > 700);
    assert_eq!(relay.target(Side::A), Some(address(PBX)));
}
