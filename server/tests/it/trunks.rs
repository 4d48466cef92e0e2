//! The administration of trunks, and where their secrets do not show.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::office::{MORNING, Office};
use crate::testing::{self, db_test};

const PASSWORD: &str = "correct-horse-battery";
const USERNAME: &str = "account-0350001000";
const REALM: &str = "provider.example";

fn credentials() -> Value {
    json!({ "username": USERNAME, "password": PASSWORD, "realm": REALM })
}

db_test! {
    async fn a_trunk_is_made_shown_changed_and_removed(db: Db) {
        let office = Office::open(db).await;
        let path = office.trunk(json!({ "max_calls": 4, "credentials": credentials() })).await;
        let id = path.rsplit('/').next().unwrap();
        let expected = json!({
            "id": id, "name": "PBX", "kind": "static", "addresses": ["192.0.2.7"],
            "outgoing": { "host": "192.0.2.7", "port": 5060 }, "priority": 100, "max_calls": 4, "has_credentials": true,
            "enabled": true, "registration": null, "created_at": MORNING,
        });
        assert_eq!(office.get(&office.admin, &path).await.body, expected);
        assert_eq!(office.get(&office.admin, "/v1/trunks").await.body, json!({ "trunks": [expected] }));

        let patch = json!({ "name": "Provider", "priority": 7, "max_calls": null, "enabled": false });
        let answer = office.ask(Method::PATCH, &path, patch).await;
        let mut changed = expected;
        for (key, value) in [("name", json!("Provider")), ("priority", json!(7)), ("max_calls", Value::Null), ("enabled", json!(false))] {
            changed[key] = value;
        }
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &changed));
        assert_eq!(office.get(&office.admin, &path).await.body, changed);
        let patch = json!({ "addresses": ["192.0.2.8", "2001:db8::1"], "outgoing": null, "credentials": null });
        let answer = office.ask(Method::PATCH, &path, patch).await;
        assert_eq!(answer.body["addresses"], json!(["192.0.2.8", "2001:db8::1"]));
        assert_eq!((&answer.body["outgoing"], &answer.body["has_credentials"]), (&Value::Null, &json!(false)));

        assert_eq!(office.ask(Method::DELETE, &path, Value::Null).await.status, StatusCode::NO_CONTENT);
        for method in [Method::GET, Method::PATCH, Method::DELETE] {
            let answer = office.ask(method, &path, json!({})).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "not_found"));
        }
        assert_eq!(office.get(&office.admin, "/v1/trunks").await.body, json!({ "trunks": [] }));
    }

    async fn a_trunk_that_makes_no_sense_is_refused_and_stays_as_it_was(db: Db) {
        let office = Office::open(db).await;
        let path = office.trunk(json!({})).await;
        let before = office.get(&office.admin, &path).await.body;
        for (patch, code) in [
            (json!({ "name": " " }), "invalid_value"),
            (json!({ "addresses": [] }), "invalid_value"),
            (json!({ "addresses": ["pbx.example"] }), "invalid_body"),
            (json!({ "outgoing": { "host": "192.0.2.7", "port": 0 } }), "invalid_value"),
            (json!({ "priority": 65_536 }), "invalid_body"),
            (json!({ "priority": -1 }), "invalid_body"),
            (json!({ "max_calls": 0 }), "invalid_value"),
            (json!({ "max_calls": 100_001 }), "invalid_value"),
            (json!({ "kind": "static" }), "invalid_body"),
            (json!({ "password": PASSWORD }), "invalid_body"),
            (json!({ "credentials": { "username": USERNAME } }), "invalid_body"),
            (json!({ "credentials": { "username": "", "password": PASSWORD } }), "invalid_value"),
            (json!({ "credentials": { "username": USERNAME, "password": "two\r\nlines" } }), "invalid_value"),
            (json!({ "credentials": { "username": USERNAME, "password": "long".repeat(65) } }), "invalid_value"),
            (json!({ "outgoing": null, "credentials": credentials() }), "invalid_value"),
        ] {
            let answer = office.ask(Method::PATCH, &path, patch.clone()).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{patch}");
            assert!(!answer.body.to_string().contains(PASSWORD), "{answer:?}");
        }
        assert_eq!(office.get(&office.admin, &path).await.body, before);
        let answer = office.get(&office.admin, "/v1/trunks/not-an-id").await;
        assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "not_found"));
    }

    async fn a_trunk_to_register_at_needs_a_place_and_credentials_and_is_tried_at_once(db: Db) {
        let office = Office::open(db).await;
        let outgoing = json!({ "host": "192.0.2.7", "port": 5060 });
        let trunk = |more: Value| {
            let mut trunk = json!({ "name": "Provider", "kind": "registering" });
            trunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            trunk
        };
        for wanting in [json!({}), json!({ "outgoing": outgoing }), json!({ "outgoing": null, "credentials": credentials() })] {
            let answer = office.post(&office.admin, "/v1/trunks", trunk(wanting)).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
        }
        let whole = trunk(json!({ "outgoing": outgoing, "credentials": credentials() }));
        let answer = office.post(&office.admin, "/v1/trunks", whole).await;
        assert_eq!((answer.status, &answer.body["registration"]), (StatusCode::CREATED, &json!({ "state": "trying" })));
        let path = format!("/v1/trunks/{}", answer.body["id"].as_str().unwrap());
        let disabled = office.ask(Method::PATCH, &path, json!({ "enabled": false })).await;
        assert_eq!(disabled.body["registration"], Value::Null);
        let stripped = office.ask(Method::PATCH, &path, json!({ "credentials": null })).await;
        assert_eq!((stripped.status, stripped.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
    }

    async fn the_secrets_of_a_trunk_are_shown_by_no_answer(db: Db) {
        let office = Office::open(db).await;
        let path = office.trunk(json!({ "credentials": credentials() })).await;
        let answers = [
            office.get(&office.admin, &path).await,
            office.get(&office.admin, "/v1/trunks").await,
            office.ask(Method::PATCH, &path, json!({ "credentials": credentials() })).await,
        ];
        for answer in answers {
            assert!(answer.status.is_success(), "{answer:?}");
            shows_no_secret(&answer.body.to_string());
        }
    }
}

#[tokio::test]
async fn the_database_file_holds_no_plaintext_of_a_trunks_secrets() {
    let (db, folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let path = office.trunk(json!({ "name": "visible-name", "credentials": credentials() })).await;
    office.ask(Method::PATCH, &path, json!({ "credentials": credentials() })).await;
    let mut files = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        files.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let text = String::from_utf8_lossy(&files);
    assert!(text.contains("visible-name"), "what is no secret can be found this way");
    shows_no_secret(&text);
}

fn shows_no_secret(text: &str) {
    for secret in [PASSWORD, USERNAME, REALM] {
        assert!(!text.contains(secret), "{secret}");
    }
}
