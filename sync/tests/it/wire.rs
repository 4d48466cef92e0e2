//! The bytes of requests and responses: golden, limited, and open to newer peers.

use callfield_domain::{DeviceId, RecordId, Timestamp};
use callfield_sync::protocol::{
    Budget, Correction, Cursor, DecodeError, Item, ItemKind, Level, MAX_CURSOR_BYTES, MAX_REQUEST_BYTES, Page, Push,
    Reason, Request, Response, ScopeCursor, TxnId, Verdict, VerdictCode, Want,
};
use callfield_sync::{ChangeHash, Heads};
use proptest::prelude::*;
use uuid::Uuid;

fn heads(byte: u8) -> Heads {
    [ChangeHash::from_bytes([byte; 32])].into_iter().collect()
}

fn request() -> Request {
    Request {
        proto: 1,
        schema: 1,
        device: DeviceId::from_uuid(Uuid::from_bytes([0xd0; 16])),
        reason: Reason::Edit,
        budget: Budget { bytes: 1_000_000, time_ms: 25_000, metered: true },
        push: vec![Push {
            txn: TxnId::from_uuid(Uuid::from_bytes([0x70; 16])),
            doc: RecordId::from_uuid(Uuid::from_bytes([0xdc; 16])),
            record_type: "contact".to_owned(),
            epoch: 0,
            changes: vec![vec![1, 2, 3].into()],
        }],
        scopes: vec![ScopeCursor {
            scope: "tenant".to_owned(),
            cursor: Cursor::from_bytes(vec![9]),
            checksum: None,
            level: Level::Full,
        }],
        want: vec![Want { doc: RecordId::from_uuid(Uuid::from_bytes([0xdd; 16])), heads: heads(0xaa) }],
    }
}

fn response() -> Response {
    let doc = RecordId::from_uuid(Uuid::from_bytes([0xdc; 16]));
    let verdict = Verdict {
        hash: ChangeHash::from_bytes([0xab; 32]),
        code: VerdictCode::Rejected,
        reason: Some("written_once".to_owned()),
        by: None,
        epoch: None,
    };
    let correction = Correction { doc, code: "latest".to_owned(), field: "status".to_owned(), txn: None };
    let item = Item {
        doc,
        record_type: "task".to_owned(),
        epoch: 1,
        seq: 77,
        kind: ItemKind::Projection,
        body: vec![b"{}".to_vec().into()],
        heads: heads(1),
    };
    let page = Page {
        scope: "tenant".to_owned(),
        docs: vec![item],
        next: Cursor::from_bytes(vec![8]).unwrap(),
        more: false,
        checksum: Some(5),
    };
    Response {
        verdicts: vec![verdict],
        corrections: vec![correction],
        pages: vec![page],
        scopes_added: vec!["user:x".to_owned()],
        retry_after_ms: Some(1_000),
        ..Response::new(Timestamp::from_millis(1_800_000_000_000))
    }
}

fn hex(bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.concat()
}

#[test]
fn a_request_has_these_bytes() {
    let bytes = request().encode();
    assert_eq!(Request::decode(&bytes), Ok(request()));
    insta::assert_snapshot!(hex(&bytes), @"a8000101010250d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0030404a3001a000f4240011961a802f50581a50050707070707070707070707070707070700150dcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc0267636f6e7461637403000481430102030681a3006674656e616e7401410903000781a20050dddddddddddddddddddddddddddddddd015820aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

#[test]
fn a_response_has_these_bytes() {
    let bytes = response().encode();
    assert_eq!(Response::decode(&bytes), Ok(response()));
    insta::assert_snapshot!(hex(&bytes), @"a90001011b000001a3185c50000281a3005820abababababababababababababababababababababababababababababababab0102026c7772697474656e5f6f6e63650381a30050dcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc01666c617465737402667374617475730481a5006674656e616e740181a70050dcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdc01647461736b020103184d04000581427b7d065820010101010101010101010101010101010101010101010101010101010101010102410803f404050580068166757365723a780780081903e8");
}

#[test]
fn a_request_that_asks_for_nothing_new_is_small() {
    let mut quiet = request();
    quiet.push.clear();
    quiet.want.clear();
    quiet.scopes[0].cursor = Cursor::from_bytes(vec![7; 48]);
    assert!(quiet.encode().len() <= 120, "{}", quiet.encode().len());
}

#[test]
fn keys_of_a_newer_peer_are_skipped() {
    let bytes = request().encode();
    let mut newer = bytes.clone();
    newer[0] += 1;
    newer.extend([0x18, 99, 0x82, 1, 0x61, b'x']);
    assert_eq!(Request::decode(&newer), Ok(request()));
}

#[test]
fn what_is_too_long_or_too_many_or_of_another_protocol_is_refused() {
    assert_eq!(
        Request::decode(&vec![0; MAX_REQUEST_BYTES + 1]),
        Err(DecodeError::TooLong { limit: MAX_REQUEST_BYTES })
    );
    let other = Request { proto: 2, ..request() };
    assert_eq!(Request::decode(&other.encode()), Err(DecodeError::OtherProtocol(2)));
    let malformed = |request: Request| matches!(Request::decode(&request.encode()), Err(DecodeError::Malformed(_)));
    assert!(malformed(Request { push: vec![request().push[0].clone(); 1_001], ..request() }));
    let mut push = request().push[0].clone();
    push.changes = vec![Vec::new().into(); 501];
    assert!(malformed(Request { push: vec![push.clone(), push], ..request() }));
    assert!(malformed(Request { want: vec![request().want[0].clone(); 1_001], ..request() }));
    assert!(malformed(Request { scopes: vec![request().scopes[0].clone(); 257], ..request() }));
    let mut trailing = request().encode();
    trailing.push(0);
    assert!(matches!(Request::decode(&trailing), Err(DecodeError::Malformed(_))));
    assert_eq!(Cursor::from_bytes(vec![0; MAX_CURSOR_BYTES + 1]), None);
}

#[test]
fn an_array_that_declares_billions_of_entries_costs_nothing() {
    let bytes = request().encode();
    let at = bytes.windows(2).position(|pair| pair == [0x05, 0x81]).unwrap() + 1;
    let bomb = [&bytes[..at], &[0x9b, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff], &bytes[at + 1..]].concat();
    assert!(matches!(Request::decode(&bomb), Err(DecodeError::Malformed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn no_bytes_make_the_decoders_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400) {
        drop(Request::decode(&bytes));
        drop(Response::decode(&bytes));
        let mut bent = response().encode();
        let at = at % bent.len();
        bent.splice(at..(at + bytes.len() / 20).min(at + 1).min(bent.len()), bytes.iter().copied().take(3));
        drop(Response::decode(&bent));
    }
}
