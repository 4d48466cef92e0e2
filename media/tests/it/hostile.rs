//! Arbitrary bytes: nothing panics, nothing is believed.

use callfield_domain::{Random, Seed};
use callfield_media::relay::{Relay, Settings, Side};
use callfield_media::rtp::{Packet, reports};
use callfield_media::sdp::{Negotiation, Offer, Security, Wish};
use callfield_media::session::MediaSession;
use callfield_media::srtp::{MasterKey, Protector, Unprotector};
use callfield_media::wav;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::samples::OFFERS;
use crate::stage::{PBX, address, agree, at};

/// Bytes that begin like RTP or RTCP, so that they get past the first look.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    (0_u8..64, any::<u8>(), vec(any::<u8>(), 0..300)).prop_map(|(low, second, mut rest)| {
        let mut bytes = vec![0x80 | low, second];
        bytes.append(&mut rest);
        bytes
    })
}

/// A sample with some bytes replaced, removed or doubled.
fn mutilated() -> impl Strategy<Value = Vec<u8>> {
    (0..OFFERS.len(), vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..20)).prop_map(|(sample, changes)| {
        let mut bytes = OFFERS[sample].1.as_bytes().to_vec();
        for (index, byte, how) in changes {
            let at = index.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    })
}

fn negotiate(body: &[u8]) {
    let mut leg = Negotiation::new(address("192.0.2.9:5000"), &mut Random::new(Seed::from_number(1)));
    if let Ok(offer) = Offer::parse(body)
        && let Ok((answer, agreement)) = leg.answer(&offer, &Wish::new(Security::Optional))
    {
        assert!(Offer::parse(&answer).is_ok(), "what is answered can be read: {}", String::from_utf8_lossy(&answer));
        assert!(!agreement.formats.is_empty() && MediaSession::new(&agreement, Seed::from_number(1), at(0)).is_ok());
    }
    leg.offer(&Wish::new(Security::Optional));
    let _ = leg.receive_answer(body);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn descriptions_of_any_bytes_are_refused_or_read(body in vec(any::<u8>(), 0..600)) {
        negotiate(&body);
        negotiate(&[b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n", &body[..]].concat());
    }

    #[test]
    fn mutilated_descriptions_are_refused_or_read(body in mutilated()) {
        negotiate(&body);
    }

    #[test]
    fn packets_of_any_bytes_are_refused_or_read(bytes in datagram()) {
        if let Some(packet) = Packet::parse(&bytes) {
            prop_assert_eq!(Packet::parse(&packet.write()), Some(packet));
        }
        reports::parse(&bytes);
    }

    #[test]
    fn the_cipher_takes_any_bytes(bytes in datagram()) {
        let key = MasterKey::from_bytes([3; 30]);
        let (mut sender, mut receiver) = (Protector::new(&key).unwrap(), Unprotector::new(&key).unwrap());
        prop_assert!(receiver.unprotect_rtp(&bytes).is_err() && receiver.unprotect_rtcp(&bytes).is_err());
        // A header that is authentic may still be nonsense.
        if let Ok(protected) = sender.protect_rtp(&bytes) {
            let clear = receiver.unprotect_rtp(&protected);
            prop_assert_eq!(clear.as_deref(), Ok(&bytes[..]));
        }
        if let Ok(protected) = sender.protect_rtcp(&bytes) {
            let clear = receiver.unprotect_rtcp(&protected);
            prop_assert_eq!(clear.as_deref(), Ok(&bytes[..]));
        }
    }

    #[test]
    fn the_relay_and_the_session_take_any_bytes(datagrams in vec((datagram(), any::<bool>()), 1..20)) {
        let agreed = agree(Security::Plain);
        let mut relay = Relay::new(Settings::default(), Seed::from_number(1));
        relay.connect(at(0), Side::A, &agreed.a).unwrap();
        relay.connect(at(0), Side::B, &agreed.b).unwrap();
        let mut plain = MediaSession::new(&agreed.pbx, Seed::from_number(1), at(0)).unwrap();
        let mut keyed = MediaSession::new(&agreed.phone, Seed::from_number(1), at(0)).unwrap();
        for ((bytes, is_from_pbx), ms) in datagrams.into_iter().zip(0..) {
            let side = if is_from_pbx { Side::A } else { Side::B };
            relay.handle(at(ms), side, address(PBX), &bytes);
            plain.handle(at(ms), agreed.pbx.remote.unwrap(), &bytes);
            keyed.handle(at(ms), agreed.phone.remote.unwrap(), &bytes);
            let mut pcm = [0; 80];
            plain.pull_pcm(&mut pcm);
        }
        prop_assert_eq!(keyed.pull_pcm(&mut [0; 800]), 0, "nothing unauthentic is played");
        let statistics = relay.statistics(Side::B);
        prop_assert_eq!(statistics.unauthentic + statistics.malformed + statistics.replayed, statistics.packets_received);
    }

    #[test]
    fn wav_files_of_any_bytes_are_refused_or_read(bytes in vec(any::<u8>(), 0..300), at in any::<Index>()) {
        let _ = wav::read(&bytes[..]);
        let mut file = wav::to_bytes(&[1; 100]).unwrap();
        let at = at.index(44.min(file.len()));
        file.splice(at..(at + bytes.len()).min(file.len()), bytes.iter().copied());
        let _ = wav::read(&file[..]);
    }
}
