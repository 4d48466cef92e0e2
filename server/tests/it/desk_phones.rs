//! Desk phones: their accounts, and how they register at the edge.

use callfield_sip::message::Message;
use http::{Method, StatusCode};
use serde_json::json;

use crate::exchange::{Desk, Exchange};
use crate::office::{MORNING, Office, company, request};
use crate::testing::{self, db_test};

db_test! {
    async fn a_desk_phone_registers_with_its_account_until_that_is_gone(db: Db) {
        let exchange = Exchange::open(db).await;
        let user = exchange.office.user("Suzuki").await;
        let mut desk = Desk::of(&exchange, &user).await;
        let response = desk.register(120).await;
        assert_eq!(response.status(), Some(200));
        assert_eq!(response.contacts().next().unwrap().param("expires"), Some("120"));

        let path = format!("/v1/devices/{}", desk.device);
        let gone = exchange.office.send(request(Method::DELETE, &path, &exchange.office.admin, "".into())).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(desk.register(120).await.status(), Some(401));
        let again = exchange.office.send(request(Method::DELETE, &path, &exchange.office.admin, "".into())).await;
        assert_eq!((again.status, again.error()), (StatusCode::NOT_FOUND, "not_found"));
    }

    async fn a_guesser_finds_none_of_a_thousand_users(db: Db) {
        let exchange = Exchange::open(db).await;
        // From a trunk's address as many may come as want to.
        exchange.trunk(&exchange.office.admin, "+81350001000").await;
        let user = exchange.office.user("Suzuki").await;
        let mut desk = Desk::of(&exchange, &user).await;
        let (username, password) = (desk.username.clone(), desk.password.clone());
        let mut shapes = std::collections::BTreeSet::new();
        let names = (100..1_100).map(|number| number.to_string()).chain([username.clone()]);
        for name in names {
            (desk.username, desk.password) = (name, "guess".to_owned());
            let asked = desk.register_request(120);
            let asked = desk.ask(&asked).await;
            let guess = desk.register_request(120);
            let answer = desk.answer_challenge(&asked, &guess).await;
            shapes.extend([shape(&asked), shape(&answer)]);
        }
        assert_eq!(shapes.len(), 1, "{shapes:?}");
        (desk.username, desk.password) = (username, password);
        assert_eq!(desk.register(120).await.status(), Some(200), "and its owner is not locked out");
    }

    async fn an_account_is_shown_once_and_listed_without_its_password(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let body = json!({ "kind": "desk", "user": user, "name": " Reception " });
        let made = office.post(&office.admin, "/v1/devices", body).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let listed = office.get(&office.admin, "/v1/devices").await.body;
        let expected = json!({
            "kind": "desk", "id": made.body["device_id"], "user": user, "name": "Reception",
            "username": made.body["username"], "created_at": MORNING,
        });
        assert_eq!(listed, json!({ "devices": [expected] }));
        assert_eq!(made.body["password"].as_str().unwrap().len(), 20);
    }

    async fn a_desk_phone_needs_a_user_of_the_company_and_a_kind(db: Db) {
        let office = Office::open(db).await;
        let user = office.user("Suzuki").await;
        let (_, other) = company(&office.app, "XYZ").await;
        let body = json!({ "kind": "desk", "user": user, "name": "Reception" });
        let refused = office.post(&other, "/v1/devices", body).await;
        assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
        let refused = office.post(&office.admin, "/v1/devices", json!({ "kind": "app", "user": user, "name": "x" })).await;
        assert_eq!((refused.status, refused.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"));
    }
}

/// What somebody who guesses can tell one answer from another by.
fn shape(answer: &Message) -> (Option<u16>, Vec<String>) {
    let names = answer.to_string();
    let names = names.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect();
    (answer.status(), names)
}
