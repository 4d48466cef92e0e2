//! The fake FCM and its token endpoint against the rules of the real ones.

use std::time::Duration;

use callfield_fakes::{FakePush, Fault, FaultOrder, Service};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::start;

#[derive(Clone, Serialize)]
struct Claims {
    iss: String,
    aud: String,
    scope: String,
    iat: i64,
    exp: i64,
}

struct Scene {
    fakes: FakePush,
    client: Client,
    phone: String,
    bearer: String,
}

impl Scene {
    async fn new() -> Self {
        let fakes = start().await;
        let client = Client::connect(&fakes, &fakes.fcm.url()).await;
        let phone = fakes.delivery.install(Service::Fcm, &fakes.fcm.account().project_id);
        let mut scene = Self { fakes, client, phone, bearer: String::new() };
        scene.bearer = scene.sign_in().await;
        scene
    }

    fn claims(&self) -> Claims {
        let now_s = self.fakes.delivery.clock.now_s();
        Claims {
            iss: self.fakes.fcm.account().client_email.clone(),
            aud: self.fakes.fcm.token_uri(),
            scope: "https://www.googleapis.com/auth/firebase.messaging".to_owned(),
            iat: now_s,
            exp: now_s + 3_600,
        }
    }

    async fn ask_for_token(&self, claims: &Claims, key_id: &str) -> Answer {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
        header.kid = Some(key_id.to_owned());
        let key = self.fakes.fcm.account().private_key.as_bytes();
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(key).unwrap();
        let jwt = jsonwebtoken::encode(&header, claims, &key).unwrap();
        let body = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={jwt}");
        self.post_form(&body).await
    }

    async fn post_form(&self, body: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.client.post("/token", &headers, body).await.unwrap()
    }

    async fn sign_in(&self) -> String {
        let answer = self.ask_for_token(&self.claims(), &self.fakes.fcm.account().private_key_id).await;
        assert_eq!((answer.status, answer.body["expires_in"].as_i64()), (200, Some(3_599)));
        format!("Bearer {}", answer.body["access_token"].as_str().unwrap())
    }

    fn message(&self) -> Value {
        let android = json!({"priority": "high", "ttl": "45s"});
        json!({"message": {"token": self.phone, "data": {"callfield": "{}"}, "android": android}})
    }

    async fn send(&self, body: &Value) -> Answer {
        let path = format!("/v1/projects/{}/messages:send", self.fakes.fcm.account().project_id);
        self.send_to(&path, body).await
    }

    async fn send_to(&self, path: &str, body: &Value) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        self.client.post(path, &headers, &body.to_string()).await.unwrap()
    }
}

