//! Properties: nothing makes the readers panic, and what is written reads back.

use callfield_sip::message::{Frame, NameAddr, StreamDecoder, Verdict, parse};
use callfield_sip::uri::Uri;
use proptest::prelude::*;

use crate::hostile::message::read_everything;
use crate::torture_files;

fn read_verdict(bytes: Vec<u8>) {
    match parse(bytes.into()) {
        Verdict::Ok(message) | Verdict::Answerable(message, _) => read_everything(&message),
        Verdict::Drop(_) => {}
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_verdict(bytes.clone());
        let mut decoder = StreamDecoder::default();
        decoder.push(&bytes);
        while let Some(frame) = decoder.next_frame() {
            if matches!(frame, Frame::Broken(_)) {
                break;
            }
        }
    }

    #[test]
    fn arbitrary_header_text_never_panics(name in "[A-Za-z]{1,8}", value in "\\PC{0,60}", raw in "[ -~\r\n\t]{0,60}") {
        read_verdict(format!("INVITE sip:a@b SIP/2.0\r\nVia: {value}\r\nFrom: {value}\r\nTo: {raw}\r\n{name}: {raw}\r\n\r\n").into());
        let known = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n\
             CSeq: 1 INVITE\r\nContact: {value}\r\nRoute: {raw}\r\n{name}: {raw}\r\n\r\n"
        );
        read_verdict(known.into());
    }

    #[test]
    fn uris_and_addresses_read_back_as_written(text in "(sip|sips|tel|x):[ -~]{0,40}", display in "\\PC{0,20}") {
        if let Ok(uri) = Uri::parse(&text) {
            prop_assert_eq!(uri.as_str(), text.as_str());
            prop_assert!(uri.is_equivalent(&uri.clone()));
            let _ = (uri.with_param("a", Some("b")), uri.without_param("a"), uri.with_header("x", "y"));
            let address = NameAddr::new(Some(&display), &uri).with_tag("t");
            prop_assert_eq!(address.uri_text(), text.as_str());
            prop_assert_eq!(address.tag(), Some("t"));
            let read = NameAddr::parse(address.as_str()).unwrap();
            prop_assert_eq!(read.display(), address.display());
        }
    }

    #[test]
    fn a_set_header_reads_back_and_adds_no_other(value in "[ -~\r\n]{0,60}", name in "[A-Z][a-z]{2,9}-X") {
        for file in ["wsinv", "transports", "unreason"] {
            let Verdict::Ok(message) = parse(torture_files::read(file).into()) else { panic!() };
            let edited = message.edit().set(&name, &value).build();
            let Verdict::Ok(read) = parse(edited.as_bytes().clone()) else { panic!("an edited {file} is refused") };
            prop_assert_eq!(read.lines().count(), message.lines().count() + 1);
            let expected = value.replace(['\r', '\n'], " ");
            prop_assert_eq!(read.header(&name), Some(expected.trim()));
            prop_assert_eq!(read.body(), message.body());
        }
    }
}
