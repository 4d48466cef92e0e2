//! Protected packets: known vectors, tampering, replay and the roll-over count.

use callfield_domain::{Random, Seed};
use callfield_media::rtp::Packet;
use callfield_media::srtp::{MasterKey, Protector, SOURCES_MAX, SrtpError, Unprotector};
use ring::{aead::quic, hmac};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    std::array::from_fn(|n| digits[2 * n] << 4 | digits[2 * n + 1])
}

/// The master key and salt of RFC 3711 appendix B.3.
fn rfc_key() -> MasterKey {
    MasterKey::from_bytes(hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6"))
}

fn random_key(seed: u64) -> MasterKey {
    MasterKey::random(&mut Random::new(Seed::from_number(seed)))
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let payload = vec![sequence as u8; 160].into();
    Packet { marker: false, payload_type: 0, sequence, timestamp: u32::from(sequence) * 160, ssrc, payload }.write()
}

/// A receiver report without blocks, and a name.
fn report(ssrc: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &ssrc.to_be_bytes(), &[0x81, 202, 0, 2], &ssrc.to_be_bytes(), &[1, 2, b'a', b'b']].concat()
}

#[test]
fn tag_and_key_stream_come_from_the_session_keys_of_rfc_3711() {
    // RFC 3711 B.3: what the master key above derives to.
    let cipher_key: [u8; 16] = hex("C61E7A93744F39EE10734AFE3FF7A087");
    let salt: [u8; 14] = hex("30CBBC08863D8C85D49DB34A9AE1");
    let auth_key: [u8; 20] = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
    let clear = packet(0xdead_beef, 0x1234);
    let protected = Protector::new(&rfc_key()).unwrap().protect_rtp(&clear).unwrap();
    assert_eq!((protected.len(), &protected[..12]), (clear.len() + 10, &clear[..12]));

    let (body, tag) = protected.split_at(clear.len());
    let with_roll_over = [body, &[0; 4]].concat();
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth_key), &with_roll_over);
    assert_eq!(tag, &expected.as_ref()[..10]);

    // RFC 3711 §4.1.1: IV = salt·2^16 ⊕ SSRC·2^64 ⊕ index·2^16. The header mask of QUIC is five bytes of AES(IV).
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(&salt);
    iv[4..8].iter_mut().zip(0xdead_beef_u32.to_be_bytes()).for_each(|(byte, ssrc)| *byte ^= ssrc);
    iv[12..14].iter_mut().zip([0x12, 0x34]).for_each(|(byte, index)| *byte ^= index);
    let stream = quic::HeaderProtectionKey::new(&quic::AES_128, &cipher_key).unwrap().new_mask(&iv).unwrap();
    let found: Vec<u8> = body[12..17].iter().zip(&clear[12..17]).map(|(a, b)| a ^ b).collect();
    assert_eq!(found, stream);
}

#[test]
fn the_common_vectors_of_other_implementations_come_out() {
    let clear: [u8; 28] = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let expected: [u8; 38] = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let protected = Protector::new(&rfc_key()).unwrap().protect_rtp(&clear).unwrap();
    assert_eq!(protected, &expected[..]);
    assert_eq!(Unprotector::new(&rfc_key()).unwrap().unprotect_rtp(&expected).unwrap(), &clear[..]);
}

#[test]
fn what_was_protected_comes_back_and_nothing_else_does() {
    let (clear, mut receiver) = (packet(1, 7), Unprotector::new(&random_key(1)).unwrap());
    let protected = Protector::new(&random_key(1)).unwrap().protect_rtp(&clear).unwrap();
    for at in 0..protected.len() {
        for bit in [0x01, 0x80] {
            let mut tampered = protected.to_vec();
            tampered[at] ^= bit;
            assert!(receiver.unprotect_rtp(&tampered).is_err(), "byte {at}, bit {bit:#x}");
        }
    }
    for length in 0..protected.len() {
        assert!(receiver.unprotect_rtp(&protected[..length]).is_err(), "{length} bytes");
    }
    let mut stranger = Unprotector::new(&random_key(2)).unwrap();
    assert_eq!(stranger.unprotect_rtp(&protected).unwrap_err(), SrtpError::Unauthentic);
    assert_eq!(receiver.unprotect_rtp(&protected).unwrap(), clear);
    assert_eq!(receiver.unprotect_rtp(&protected).unwrap_err(), SrtpError::Replayed);
}

#[test]
fn reports_are_protected_and_an_unencrypted_one_is_refused() {
    let (clear, key) = (report(9), random_key(1));
    let (mut sender, mut receiver) = (Protector::new(&key).unwrap(), Unprotector::new(&key).unwrap());
    let protected = sender.protect_rtcp(&clear).unwrap();
    for at in 0..protected.len() {
        let mut tampered = protected.to_vec();
        tampered[at] ^= 0x80;
        assert!(receiver.unprotect_rtcp(&tampered).is_err(), "byte {at}");
    }
    let unencrypted = [&clear[..], &[0, 0, 0, 1], &[0; 10]].concat();
    assert_eq!(receiver.unprotect_rtcp(&unencrypted).unwrap_err(), SrtpError::Unauthentic);
    assert_eq!(receiver.unprotect_rtcp(&protected).unwrap(), clear);
    assert_eq!(receiver.unprotect_rtcp(&protected).unwrap_err(), SrtpError::Replayed);
    assert_eq!(receiver.unprotect_rtcp(&sender.protect_rtcp(&clear).unwrap()).unwrap(), clear);
}

