//! Bad input: the right status, the one error shape, nothing half done.

use axum::body::Body;
use callfield_domain::DeviceId;
use http::{Method, Request, StatusCode, header};
use serde_json::json;

use crate::office::{MORNING, Office, enrolment, request};
use crate::testing;

#[tokio::test]
async fn a_body_that_is_no_json_is_400_and_a_wrong_one_422() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let cases = [
        ("{\"name\": ", StatusCode::BAD_REQUEST, "malformed_json"),
        ("", StatusCode::BAD_REQUEST, "malformed_json"),
        ("{\"name\": 5}", StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
        ("{}", StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
        ("{\"name\": \"A\", \"role\": \"admin\"}", StatusCode::UNPROCESSABLE_ENTITY, "invalid_body"),
        ("{\"name\": \"  \"}", StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"),
    ];
    for (body, status, code) in cases {
        let answer = office.send(request(Method::POST, "/v1/users", &office.admin, Body::from(body))).await;
        assert_eq!((answer.status, answer.error()), (status, code), "{body}");
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_415_and_a_long_one_413() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let mut form = request(Method::POST, "/v1/users", &office.admin, Body::from("name=A"));
    form.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    let answer = office.send(form).await;
    assert_eq!((answer.status, answer.error()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"));

    let long = json!({ "name": "A".repeat(70_000) });
    let answer = office.post(&office.admin, "/v1/users", long).await;
    assert_eq!((answer.status, answer.error()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
}

#[tokio::test]
async fn an_unknown_path_is_404_and_an_unknown_method_405() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let answer = office.get(&office.admin, "/v1/nothing").await;
    assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "no_such_path"));
    let answer = office.send(request(Method::DELETE, "/v1/users", &office.admin, Body::empty())).await;
    assert_eq!((answer.status, answer.error()), (StatusCode::METHOD_NOT_ALLOWED, "no_such_method"));
}

#[tokio::test]
async fn what_is_no_id_names_nothing_and_a_wrong_query_is_400() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    for path in ["/v1/calls/not-an-id", "/v1/calls/not-an-id/timeline", "/v1/calls/%00"] {
        let answer = office.get(&office.admin, path).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::NOT_FOUND, "not_found"), "{path}");
    }
    for path in ["/v1/calls?limit=many", "/v1/calls?before=x", "/v1/calls?page=2"] {
        let answer = office.get(&office.admin, path).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::BAD_REQUEST, "invalid_query"), "{path}");
    }
    let answer = office.get(&office.admin, "/v1/calls?limit=0").await;
    assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
}

#[tokio::test]
async fn a_number_twice_is_409_and_one_that_is_none_422() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let number = json!({ "e164": "+81350001000", "route": "record_owner" });
    assert_eq!(office.post(&office.admin, "/v1/numbers", number.clone()).await.status, StatusCode::CREATED);
    let again = office.post(&office.admin, "/v1/numbers", number).await;
    assert_eq!((again.status, again.error()), (StatusCode::CONFLICT, "number_taken"));
    for wrong in ["0350001000", "+0350001000", "+81 350001000", "+", "+12345678901234567"] {
        let answer = office.post(&office.admin, "/v1/numbers", json!({ "e164": wrong, "route": "record_owner" })).await;
        assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"), "{wrong}");
    }
    let route = json!({ "e164": "+81350001001", "route": "nowhere" });
    assert_eq!(office.post(&office.admin, "/v1/numbers", route).await.error(), "invalid_body");
}

#[tokio::test]
async fn a_refused_device_leaves_its_code_usable() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let code = office.code(&office.user("Suzuki").await).await;
    let id = DeviceId::new(MORNING, &mut office.app.random());
    let mut short_key = enrolment(&code, id);
    short_key["device"]["public_key"] = json!("AAAA");
    let answer = office.post("", "/v1/enrol", short_key).await;
    assert_eq!((answer.status, answer.error()), (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"));
    assert_eq!(office.post("", "/v1/enrol", enrolment(&code, id)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn health_answers_anybody_and_metrics_only_this_machine() {
    let (db, _folder) = testing::sqlite().await;
    let office = Office::open(db).await;
    let health = office.get("", "/health").await;
    assert_eq!(health.status, StatusCode::OK);
    assert_eq!(health.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(health.body, json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "database": "sqlite" }));

    let from = |peer: &str| {
        let mut request = Request::get("/metrics").body(Body::empty()).unwrap();
        let peer: std::net::SocketAddr = peer.parse().unwrap();
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        office.send(request)
    };
    assert_eq!(from("127.0.0.1:5000").await.status, StatusCode::OK);
    assert_eq!(from("[::ffff:127.0.0.1]:5000").await.status, StatusCode::OK);
    assert_eq!(from("192.0.2.1:5000").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(office.get(&office.admin, "/metrics").await.status, StatusCode::OK);
}
