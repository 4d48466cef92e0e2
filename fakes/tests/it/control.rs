//! The control API and the files that the program writes.

use bytes::Bytes;
use callfield_fakes::{FakePush, Fault, FaultOrder, Service};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::Client;
use crate::{provider_token, start};

async fn connect(fakes: &FakePush) -> SendRequest<Full<Bytes>> {
    let url = fakes.control.url();
    let tcp = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn open(fakes: &FakePush, method: &str, path: &str, body: &str) -> http::Response<Incoming> {
    let body = Full::new(Bytes::from(body.to_owned()));
    let request = Request::builder().method(method).uri(path).header("host", "localhost").body(body).unwrap();
    connect(fakes).await.send_request(request).await.unwrap()
}

async fn ask(fakes: &FakePush, method: &str, path: &str, body: &str) -> (u16, Value) {
    let response = open(fakes, method, path, body).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn next_line(body: &mut Incoming) -> Value {
    let frame = body.frame().await.unwrap().unwrap();
    serde_json::from_slice(frame.data_ref().unwrap()).unwrap()
}

async fn push(fakes: &FakePush, phone: &str) -> u16 {
    let client = Client::connect(fakes, &fakes.apns.url()).await;
    let token = provider_token(fakes, fakes.delivery.clock.now_s());
    let topic = fakes.apns.account().voip_topic();
    let headers = [("authorization", token.as_str()), ("apns-topic", topic.as_str()), ("apns-push-type", "voip")];
    client.post(&format!("/3/device/{phone}"), &headers, r#"{"aps":{},"callfield":{"v":1}}"#).await.unwrap().status
}

#[tokio::test]
async fn a_phone_follows_its_pushes_from_the_first_or_from_where_it_was() {
    let fakes = start().await;
    let (status, phone) = ask(&fakes, "POST", "/phones", r#"{"service":"apns"}"#).await;
    assert_eq!(status, 201);
    let phone = phone["token"].as_str().unwrap().to_owned();
    let mut pushes = open(&fakes, "GET", &format!("/phones/{phone}/pushes"), "").await.into_body();
    assert_eq!(push(&fakes, &phone).await, 200);
    let line = next_line(&mut pushes).await;
    assert_eq!((&line["n"], &line["service"], &line["push_type"]), (&json!(0), &json!("apns"), &json!("voip")));
    assert_eq!(line["payload"]["callfield"], json!({"v": 1}));
    assert_eq!(push(&fakes, &phone).await, 200);
    assert_eq!(next_line(&mut pushes).await["n"], 1);
    let mut later = open(&fakes, "GET", &format!("/phones/{phone}/pushes?after=0"), "").await.into_body();
    assert_eq!(next_line(&mut later).await["n"], 1);
}

#[tokio::test]
async fn a_removed_phone_is_dead_to_its_service() {
    let fakes = start().await;
    let (_, phone) = ask(&fakes, "POST", "/phones", r#"{"service":"apns"}"#).await;
    let phone = phone["token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&fakes, "DELETE", &format!("/phones/{phone}"), "").await.0, 200);
    assert_eq!(push(&fakes, &phone).await, 410);
    let (_, ledger) = ask(&fakes, "GET", "/ledger", "").await;
    assert_eq!((&ledger[0]["status"], &ledger[0]["reason"]), (&json!(410), &json!("Unregistered")));
}

#[tokio::test]
async fn faults_are_ordered_over_http() {
    let fakes = start().await;
    let order = r#"{"service":"apns","script":[{"kind":"status","status":503,"reason":"ServiceUnavailable"}]}"#;
    assert_eq!(ask(&fakes, "POST", "/faults", order).await.0, 200);
    let phone = fakes.delivery.install(Service::Apns, &fakes.apns.account().voip_topic());
    assert_eq!(push(&fakes, &phone).await, 503);
    assert_eq!(push(&fakes, &phone).await, 200);
}

#[tokio::test]
async fn what_control_does_not_understand_is_refused() {
    let fakes = start().await;
    for (method, path, body, status) in [
        ("POST", "/phones", r#"{"service":"pager"}"#, 400),
        ("POST", "/phones", r#"{"service":"oauth"}"#, 400),
        ("POST", "/phones", "{", 400),
        ("POST", "/faults", r#"{"service":"apns","script":[{"kind":"meteor"}]}"#, 400),
        ("GET", "/phones/nobody/pushes", "", 404),
        ("DELETE", "/phones/nobody", "", 404),
        ("GET", "/", "", 404),
    ] {
        assert_eq!(ask(&fakes, method, path, body).await.0, status, "{method} {path} {body}");
    }
    let phone = fakes.delivery.install(Service::Fcm, "p");
    assert_eq!(ask(&fakes, "GET", &format!("/phones/{phone}/pushes?since=1"), "").await.0, 400);
}

#[tokio::test]
async fn the_files_name_what_is_running() {
    let fakes = start().await;
    let folder = tempfile::tempdir().unwrap();
    fakes.write_to(folder.path()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let ready: Value = serde_json::from_str(&read("ready.json")).unwrap();
    assert_eq!(ready["apns_url"], fakes.apns.url());
    assert_eq!(ready["control_url"], fakes.control.url());
    assert!(read("ca.pem").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(read("apns.p8").starts_with("-----BEGIN PRIVATE KEY-----"));
    let account: Value = serde_json::from_str(&read("service-account.json")).unwrap();
    assert_eq!(account["token_uri"], ready["token_uri"]);
    assert!(read("push.toml").contains(&format!("url = \"{}\"", fakes.fcm.url())));
    assert!(!folder.path().join("ready.json.new").exists());
}

#[tokio::test]
async fn a_stopped_fake_answers_nobody() {
    let fakes = start().await;
    let address = fakes.control.url().strip_prefix("http://").unwrap().to_owned();
    fakes.delivery.order(FaultOrder { service: Service::Apns, script: vec![Fault::Pass], seeded: None });
    drop(fakes);
    // The port is closed by the aborted task, which the runtime drops when it next runs it.
    tokio::task::yield_now().await;
    assert!(TcpStream::connect(address).await.is_err());
}