#[test]
fn late_packets_are_taken_within_the_window_and_not_behind_it() {
    let key = random_key(1);
    let (mut sender, mut receiver) = (Protector::new(&key).unwrap(), Unprotector::new(&key).unwrap());
    let sent: Vec<_> = (100..=200).map(|sequence| sender.protect_rtp(&packet(1, sequence)).unwrap()).collect();
    assert!(receiver.unprotect_rtp(&sent[100]).is_ok());
    assert!(receiver.unprotect_rtp(&sent[100 - 63]).is_ok());
    assert_eq!(receiver.unprotect_rtp(&sent[100 - 64]).unwrap_err(), SrtpError::Replayed);
}

#[test]
fn the_roll_over_count_survives_reordering_and_loss_at_the_wrap() {
    for seed in 0..5 {
        let (key, mut random) = (random_key(seed), Random::new(Seed::from_number(seed)));
        let (mut sender, mut receiver) = (Protector::new(&key).unwrap(), Unprotector::new(&key).unwrap());
        // Three times round, with a long stretch left out in each, as during a lost connection.
        let numbers = (30_000..3 * 65_536_u32 + 500).filter(|n| n % 65_536 < 400 || n % 65_536 > 65_100 || n % 64 == 0);
        let mut waiting: Vec<(u16, bytes::Bytes)> = numbers
            .map(|n| (n % 65_536) as u16)
            .map(|sequence| (sequence, sender.protect_rtp(&packet(1, sequence)).unwrap()))
            .collect();
        for at in 1..waiting.len() {
            let with = at - 1 - random.below(at.min(10) as u64) as usize;
            let distance = waiting[at].0.wrapping_sub(waiting[with].0);
            if random.chance(30) && distance < 20 {
                waiting.swap(at, with);
            }
        }
        waiting.retain(|_| !random.chance(10));
        let count = waiting.len();
        let opened = waiting
            .iter()
            .filter(|(sequence, bytes)| receiver.unprotect_rtp(bytes).is_ok_and(|clear| clear == packet(1, *sequence)));
        assert_eq!(opened.count(), count, "seed {seed}");
        let last = sender.protect_rtp(&packet(1, 501)).unwrap();
        assert!(receiver.unprotect_rtp(&last).is_ok(), "in step at the end, seed {seed}");
    }
}

#[test]
fn forged_sources_leave_no_state_and_authentic_ones_are_limited() {
    let key = random_key(1);
    let (mut sender, mut receiver) = (Protector::new(&key).unwrap(), Unprotector::new(&key).unwrap());
    for ssrc in 0..1000 {
        let mut forged = packet(ssrc, 60_000);
        forged.extend([0; 10]);
        assert_eq!(receiver.unprotect_rtp(&forged).unwrap_err(), SrtpError::Unauthentic);
    }
    // A forged packet of the same source has not moved its window.
    assert!(receiver.unprotect_rtp(&sender.protect_rtp(&packet(0, 5)).unwrap()).is_ok());
    let limit = SOURCES_MAX as u32;
    for ssrc in 1..limit {
        assert!(receiver.unprotect_rtp(&sender.protect_rtp(&packet(ssrc, 5)).unwrap()).is_ok());
    }
    let one_more = sender.protect_rtp(&packet(limit, 5)).unwrap();
    assert_eq!(receiver.unprotect_rtp(&one_more).unwrap_err(), SrtpError::TooManySources);
}

#[test]
fn only_the_payload_is_encrypted_whatever_the_header_has() {
    let extensions: [&[u8]; 5] = [
        &[0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0],
        &[0xbe, 0xde, 0, 2, 0x00, 0x12, 1, 2, 3, 0, 0x20, 7],
        &[0x10, 0x00, 0, 1, 5, 1, 0xaa, 0],
        &[0x12, 0x34, 0, 1, 1, 2, 3, 4],
        &[0xbe, 0xde, 0, 0],
    ];
    for extension in extensions {
        let sources = [0, 0, 0, 9, 0, 0, 0, 8];
        let head = [&[0x92, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1][..], &sources, extension].concat();
        let clear = [&head[..], &[0x55; 40]].concat();
        let protected = Protector::new(&random_key(1)).unwrap().protect_rtp(&clear).unwrap();
        assert_eq!(protected[..head.len()], head, "{extension:x?}");
        assert_ne!(protected[head.len()..head.len() + 2], [0x55; 2], "{extension:x?}");
        assert_eq!(Unprotector::new(&random_key(1)).unwrap().unprotect_rtp(&protected).unwrap(), clear);
    }
}
