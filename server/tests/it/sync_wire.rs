//! The sync endpoint's outer shell: encodings, limits, and changes made to hurt.

use std::collections::BTreeSet;

use callfield_domain::RecordId;
use callfield_sync::protocol::{Push, Request as SyncRequest, Response, TxnId, VerdictCode};
use callfield_sync::schema::RecordType;
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::db::RefusedChange;
use crate::handset::{Handset, send};
use crate::office::{MORNING, Office};
use crate::testing::{self, db_test};

const ZSTD_IN: (header::HeaderName, &str) = (header::CONTENT_ENCODING, "zstd");
const ZSTD_OUT: (header::HeaderName, &str) = (header::ACCEPT_ENCODING, "zstd");

fn code(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap();
    body["error"]["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn zstd_is_spoken_both_ways() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let mut handset = Handset::of(&office, "Suzuki").await;
    for n in 0..20 {
        let fields = json!({ "last_name": format!("Tanaka {n}"), "owner_id": handset.phone.user });
        handset.create(&office, RecordType::Contact, &fields);
    }
    let plain = handset.request().encode();
    let packed = zstd::encode_all(&plain[..], 3).unwrap();
    assert!(packed.len() < plain.len());
    let token = handset.phone.token.clone();
    let (status, headers, answer) = send(&office, &token, packed, &[ZSTD_IN, ZSTD_OUT]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_ENCODING], "zstd");
    let answer = Response::decode(&zstd::decode_all(&answer[..]).unwrap()).unwrap();
    assert_eq!(answer.verdicts.iter().filter(|verdict| verdict.code == VerdictCode::Ok).count(), 20);

    let (status, headers, answer) = send(&office, &token, plain, &[]).await;
    assert_eq!((status, headers.get(header::CONTENT_ENCODING)), (StatusCode::OK, None));
    assert_eq!(Response::decode(&answer).unwrap().verdicts.len(), 20);
}

