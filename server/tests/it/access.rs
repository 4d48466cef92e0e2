//! Who may do what: every operation without a token, with another kind of token, and from another company.

use axum::body::Body;
use callfield_server::app::route::{Needs, Route};
use callfield_server::serve;
use http::{Method, StatusCode, header};
use serde_json::json;

use crate::office::{MORNING, Office, company, request};
use crate::testing::{self, db_test};

/// Every operation and whom it answers; what is missing here fails the test.
const OPERATIONS: &[(Method, &str, Needs)] = &[
    (Method::GET, "/health", Needs::Nothing),
    (Method::GET, "/metrics", Needs::AdminOrLoopback),
    (Method::GET, "/sip", Needs::Device),
    (Method::GET, "/v1/calls", Needs::Token),
    (Method::POST, "/v1/calls", Needs::Token),
    (Method::DELETE, "/v1/calls/{id}", Needs::Token),
    (Method::GET, "/v1/calls/{id}", Needs::Token),
    (Method::GET, "/v1/calls/{id}/state", Needs::Device),
    (Method::GET, "/v1/calls/{id}/timeline", Needs::Token),
    (Method::PUT, "/v1/device/push", Needs::Device),
    (Method::GET, "/v1/devices", Needs::Admin),
    (Method::POST, "/v1/devices", Needs::Admin),
    (Method::DELETE, "/v1/devices/{id}", Needs::Admin),
    (Method::POST, "/v1/enrol", Needs::Nothing),
    (Method::POST, "/v1/enrolment-codes", Needs::Admin),
    (Method::POST, "/v1/numbers", Needs::Admin),
    (Method::GET, "/v1/records", Needs::Token),
    (Method::POST, "/v1/records", Needs::Token),
    (Method::GET, "/v1/records/{id}", Needs::Token),
    (Method::PATCH, "/v1/records/{id}", Needs::Token),
    (Method::POST, "/v1/sync", Needs::Device),
    (Method::GET, "/v1/trunks", Needs::Admin),
    (Method::POST, "/v1/trunks", Needs::Admin),
    (Method::DELETE, "/v1/trunks/{id}", Needs::Admin),
    (Method::GET, "/v1/trunks/{id}", Needs::Admin),
    (Method::PATCH, "/v1/trunks/{id}", Needs::Admin),
    (Method::GET, "/v1/users", Needs::Admin),
    (Method::POST, "/v1/users", Needs::Admin),
    (Method::GET, "/v1/users/{id}", Needs::Admin),
    (Method::PATCH, "/v1/users/{id}", Needs::Admin),
    (Method::GET, "/v1/users/{id}/presence", Needs::Token),
    (Method::PUT, "/v1/users/{id}/presence", Needs::Token),
];

#[test]
fn every_operation_stands_in_the_table_once() {
    let mut served: Vec<_> =
        serve::routes().iter().map(|route| (route.path, route.method.clone(), route.needs)).collect();
    served.sort_by(|a, b| (a.0, a.1.as_str()).cmp(&(b.0, b.1.as_str())));
    let listed: Vec<_> = OPERATIONS.iter().map(|(method, path, needs)| (*path, method.clone(), *needs)).collect();
    assert_eq!(served, listed);
}

db_test! {
    async fn no_operation_that_needs_a_token_answers_without_one(db: Db) {
        let office = Office::open(db).await;
        for (method, path, needs) in OPERATIONS {
            let path = path.replace("{id}", &office.tenant.to_string());
            for token in ["", "cfd_unknown", "cfa_unknown", "nonsense"] {
                let answer = office.send(request(method.clone(), &path, token, Body::from("{}"))).await;
                let is_open = *needs == Needs::Nothing;
                assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !is_open, "{method} {path} with {token:?}");
                if !is_open {
                    assert_eq!(answer.error(), "unauthorized");
                }
            }
        }
    }

    async fn a_token_of_the_wrong_kind_is_403_and_of_the_right_kind_is_not(db: Db) {
        let mut office = Office::open(db).await;
        // Nobody answers at the edge here, and a question to it must not wait.
        office.edge.close();
        let phone = office.phone("Suzuki").await;
        for (method, path, needs) in OPERATIONS {
            let path = path.replace("{id}", &office.tenant.to_string());
            let (right, wrong) = match needs {
                Needs::Device => (vec![&phone.token], vec![&office.admin]),
                Needs::Admin | Needs::AdminOrLoopback => (vec![&office.admin], vec![&phone.token]),
                Needs::Token => (vec![&phone.token, &office.admin], vec![]),
                Needs::Nothing => continue,
            };
            for token in wrong {
                let answer = office.send(request(method.clone(), &path, token, Body::from("{}"))).await;
                assert_eq!((answer.status, answer.error()), (StatusCode::FORBIDDEN, "forbidden"), "{method} {path}");
            }
            for token in right {
                let answer = office.send(request(method.clone(), &path, token, Body::from("{}"))).await;
                let is_let_in = ![StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED].contains(&answer.status);
                assert!(is_let_in, "{method} {path}: {answer:?}");
            }
        }
    }

    async fn nothing_of_another_company_is_seen(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let call = office.call(MORNING);
        office.put_call(&call).await;
        let record = office.contact(&office.admin, None, json!({ "last_name": "Tanaka" })).await;
        let etag = office.get(&office.admin, &record).await.etag();
        let trunk = office.trunk(json!({})).await;
        let (_, stranger) = company(&office.app, "XYZ").await;
        // The edge answers for live calls, and a presence needs a body: they have stories of their own.
        let is_told_elsewhere = |route: &Route| match route.path {
            "/v1/calls/{id}" => route.method == Method::DELETE,
            path => path == "/v1/users/{id}/presence" && route.method == Method::PUT,
        };
        let with_id =
            |route: &Route| route.path.contains("{id}") && route.needs != Needs::Device && !is_told_elsewhere(route);
        for route in serve::routes().into_iter().filter(with_id) {
            let path = match route.path {
                "/v1/records/{id}" => record.clone(),
                "/v1/trunks/{id}" => trunk.clone(),
                "/v1/users/{id}/presence" => format!("/v1/users/{}/presence", phone.user),
                path => path.replace("{id}", &call.id.to_string()),
            };
            let owner = if route.needs == Needs::Admin { &office.admin } else { &phone.token };
            let ask = |token: &str| {
                let mut request = request(route.method.clone(), &path, token, Body::from("{}"));
                request.headers_mut().insert(header::IF_MATCH, etag.parse().unwrap());
                office.send(request)
            };
            let answer = ask(&stranger).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "not_found"), "{} {path}", route.method);
            if route.needs == Needs::Token || route.path == "/v1/trunks/{id}" {
                assert!(ask(owner).await.status.is_success(), "{} {path}", route.method);
            }
        }
        office.trunk(json!({})).await;
        for (path, list) in [
            ("/v1/calls", "calls"),
            ("/v1/devices", "devices"),
            ("/v1/records?type=contact", "records"),
            ("/v1/trunks", "trunks"),
        ] {
            assert_eq!(office.get(&stranger, path).await.body, json!({ list: [] }));
            assert_eq!(office.get(&office.admin, path).await.body[list].as_array().unwrap().len(), 1);
        }
    }
}
