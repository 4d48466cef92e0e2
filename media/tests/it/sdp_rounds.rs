//! Offers and answers, round after round, on the legs of a call.

use std::net::SocketAddr;

use callfield_domain::{Random, Seed};
use callfield_media::codec::Codec;
use callfield_media::sdp::{Agreement, Direction, Negotiation, Offer, SdpError, Security, Wish};

use crate::samples::PBX;

fn leg(local: &str, seed: u64) -> Negotiation {
    Negotiation::new(local.parse().unwrap(), &mut Random::new(Seed::from_number(seed)))
}

fn address(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

fn round(offerer: &mut Negotiation, answerer: &mut Negotiation, wish: &Wish, answer: &Wish) -> (Agreement, Agreement) {
    let offer = Offer::parse(&offerer.offer(wish)).unwrap();
    let (text, answered) = answerer.answer(&offer, answer).unwrap();
    (offerer.receive_answer(&text).unwrap(), answered)
}

#[test]
fn a_plain_caller_and_a_phone_with_keys_agree_on_one_codec() {
    let caller = Offer::parse(PBX.as_bytes()).unwrap();
    let (mut server, mut phone) = (leg("192.0.2.9:5002", 1), leg("198.51.100.7:6000", 2));
    let wish = Wish::like(&caller, Security::Required);
    let only_alaw = Wish::new(Security::Required).codecs(&[Codec::Pcma]);
    let (at_server, at_phone) = round(&mut server, &mut phone, &wish, &only_alaw);
    assert_eq!((at_server.codec(), at_phone.codec()), (Codec::Pcma, Codec::Pcma));
    assert_eq!((at_server.remote, at_phone.remote), (address("198.51.100.7:6000"), address("192.0.2.9:5002")));
    let (server_keys, phone_keys) = (at_server.keys.clone().unwrap(), at_phone.keys.unwrap());
    assert!(server_keys.send == phone_keys.receive && server_keys.receive == phone_keys.send);
    assert!(server_keys.send != server_keys.receive);

    let mut to_caller = leg("192.0.2.9:5000", 3);
    let (text, plain) = to_caller.answer(&caller, &Wish::new(Security::Optional).codecs(&at_server.codecs())).unwrap();
    assert_eq!((plain.codec(), plain.keys.is_some(), plain.rtcp_mux), (Codec::Pcma, false, false));
    let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
    let (_, after_origin) = text.split_once("s=-").unwrap();
    insta::assert_snapshot!(after_origin, @r"

    c=IN IP4 192.0.2.9
    t=0 0
    m=audio 5000 RTP/AVP 8 101
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=ptime:20
    a=sendrecv
    ");
}

#[test]
fn a_keyed_offer_is_written_as_phones_read_it() {
    let text = String::from_utf8(leg("[2001:db8::9]:5002", 1).offer(&Wish::new(Security::Required))).unwrap();
    let (key_line, rest): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("a=crypto"));
    assert!(key_line[0].starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:") && key_line[0].len() == 82);
    insta::assert_snapshot!(rest[2..].join("\n"), @r"
    s=-
    c=IN IP6 2001:db8::9
    t=0 0
    m=audio 5002 RTP/SAVP 0 8 101
    a=rtpmap:0 PCMU/8000
    a=rtpmap:8 PCMA/8000
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-15
    a=ptime:20
    a=rtcp-mux
    a=sendrecv
    ");
}

#[test]
fn keys_are_taken_offered_and_refused_as_wished() {
    let agree = |offer: Security, answer: Security| {
        let (mut a, mut b) = (leg("192.0.2.1:4000", 1), leg("192.0.2.2:4000", 2));
        let text = a.offer(&Wish::new(offer));
        let offer = Offer::parse(&text)?;
        let (text, _) = b.answer(&offer, &Wish::new(answer))?;
        Ok(a.receive_answer(&text)?.keys.is_some())
    };
    use Security::{Optional, Plain, Required};
    assert_eq!(agree(Plain, Optional), Ok(false));
    assert_eq!(agree(Plain, Required), Err(SdpError::NoKey));
    assert_eq!(agree(Optional, Plain), Ok(false));
    assert_eq!(agree(Optional, Optional), Ok(true));
    assert_eq!(agree(Optional, Required), Ok(true));
    assert_eq!(agree(Required, Plain), Err(SdpError::NoKey));
    assert_eq!(agree(Required, Optional), Ok(true));
    let savp_without_key = PBX.replace("RTP/AVP", "RTP/SAVP");
    let offer = Offer::parse(savp_without_key.as_bytes()).unwrap();
    let refused = leg("192.0.2.9:5000", 1).answer(&offer, &Wish::new(Optional)).map(|_| ()).unwrap_err();
    assert_eq!(refused, SdpError::NoKey);
}

#[test]
fn a_late_offer_is_made_to_the_caller_and_answered_in_its_ack() {
    let mut server = leg("192.0.2.9:5000", 1);
    assert_eq!(server.receive_answer(PBX.as_bytes()).unwrap_err(), SdpError::Unasked);
    server.offer(&Wish::new(Security::Optional));
    let agreed = server.receive_answer(PBX.as_bytes()).unwrap();
    assert_eq!((agreed.remote, agreed.keys.is_some()), (address("192.0.2.1:4000"), false));
    assert_eq!(agreed.codecs(), [Codec::Pcmu, Codec::Pcma]);
}

#[test]
fn hold_and_resume_turn_the_direction_and_keep_the_key() {
    let (mut server, mut phone) = (leg("192.0.2.9:5002", 1), leg("198.51.100.7:6000", 2));
    let usual = Wish::new(Security::Required);
    let (_, first) = round(&mut server, &mut phone, &usual, &usual);
    let held = usual.clone().direction(Direction::SendOnly);
    let (at_server, at_phone) = round(&mut server, &mut phone, &held, &usual);
    assert_eq!((at_server.direction, at_phone.direction), (Direction::SendOnly, Direction::ReceiveOnly));
    assert_eq!(at_phone.keys, first.keys);
    let (_, resumed) = round(&mut server, &mut phone, &usual, &usual);
    assert_eq!(resumed, first);
}

#[test]
fn old_style_hold_is_answered_with_receive_only() {
    let held = PBX.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0");
    let offer = Offer::parse(held.as_bytes()).unwrap();
    let (text, agreed) = leg("192.0.2.9:5000", 1).answer(&offer, &Wish::new(Security::Optional)).unwrap();
    assert_eq!((agreed.direction, agreed.remote), (Direction::ReceiveOnly, None));
    assert!(String::from_utf8(text).unwrap().contains("a=recvonly"));
}

#[test]
fn audio_switched_off_inside_a_call_is_answered_with_port_0() {
    let mut server = leg("192.0.2.9:5000", 1);
    let off = Offer::parse(PBX.replace("audio 4000", "audio 0").as_bytes()).unwrap();
    assert_eq!(server.answer(&off, &Wish::new(Security::Optional)).unwrap_err(), SdpError::NoAudio);
    let on = Offer::parse(PBX.as_bytes()).unwrap();
    let (_, first) = server.answer(&on, &Wish::new(Security::Optional)).unwrap();
    assert!(on.repeats(&first) && !off.repeats(&first));
    let (text, agreed) = server.answer(&off, &Wish::new(Security::Optional)).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("m=audio 0 RTP/AVP 0 8 101"));
    assert_eq!((agreed.direction, agreed.remote), (Direction::Inactive, None));
    assert_eq!(Wish::like(&off, Security::Required), Wish::new(Security::Required).direction(Direction::Inactive));
}

#[test]
fn a_refused_offer_leaves_the_last_agreement() {
    let (mut server, mut phone) = (leg("192.0.2.9:5002", 1), leg("198.51.100.7:6000", 2));
    let usual = Wish::new(Security::Required);
    let (agreed, _) = round(&mut server, &mut phone, &usual, &usual);
    server.offer(&usual.clone().direction(Direction::Inactive));
    server.roll_back();
    assert_eq!(server.agreement(), Some(&agreed));
    assert_eq!(server.receive_answer(PBX.as_bytes()).unwrap_err(), SdpError::Unasked);
}

#[test]
fn an_answer_that_cannot_be_used_leaves_the_offer_open_for_the_next_fork() {
    let mut server = leg("192.0.2.9:5000", 1);
    server.offer(&Wish::new(Security::Plain));
    let refusal = PBX.replace("audio 4000", "audio 0");
    assert_eq!(server.receive_answer(refusal.as_bytes()).unwrap_err(), SdpError::Refused);
    let wide = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\nm=audio 9000 RTP/AVP 9";
    assert_eq!(server.receive_answer(wide.as_bytes()).unwrap_err(), SdpError::NoCodec);
    assert!(server.receive_answer(PBX.as_bytes()).is_ok());
}

#[test]
fn a_later_offer_keeps_the_lines_of_the_first() {
    let with_video = PBX.replace("m=audio", "m=video 5000 RTP/AVP 99\na=rtpmap:99 H264/90000\nm=audio");
    let mut server = leg("192.0.2.9:5000", 1);
    server.answer(&Offer::parse(with_video.as_bytes()).unwrap(), &Wish::new(Security::Optional)).unwrap();
    let offer = String::from_utf8(server.offer(&Wish::new(Security::Plain))).unwrap();
    let lines: Vec<_> = offer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=video 0 RTP/AVP 99", "m=audio 5000 RTP/AVP 0 8 101"]);
    let agreed = server.receive_answer(with_video.replace("video 5000", "video 0").as_bytes()).unwrap();
    assert_eq!(agreed.remote, address("192.0.2.1:4000"));
}

#[test]
fn payload_types_may_differ_in_each_direction() {
    let mut server = leg("192.0.2.9:5000", 1);
    server.offer(&Wish::new(Security::Plain));
    let odd = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4000 RTP/AVP 97 96\na=rtpmap:97 pcma/8000\na=rtpmap:96 telephone-event/8000";
    let agreed = server.receive_answer(odd.as_bytes()).unwrap();
    assert_eq!((agreed.formats[0].send, agreed.formats[0].receive), (97, 8));
    let events = agreed.events.unwrap();
    assert_eq!((events.send, events.receive), (96, 101));
}

#[test]
fn a_key_is_not_used_again_after_a_plain_phase() {
    let (mut server, mut phone) = (leg("192.0.2.9:5002", 1), leg("198.51.100.7:6000", 2));
    let (keyed, plain) = (Wish::new(Security::Optional), Wish::new(Security::Plain));
    let (first, _) = round(&mut server, &mut phone, &keyed, &keyed);
    round(&mut server, &mut phone, &plain, &keyed);
    let (second, _) = round(&mut server, &mut phone, &keyed, &keyed);
    assert!(first.keys.as_ref().unwrap().send != second.keys.as_ref().unwrap().send);
}

#[test]
fn keys_never_show_in_debug_output() {
    let (mut server, mut phone) = (leg("192.0.2.9:5002", 1), leg("198.51.100.7:6000", 2));
    let usual = Wish::new(Security::Required);
    let (agreed, _) = round(&mut server, &mut phone, &usual, &usual);
    let shown = format!("{agreed:?}");
    assert!(shown.contains("MasterKey(…)"), "{shown}");
    let first_byte = agreed.keys.unwrap().send.as_bytes()[..2].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(!shown.contains(&first_byte));
}
