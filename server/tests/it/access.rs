//! Who may do what: every operation without a token, with another kind of token, and from another company.

use axum::body::Body;
use callfield_domain::{CallFacts, CallId, CallState, Direction};
use callfield_server::app::route::{Needs, Route};
use callfield_server::serve;
use http::{Method, StatusCode, header};
use serde_json::json;

use crate::office::{MORNING, Office, company, request};
use crate::testing::{self, db_test};

db_test! {
    async fn no_operation_that_needs_a_token_answers_without_one(db: Db) {
        let office = Office::open(db).await;
        for route in serve::routes() {
            let (method, path) = (route.method.clone(), filled(&route, &office.tenant.to_string()));
            for token in ["", "cfd_unknown", "cfa_unknown", "nonsense"] {
                let answer = office.send(request(method.clone(), &path, token, Body::from("{}"))).await;
                let is_open = route.needs == Needs::Nothing;
                assert_eq!(answer.status == StatusCode::UNAUTHORIZED, !is_open, "{method} {path} with {token:?}");
                if !is_open {
                    assert_eq!(answer.error(), "unauthorized");
                }
            }
        }
    }

    async fn a_token_of_the_wrong_kind_is_403(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        for route in serve::routes() {
            let (method, path) = (route.method.clone(), filled(&route, &office.tenant.to_string()));
            let wrong = match route.needs {
                Needs::Device => &office.admin,
                Needs::Admin | Needs::AdminOrLoopback => &phone.token,
                Needs::Token | Needs::Nothing => continue,
            };
            let answer = office.send(request(method.clone(), &path, wrong, Body::from("{}"))).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::FORBIDDEN, "forbidden"), "{method} {path}");
        }
    }

    async fn nothing_of_another_company_is_seen(db: Db) {
        let office = Office::open(db).await;
        let phone = office.phone("Suzuki").await;
        let call = call(&office).await;
        let (_, stranger) = company(&office.app, "XYZ").await;
        for route in serve::routes().iter().filter(|route| route.path.contains("{id}") && route.needs != Needs::Device) {
            let path = filled(route, &call.to_string());
            let mut request = request(route.method.clone(), &path, &stranger, Body::from("{}"));
            request.headers_mut().insert(header::IF_MATCH, format!("\"{}\"", "0".repeat(64)).parse().unwrap());
            let answer = office.send(request).await;
            assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "not_found"), "{} {path}", route.method);
        }
        for (path, list) in [("/v1/calls", "calls"), ("/v1/devices", "devices")] {
            assert_eq!(office.get(&stranger, path).await.body, json!({ list: [] }));
            assert_eq!(office.get(&office.admin, path).await.body[list].as_array().unwrap().len(), 1);
        }
        assert_eq!(office.get(&phone.token, &format!("/v1/calls/{call}")).await.status, StatusCode::OK);
    }
}

fn filled(route: &Route, id: &str) -> String {
    route.path.replace("{id}", id)
}

async fn call(office: &Office) -> CallId {
    let id = CallId::new(MORNING, &mut office.app.random());
    let facts = CallFacts {
        id,
        tenant: office.tenant,
        direction: Direction::Inbound,
        from: "+81312345678".to_owned(),
        to: "+81350001000".to_owned(),
        user: None,
        device: None,
        state: CallState::Queued,
        outcome: None,
        started_at: MORNING,
        answered_at: None,
        ended_at: None,
    };
    let mut write = office.app.db.write(office.tenant).await.unwrap();
    write.put_call(&facts).await.unwrap();
    write.commit().await.unwrap();
    id
}

#[test]
fn the_list_of_operations_has_no_doubles() {
    let mut all: Vec<(Method, &str)> = serve::routes().into_iter().map(|route| (route.method, route.path)).collect();
    let count = all.len();
    all.sort_by(|a, b| (a.1, a.0.as_str()).cmp(&(b.1, b.0.as_str())));
    all.dedup();
    assert_eq!(all.len(), count);
}
