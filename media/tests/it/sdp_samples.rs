//! What is understood of descriptions that devices send.

use callfield_domain::{Random, Seed};
use callfield_media::sdp::{Direction, Negotiation, Offer, SDP_BYTES_MAX, SdpError, Security, Wish};

use crate::samples::{OFFERS, REFUSED};

/// What an answer of ours agrees on tells what was understood of the offer.
fn understood(text: &str) -> String {
    let offer = Offer::parse(text.as_bytes()).unwrap();
    let mut words: Vec<String> = Vec::new();
    let mut leg = Negotiation::new("192.0.2.99:9000".parse().unwrap(), &mut Random::new(Seed::from_number(1)));
    let mut last = None;
    for codec in offer.codecs() {
        match leg.answer(&offer, &Wish::new(Security::Optional).codecs(&[codec])) {
            Ok((answer, agreement)) => {
                words.push(format!("{}={}", codec.name(), agreement.formats[0].send));
                last = Some((String::from_utf8(answer).unwrap(), agreement));
            }
            Err(error) => {
                assert_eq!((error, offer.has_audio()), (SdpError::NoAudio, false));
                words.push(format!("{}={}", codec.name(), codec.static_payload_type()));
            }
        }
    }
    let agreed = last.as_ref().map(|(_, agreement)| agreement);
    words.extend(agreed.and_then(|agreement| agreement.events).map(|events| format!("events={}", events.send)));
    let remote = agreed.and_then(|agreement| agreement.remote);
    words.push(remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string()));
    words.push(offer.direction().name().to_owned());
    let crypto = last.as_ref().and_then(|(answer, _)| answer.split("a=crypto:").nth(1)?.split(' ').next());
    assert_eq!(crypto.is_some(), offer.is_secure());
    words.push(crypto.map_or_else(|| "plain".to_owned(), |tag| format!("key:{tag}")));
    words.push(offer.ptime_ms().map_or_else(|| "-".to_owned(), |ms| ms.to_string()));
    words.extend(agreed.filter(|agreement| agreement.rtcp_mux).map(|_| "mux".to_owned()));
    words.extend(offer.is_hold().then(|| "hold".to_owned()));
    words.extend((!offer.has_audio()).then(|| "off".to_owned()));
    words.join(" ")
}

#[test]
fn offers_of_devices_are_understood_with_either_line_ending() {
    for (name, text, expected) in OFFERS {
        assert_eq!(understood(text), *expected, "{name}");
        assert_eq!(understood(&(text.replace('\n', "\r\n") + "\r\n")), *expected, "{name}, CR LF");
    }
    assert!(OFFERS.len() >= 15);
}

#[test]
fn what_cannot_be_used_says_why() {
    for (name, text, expected) in REFUSED {
        let error = Offer::parse(text.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(format!("{error:?}"), *expected, "{name}");
    }
    assert_eq!(Offer::parse(&vec![b'v'; SDP_BYTES_MAX + 1]).map(|_| ()).unwrap_err(), SdpError::TooLong);
}

#[test]
fn text_that_is_not_utf8_and_ends_in_nul_is_read() {
    let text = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=M\xf6tley \x93call\x94\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\r\n\0";
    assert_eq!(Offer::parse(text).unwrap().direction(), Direction::SendReceive);
}

#[test]
fn every_offer_that_is_on_gets_an_answer_with_its_lines_in_its_order() {
    for (name, text, _) in OFFERS {
        let offer = Offer::parse(text.as_bytes()).unwrap();
        let mut leg = Negotiation::new("192.0.2.99:9000".parse().unwrap(), &mut Random::new(Seed::from_number(1)));
        let Ok((answer, _)) = leg.answer(&offer, &Wish::new(Security::Optional)) else {
            assert!(!offer.has_audio(), "{name}");
            continue;
        };
        let kinds = |text: &str| -> Vec<(String, String)> {
            let lines = text.lines().filter_map(|line| line.strip_prefix("m="));
            let words = lines.map(|line| line.split(' ').collect::<Vec<_>>());
            words.map(|words| (words[0].to_owned(), words[2].to_owned())).collect()
        };
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(kinds(text), kinds(&answer), "{name}");
        let ours = answer.lines().filter(|line| line.starts_with("m=audio 9000 ")).count();
        assert_eq!(ours, 1, "{name}: {answer}");
    }
}