#[tokio::test]
async fn what_is_no_sync_request_is_refused_with_the_status_that_says_why() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let handset = Handset::of(&office, "Suzuki").await;
    let request = handset.request();
    let other_proto = SyncRequest { proto: 99, ..request.clone() };
    let other_device = SyncRequest { device: office.phone("Sato").await.id, ..request.clone() };
    let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 3).unwrap();
    let cases = [
        (b"rubbish".to_vec(), vec![], StatusCode::BAD_REQUEST, "malformed_sync"),
        (Vec::new(), vec![], StatusCode::BAD_REQUEST, "malformed_sync"),
        (b"rubbish".to_vec(), vec![ZSTD_IN], StatusCode::BAD_REQUEST, "malformed_zstd"),
        (bomb, vec![ZSTD_IN], StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        (vec![0; (4 << 20) + 1], vec![], StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        (
            request.encode(),
            vec![(header::CONTENT_ENCODING, "br")],
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unknown_encoding",
        ),
        (request.encode(), vec![(header::CONTENT_TYPE, "text/plain")], StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_sync"),
        (other_proto.encode(), vec![], StatusCode::UPGRADE_REQUIRED, "other_protocol"),
        (other_device.encode(), vec![], StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"),
    ];
    for (body, headers, status, expected) in cases {
        let (answered, _, body) = send(&office, &handset.phone.token, body, &headers).await;
        assert_eq!((answered, code(&body).as_str()), (status, expected));
    }
}

db_test! {
    async fn poisoned_changes_are_set_aside_and_nobody_else_notices(db: Db) {
        let office = Office::open(db).await;
        let (mut suzuki, mut sato) = (Handset::of(&office, "Suzuki").await, Handset::of(&office, "Sato").await);
        // Records that nobody owns: whatever is taken of them reaches the other phone.
        let sound = suzuki.create(&office, RecordType::Contact, &json!({ "last_name": "Tanaka" }));
        let request = SyncRequest { push: poisoned(&office, &suzuki.outbox[0].bytes), ..suzuki.request() };
        let (status, _, answer) = send(&office, &suzuki.phone.token, request.encode(), &[]).await;
        assert_eq!(status, StatusCode::OK);
        let verdicts = Response::decode(&answer).unwrap().verdicts;
        assert_eq!(verdicts.len(), request.push.len());

        let (mut refused, mut taken) = (Vec::new(), BTreeSet::new());
        for (push, verdict) in request.push.iter().zip(&verdicts) {
            let mut rows = office.app.db.read(office.tenant).await.unwrap();
            let aside = rows.refused_changes(push.doc).await.unwrap();
            let is_stored = rows.doc(push.doc).await.unwrap().is_some();
            assert_eq!(is_stored, verdict.code == VerdictCode::Ok, "{verdict:?}");
            if verdict.code == VerdictCode::Rejected {
                let expected = RefusedChange {
                    hash: verdict.hash.as_bytes().to_vec(),
                    doc: push.doc,
                    device: Some(suzuki.phone.id),
                    reason: verdict.reason.clone().unwrap(),
                    received_at: office.app.now(),
                    bytes: push.changes[0].to_vec(),
                };
                assert_eq!(aside, [expected]);
                refused.extend(verdict.reason.as_deref());
            } else {
                assert_eq!(aside, [], "{verdict:?}");
                taken.extend(is_stored.then_some(push.doc));
            }
        }
        assert!(refused.len() >= verdicts.len() / 2, "{verdicts:?}");
        for reason in ["malformed", "foreign_actor", "foreign_author"] {
            assert!(refused.contains(&reason), "{refused:?}");
        }
        assert_eq!(verdicts.last().unwrap().reason.as_deref(), Some("malformed"), "the one cut in half");

        let synced = suzuki.sync(&office).await;
        assert_eq!(synced.response.verdicts[0].code, VerdictCode::Ok, "what is sound is taken afterwards");
        let own = sato.create(&office, RecordType::Contact, &json!({ "last_name": "Ueda" }));
        let synced = sato.sync(&office).await;
        assert_eq!(synced.response.verdicts[0].code, VerdictCode::Ok);
        taken.extend([sound, own]);
        assert_eq!(sato.records.keys().copied().collect::<BTreeSet<_>>(), taken);
        assert_eq!(sato.field(sound, "last_name"), "Tanaka");
        let listed = office.get(&sato.phone.token, "/v1/records?type=contact&limit=200").await;
        assert_eq!(listed.body["records"].as_array().unwrap().len(), taken.len(), "every stored record is shown");
    }

    async fn a_change_in_another_devices_name_is_refused(db: Db) {
        let office = Office::open(db).await;
        let (mut suzuki, thief) = (Handset::of(&office, "Suzuki").await, Handset::of(&office, "Sato").await);
        let id = suzuki.create(&office, RecordType::Contact, &json!({ "last_name": "Tanaka" }));
        let request = SyncRequest { device: thief.phone.id, ..suzuki.request() };
        let (_, _, answer) = send(&office, &thief.phone.token, request.encode(), &[]).await;
        let verdict = &Response::decode(&answer).unwrap().verdicts[0];
        assert_eq!((verdict.code, verdict.reason.as_deref()), (VerdictCode::Rejected, Some("foreign_actor")));
        suzuki.sync(&office).await;
        assert_eq!(office.get(&suzuki.phone.token, &format!("/v1/records/{id}")).await.status, StatusCode::OK);
    }
}

/// A new contact for each fourth byte behind the checksum of `sound`, with that byte changed; at last one cut in half.
fn poisoned(office: &Office, sound: &[u8]) -> Vec<Push> {
    let changed = |position: usize| {
        let mut chunk = sound.to_vec();
        chunk[position] ^= 0x55;
        signed(chunk)
    };
    let torn = sound[..sound.len() / 2].to_vec();
    let chunks = (8..sound.len()).step_by(4).map(changed).chain([torn]);
    let mut random = office.app.random();
    let mut push = |chunk: Vec<u8>| Push {
        txn: TxnId::new(MORNING, &mut random),
        doc: RecordId::new(MORNING, &mut random),
        record_type: RecordType::Contact.as_str().to_owned(),
        epoch: 0,
        changes: vec![chunk.into()],
    };
    chunks.map(&mut push).collect()
}

/// The chunk with the checksum that its content needs: the first four bytes of the SHA-256 of type, length and content.
fn signed(mut chunk: Vec<u8>) -> Vec<u8> {
    let hash = ring::digest::digest(&ring::digest::SHA256, &chunk[8..]);
    chunk[4..8].copy_from_slice(&hash.as_ref()[..4]);
    chunk
}
