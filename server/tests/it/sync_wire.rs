//! The sync endpoint's outer shell: encodings, limits, and who may send what.

use callfield_sync::protocol::{Request as SyncRequest, Response, VerdictCode};
use callfield_sync::schema::RecordType;
use http::{StatusCode, header};
use serde_json::{Value, json};

use crate::handset::{Handset, send};
use crate::office::Office;
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
