//! Records through REST: made, read, listed, edited on what was seen.

use axum::body::Body;
use callfield_domain::RecordId;
use http::{Method, StatusCode};
use serde_json::json;

use crate::office::{MORNING, Office, company, request};
use crate::testing::{self, db_test};

db_test! {
    async fn a_contact_is_made_read_and_edited_on_its_etag(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let path = office.contact(&phone.token, None, json!({ "last_name": "Tanaka", "title": "Chief" })).await;
        let made = office.get(&phone.token, &path).await;
        let heads = made.body["heads"].as_array().unwrap();
        assert_eq!(made.etag(), format!("\"{}\"", heads[0].as_str().unwrap()));
        let expected = json!({
            "id": path.rsplit('/').next(),
            "type": "contact",
            "heads": heads,
            "fields": { "last_name": "Tanaka", "title": "Chief", "owner_id": phone.user },
            "conflicts": [],
        });
        assert_eq!(made.body, expected);

        let patch = json!({ "title": null, "phones": { "+81312345678": { "raw": "03-1234-5678" } } });
        let edited = office.patch(&phone.token, &path, &made.etag(), patch).await;
        assert_eq!(edited.status, StatusCode::OK, "{edited:?}");
        assert_ne!(edited.etag(), made.etag());
        let number = json!({ "+81312345678": { "raw": "03-1234-5678" } });
        let fields = json!({ "last_name": "Tanaka", "owner_id": phone.user, "phones": number });
        assert_eq!(edited.body["fields"], fields);
        let same = office.patch(&phone.token, &path, &edited.etag(), json!({ "last_name": "Tanaka" })).await;
        assert_eq!((same.status, same.etag()), (StatusCode::OK, edited.etag()), "an edit that changes nothing");

        let mut rows = office.app.db.read(office.tenant).await.unwrap();
        assert_eq!(rows.known_callers("+81312345678").await.unwrap().len(), 1);
        let gone = json!({ "phones": { "+81312345678": null } });
        office.patch(&phone.token, &path, &edited.etag(), gone).await;
        assert!(rows.known_callers("+81312345678").await.unwrap().is_empty());
    }

    async fn an_edit_on_an_old_state_stands_beside_the_newer_one_until_somebody_decides(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let path = office.contact(&office.admin, Some(phone.user), json!({ "last_name": "Tanaka", "title": "Chief" })).await;
        let seen = office.get(&phone.token, &path).await.etag();
        let first = office.patch(&office.admin, &path, &seen, json!({ "title": "President" })).await;
        assert_eq!((first.status, &first.body["conflicts"]), (StatusCode::OK, &json!([])));
        let second = office.patch(&phone.token, &path, &seen, json!({ "title": "Director" })).await;
        assert_eq!(second.status, StatusCode::OK);

        let conflicts = second.body["conflicts"].as_array().unwrap();
        assert_eq!((conflicts.len(), &conflicts[0]["field"]), (1, &json!("title")));
        let mut values = conflicts[0]["values"].as_array().unwrap().clone();
        values.sort_by_key(|value| value["value"].to_string());
        assert_eq!(values[0], json!({ "value": "Director", "author": phone.user, "device": phone.id, "claimed_at": MORNING }));
        assert_eq!((&values[1]["value"], &values[1]["device"]), (&json!("President"), &json!(null)));
        assert_eq!(second.body["heads"].as_array().unwrap().len(), 2);

        let decided = office.patch(&phone.token, &path, &second.etag(), json!({ "title": "President" })).await;
        assert_eq!((&decided.body["conflicts"], &decided.body["fields"]["title"]), (&json!([]), &json!("President")));
    }

    async fn edits_of_two_people_at_the_same_moment_both_stay(db: Db) {
        let office = Office::open(db).await;
        let path = office.contact(&office.admin, None, json!({ "last_name": "Tanaka" })).await;
        let seen = office.get(&office.admin, &path).await.etag();
        let edit = |field: &str| office.patch(&office.admin, &path, &seen, json!({ field: "x" }));
        let (one, two, three) = tokio::join!(edit("title"), edit("department"), edit("first_name"));
        assert_eq!([one.status, two.status, three.status], [StatusCode::OK; 3]);
        let shown = office.get(&office.admin, &path).await;
        let fields = json!({ "last_name": "Tanaka", "title": "x", "department": "x", "first_name": "x" });
        assert_eq!(shown.body["fields"], fields);
    }

    async fn an_edit_without_a_known_state_is_refused(db: Db) {
        let office = Office::open(db).await;
        let path = office.contact(&office.admin, None, json!({ "last_name": "Tanaka" })).await;
        let etag = office.get(&office.admin, &path).await.etag();
        let missing = office.send(request(Method::PATCH, &path, &office.admin, Body::from("{}"))).await;
        assert_eq!((missing.status, missing.error()), (StatusCode::PRECONDITION_REQUIRED, "if_match_missing"));
        let foreign = office.contact(&office.admin, None, json!({ "last_name": "Ueda" })).await;
        let foreign = office.get(&office.admin, &foreign).await.etag();
        for unknown in [foreign.as_str(), "\"abc\"", "\"\"", "*", "\"..\""] {
            let answer = office.patch(&office.admin, &path, unknown, json!({ "title": "x" })).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::PRECONDITION_FAILED, "unknown_heads"), "{unknown}");
        }
        let nothing = RecordId::new(MORNING, &mut office.app.random());
        let answer = office.patch(&office.admin, &format!("/v1/records/{nothing}"), &etag, json!({})).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "not_found"));
    }

    async fn values_that_do_not_fit_are_refused_and_nothing_is_written(db: Db) {
        let office = Office::open(db).await;
        let path = office.contact(&office.admin, None, json!({ "last_name": "Tanaka" })).await;
        let etag = office.get(&office.admin, &path).await.etag();
        for unfit in [
            json!({ "shoe_size": 44 }),
            json!({ "last_name": 7 }),
            json!({ "last_name": "x".repeat(201) }),
            json!({ "owner_id": "SUZUKI" }),
            json!([]),
            json!("text"),
        ] {
            let answer = office.patch(&office.admin, &path, &etag, unfit.clone()).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "unfit_values"), "{unfit}");
            if unfit.is_object() {
                let body = json!({ "type": "contact", "fields": unfit });
                assert_eq!(office.post(&office.admin, "/v1/records", body).await.error(), "unfit_values", "{unfit}");
            }
        }
        assert_eq!(office.get(&office.admin, &path).await.etag(), etag);
        let unknown = json!({ "type": "dinosaur", "fields": {} });
        assert_eq!(office.post(&office.admin, "/v1/records", unknown).await.error(), "invalid_value");
        assert_eq!(office.get(&office.admin, "/v1/records?type=dinosaur").await.error(), "invalid_value");
        assert_eq!(office.get(&office.admin, "/v1/records").await.error(), "invalid_query");
        let facts = json!({ "type": "call", "fields": { "outcome": "completed" } });
        let answer = office.post(&office.admin, "/v1/records", facts).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "change_refused"));
    }

    async fn an_owner_is_somebody_of_the_company(db: Db) {
        let office = Office::open(db).await;
        let (_, other) = company(&office.app, "XYZ").await;
        let answer = office.post(&other, "/v1/users", json!({ "name": "Yamada" })).await;
        let stranger = answer.body["id"].as_str().unwrap();
        let suzuki = office.user("Suzuki").await;
        let bodies = [
            json!({ "type": "contact", "owner": stranger, "fields": { "last_name": "Tanaka" } }),
            json!({ "type": "contact", "fields": { "last_name": "Tanaka", "owner_id": stranger } }),
            json!({ "type": "contact", "owner": suzuki, "fields": { "last_name": "Tanaka", "owner_id": stranger } }),
            json!({ "type": "call", "owner": suzuki, "fields": {} }),
        ];
        for body in bodies {
            let answer = office.post(&office.admin, "/v1/records", body.clone()).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"), "{body}");
        }
        let path = office.contact(&office.admin, None, json!({ "last_name": "Tanaka" })).await;
        let etag = office.get(&office.admin, &path).await.etag();
        let answer = office.patch(&office.admin, &path, &etag, json!({ "owner_id": stranger })).await;
        assert_eq!(answer.error(), "invalid_value");
        let moved = office.patch(&office.admin, &path, &etag, json!({ "owner_id": suzuki })).await;
        assert_eq!(moved.body["fields"]["owner_id"], suzuki);
    }

    async fn a_person_sees_and_edits_own_and_shared_records_and_gives_none_away(db: Db) {
        let office = Office::open(db).await;
        let (suzuki, sato) = (office.phone("Suzuki").await, office.phone("Sato").await);
        let hers = office.contact(&suzuki.token, None, json!({ "last_name": "Tanaka" })).await;
        let shared = office.contact(&office.admin, None, json!({ "last_name": "Reception" })).await;
        let etag = office.get(&suzuki.token, &hers).await.etag();
        assert_eq!(office.get(&sato.token, &hers).await.error(), "not_found");
        assert_eq!(office.patch(&sato.token, &hers, &etag, json!({ "title": "x" })).await.error(), "not_found");
        let given = office.patch(&suzuki.token, &hers, &etag, json!({ "owner_id": sato.user })).await;
        assert_eq!((given.status, given.error()), (StatusCode::FORBIDDEN, "forbidden"));

        let etag = office.get(&sato.token, &shared).await.etag();
        let edited = office.patch(&sato.token, &shared, &etag, json!({ "title": "Front desk" })).await;
        assert_eq!(edited.status, StatusCode::OK);
        for (token, count) in [(&suzuki.token, 2), (&sato.token, 1), (&office.admin, 2)] {
            let listed = office.get(token, "/v1/records?type=contact").await;
            assert_eq!(listed.body["records"].as_array().unwrap().len(), count);
        }
    }

    async fn records_are_listed_page_by_page(db: Db) {
        let office = Office::open(db).await;
        let mut made = Vec::new();
        for n in 0..5 {
            let path = office.contact(&office.admin, None, json!({ "last_name": format!("Tanaka {n}") })).await;
            made.push(path.rsplit('/').next().unwrap().to_owned());
        }
        made.sort();
        let (mut seen, mut path) = (Vec::new(), "/v1/records?type=contact&limit=2".to_owned());
        loop {
            let page = office.get(&office.admin, &path).await;
            let records = page.body["records"].as_array().unwrap();
            seen.extend(records.iter().map(|record| record["id"].as_str().unwrap().to_owned()));
            let Some(next) = page.body["next"].as_str() else { break };
            path = format!("/v1/records?type=contact&limit=2&after={next}");
        }
        assert_eq!(seen, made);
        assert_eq!(office.get(&office.admin, "/v1/records?type=task").await.body, json!({ "records": [] }));
        assert_eq!(office.get(&office.admin, "/v1/records?type=task&limit=0").await.error(), "invalid_value");
    }
}