#[tokio::test]
async fn a_data_message_reaches_its_phone_and_the_ledger() {
    let scene = Scene::new().await;
    let answer = scene.send(&scene.message()).await;
    let name = answer.body["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("projects/callfield-fake/messages/0:"), "{name}");
    let push = scene.fakes.delivery.push_number(&scene.phone, 0).await;
    assert_eq!((push.push_type.as_str(), &push.payload), ("data", &json!({"callfield": "{}"})));
    assert_eq!((push.headers["priority"].as_str(), push.headers["ttl"].as_str()), ("high", "45s"));
    let ledger = scene.fakes.delivery.ledger();
    assert_eq!((&ledger[0].id, ledger[0].status), (&name, 200));
}

#[tokio::test]
async fn validate_only_delivers_nothing() {
    let scene = Scene::new().await;
    let mut message = scene.message();
    message["validate_only"] = json!(true);
    let answer = scene.send(&message).await;
    assert_eq!(answer.body["name"], "projects/callfield-fake/messages/fake_message_id");
    assert!(scene.fakes.delivery.pushes(&scene.phone, None).is_empty());
}

#[tokio::test]
async fn no_or_a_stale_access_token_is_unauthenticated() {
    let mut scene = Scene::new().await;
    scene.fakes.delivery.clock.advance(Duration::from_secs(3_600));
    assert_eq!(scene.send(&scene.message()).await.code(), (401, "UNAUTHENTICATED"));
    scene.bearer = scene.sign_in().await;
    assert_eq!(scene.send(&scene.message()).await.status, 200);
    scene.fakes.fcm.revoke_access_tokens();
    assert_eq!(scene.send(&scene.message()).await.code(), (401, "UNAUTHENTICATED"));
    scene.bearer = "Bearer guess".to_owned();
    assert_eq!(scene.send(&scene.message()).await.status, 401);
}

#[tokio::test]
async fn both_kinds_of_invalid_argument_can_be_told_apart() {
    let scene = Scene::new().await;
    let mut to_nobody = scene.message();
    to_nobody["message"]["token"] = json!("not-a-token");
    let answer = scene.send(&to_nobody).await;
    assert_eq!(answer.code(), (400, "INVALID_ARGUMENT"));
    let message = "The registration token is not a valid FCM registration token";
    assert_eq!(answer.body["error"]["message"], message);

    let mut with_number = scene.message();
    with_number["message"]["data"]["n"] = json!(5);
    let answer = scene.send(&with_number).await;
    assert_eq!(answer.body["error"]["status"], "INVALID_ARGUMENT");
    assert_eq!(answer.body["error"]["details"][0]["fieldViolations"][0]["field"], "message.data[1].value");
}

#[tokio::test]
async fn each_wrong_message_is_refused() {
    let scene = Scene::new().await;
    let with = |pointer: &str, value: Value| {
        let mut message = scene.message();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        message.pointer_mut(parent).unwrap()[key] = value;
        message
    };
    for wrong in [
        json!({}),
        json!([]),
        with("/message/colour", json!("red")),
        with("/message/topic", json!("news")),
        with("/message/data/from", json!("me")),
        with("/message/data/message_type", json!("x")),
        with("/message/data/google.x", json!("x")),
        with("/message/data/nested", json!({"a": "b"})),
        with("/message/data/callfield", json!("x".repeat(4_088))),
        with("/message/android/priority", json!("urgent")),
        with("/message/android/ttl", json!("45")),
        with("/message/android/ttl", json!(45)),
        with("/message/android/ttl", json!("2419201s")),
        with("/message/android/volume", json!("11")),
    ] {
        let answer = scene.send(&wrong).await;
        assert_eq!((answer.status, &answer.body["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "{wrong}");
    }
    assert!(scene.fakes.delivery.pushes(&scene.phone, None).is_empty());
    let fullest = with("/message/data/callfield", json!("x".repeat(4_087)));
    assert_eq!(scene.send(&fullest).await.status, 200);
}

#[tokio::test]
async fn a_removed_app_is_unregistered_and_a_strangers_is_a_mismatch() {
    let mut scene = Scene::new().await;
    scene.fakes.delivery.uninstall(&scene.phone, 1);
    let answer = scene.send(&scene.message()).await;
    assert_eq!(answer.code(), (404, "UNREGISTERED"));
    assert_eq!(answer.body["error"]["status"], "NOT_FOUND");
    scene.phone = scene.fakes.delivery.install(Service::Fcm, "somebody-elses-project");
    assert_eq!(scene.send(&scene.message()).await.code(), (403, "SENDER_ID_MISMATCH"));
    scene.phone = scene.fakes.delivery.install(Service::Apns, "com.callfield.app.voip");
    assert_eq!(scene.send(&scene.message()).await.code(), (400, "INVALID_ARGUMENT"));
}

#[tokio::test]
async fn only_its_own_project_may_be_sent_for() {
    let scene = Scene::new().await;
    let message = scene.message();
    let denied = scene.send_to("/v1/projects/other/messages:send", &message).await;
    assert_eq!(denied.code(), (403, "PERMISSION_DENIED"));
    assert_eq!(scene.send_to("/v1/projects/callfield-fake/messages", &message).await.status, 404);
    assert_eq!(scene.send_to("/fcm/send", &message).await.status, 404);
}

#[tokio::test]
async fn ordered_errors_have_googles_shape_and_may_say_when_to_come_again() {
    let scene = Scene::new().await;
    let status = |status, reason: &str, retry_after: Option<&str>| {
        let (reason, retry_after) = (reason.to_owned(), retry_after.map(ToOwned::to_owned));
        Fault::Status { status, reason, retry_after }
    };
    let script = vec![
        status(429, "QUOTA_EXCEEDED", Some("30")),
        status(429, "QUOTA_EXCEEDED", None),
        status(503, "UNAVAILABLE", None),
    ];
    scene.fakes.delivery.order(FaultOrder { service: Service::Fcm, script, seeded: None });
    let answer = scene.send(&scene.message()).await;
    assert_eq!(answer.code(), (429, "QUOTA_EXCEEDED"));
    assert_eq!(answer.headers["retry-after"], "30");
    assert!(!scene.send(&scene.message()).await.headers.contains_key("retry-after"));
    assert_eq!(scene.send(&scene.message()).await.code(), (503, "UNAVAILABLE"));
    assert_eq!(scene.send(&scene.message()).await.status, 200);
}

#[tokio::test]
async fn only_a_right_and_fresh_assertion_buys_an_access_token() {
    let scene = Scene::new().await;
    let good = scene.claims();
    let key_id = scene.fakes.fcm.account().private_key_id.clone();
    let old = Claims { iat: good.iat - 7_200, exp: good.exp - 7_200, ..good.clone() };
    for (wrong, error) in [
        (Claims { iss: "somebody@else".to_owned(), ..good.clone() }, "invalid_grant"),
        (Claims { aud: "https://oauth2.googleapis.com/token".to_owned(), ..good.clone() }, "invalid_grant"),
        (Claims { exp: good.exp + 1, ..good.clone() }, "invalid_grant"),
        (old, "invalid_grant"),
        (Claims { scope: "https://www.googleapis.com/auth/drive".to_owned(), ..good.clone() }, "invalid_scope"),
    ] {
        let answer = scene.ask_for_token(&wrong, &key_id).await;
        assert_eq!((answer.status, answer.body["error"].as_str()), (400, Some(error)));
    }
    let wrong_key = scene.ask_for_token(&good, "0000").await;
    assert_eq!(wrong_key.body["error_description"], "Invalid JWT Signature.");
    let wrong_grant = scene.post_form("grant_type=password&assertion=x").await;
    assert_eq!(wrong_grant.body["error"], "unsupported_grant_type");
    assert_eq!(scene.fakes.fcm.access_tokens_issued(), 1);
}

#[tokio::test]
async fn an_assertion_signed_by_another_key_buys_nothing() {
    let scene = Scene::new().await;
    let other = callfield_fakes::FcmAccount::new().unwrap();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = Some(scene.fakes.fcm.account().private_key_id.clone());
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(other.private_key.as_bytes()).unwrap();
    let jwt = jsonwebtoken::encode(&header, &scene.claims(), &key).unwrap();
    let body = format!("grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion={jwt}");
    assert_eq!(scene.post_form(&body).await.body["error_description"], "Invalid JWT Signature.");
}
