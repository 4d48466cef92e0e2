//! The fake APNs against the rules of the real one.

use std::time::Duration;

use callfield_fakes::{FakePush, Fault, FaultOrder, Service};
use h2::Reason;

use crate::client::{Answer, Client};
use crate::{provider_token, signed_by, start};

const BODY: &str = r#"{"aps":{},"callfield":{"v":1}}"#;
const PUSH_ID: &str = "0b1a2c3d-0000-4000-8000-0123456789ab";

struct Scene {
    fakes: FakePush,
    client: Client,
    phone: String,
    topic: String,
    token: String,
}

impl Scene {
    async fn new() -> Self {
        let fakes = start().await;
        let client = Client::connect(&fakes, &fakes.apns.url()).await;
        let topic = fakes.apns.account().voip_topic();
        let phone = fakes.delivery.install(Service::Apns, &topic);
        let token = provider_token(&fakes, fakes.delivery.clock.now_s());
        Self { fakes, client, phone, topic, token }
    }

    fn voip(&self) -> Vec<(&str, &str)> {
        vec![
            ("authorization", self.token.as_str()),
            ("apns-topic", self.topic.as_str()),
            ("apns-push-type", "voip"),
            ("apns-priority", "10"),
            ("apns-expiration", "0"),
            ("apns-id", PUSH_ID),
        ]
    }

    /// The usual headers with one replaced, or left out if the value is empty.
    fn voip_but<'a>(&'a self, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut headers = self.voip();
        headers.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            headers.push((name, value));
        }
        headers
    }

    async fn push(&self, headers: &[(&str, &str)]) -> Answer {
        self.client.post(&format!("/3/device/{}", self.phone), headers, BODY).await.unwrap()
    }
}

#[tokio::test]
async fn a_voip_push_reaches_its_phone_and_the_ledger() {
    let scene = Scene::new().await;
    let answer = scene.push(&scene.voip()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["apns-id"], PUSH_ID);
    let push = scene.fakes.delivery.push_number(&scene.phone, 0).await;
    assert_eq!((push.push_type.as_str(), push.headers["apns-priority"].as_str()), ("voip", "10"));
    assert_eq!(push.payload["callfield"]["v"], 1);
    assert!(!push.headers.contains_key("authorization"));
    let ledger = scene.fakes.delivery.ledger();
    assert_eq!((ledger[0].id.as_str(), ledger[0].status, ledger.len()), (PUSH_ID, 200, 1));
}

#[tokio::test]
async fn a_push_without_an_id_is_given_one() {
    let scene = Scene::new().await;
    let answer = scene.push(&scene.voip_but("apns-id", "")).await;
    assert_eq!((answer.status, answer.headers["apns-id"].len()), (200, 36));
}

#[tokio::test]
async fn each_wrong_header_is_refused_with_its_reason() {
    let scene = Scene::new().await;
    let plain = scene.fakes.apns.account().bundle_id.clone();
    let odd = format!("{plain}.odd");
    let long = "c".repeat(65);
    for (name, value, reason) in [
        ("apns-topic", "", "MissingTopic"),
        ("apns-topic", "com.somebody.else", "TopicDisallowed"),
        ("apns-topic", plain.as_str(), "InvalidPushType"),
        ("apns-topic", odd.as_str(), "BadTopic"),
        ("apns-push-type", "ringing", "InvalidPushType"),
        ("apns-push-type", "alert", "InvalidPushType"),
        ("apns-push-type", "", "InvalidPushType"),
        ("apns-priority", "7", "BadPriority"),
        ("apns-expiration", "soon", "BadExpirationDate"),
        ("apns-id", "4711", "BadMessageId"),
        ("apns-collapse-id", long.as_str(), "BadCollapseId"),
    ] {
        let answer = scene.push(&scene.voip_but(name, value)).await;
        assert_eq!(answer.reason(), (400, reason), "{name}: {value}");
    }
    let mut twice = scene.voip();
    twice.push(("apns-priority", "10"));
    assert_eq!(scene.push(&twice).await.reason(), (400, "DuplicateHeaders"));
    assert!(scene.fakes.delivery.pushes(&scene.phone, None).is_empty());
}

#[tokio::test]
async fn a_background_push_must_have_priority_5() {
    let mut scene = Scene::new().await;
    scene.topic = scene.fakes.apns.account().bundle_id.clone();
    scene.phone = scene.fakes.delivery.install(Service::Apns, &scene.topic);
    let with_priority = |priority| {
        let mut headers = scene.voip_but("apns-push-type", "background");
        headers.retain(|(name, _)| *name != "apns-priority");
        headers.push(("apns-priority", priority));
        headers
    };
    assert_eq!(scene.push(&with_priority("10")).await.reason(), (400, "BadPriority"));
    assert_eq!(scene.push(&with_priority("5")).await.status, 200);
}

#[tokio::test]
async fn a_token_of_another_topic_is_refused() {
    let mut scene = Scene::new().await;
    scene.phone = scene.fakes.delivery.install(Service::Apns, "com.callfield.app");
    assert_eq!(scene.push(&scene.voip()).await.reason(), (400, "DeviceTokenNotForTopic"));
}

#[tokio::test]
async fn an_unknown_or_malformed_device_token_is_bad() {
    let mut scene = Scene::new().await;
    for token in ["ab".repeat(32), "zz".repeat(32), "abcd".to_owned()] {
        scene.phone = token;
        assert_eq!(scene.push(&scene.voip()).await.reason(), (400, "BadDeviceToken"));
    }
}

#[tokio::test]
async fn a_removed_app_is_unregistered_since_a_millisecond() {
    let scene = Scene::new().await;
    scene.fakes.delivery.uninstall(&scene.phone, 1_790_000_000_123);
    let answer = scene.push(&scene.voip()).await;
    assert_eq!(answer.reason(), (410, "Unregistered"));
    assert_eq!(answer.body["timestamp"], 1_790_000_000_123_i64);
}

#[tokio::test]
async fn paths_and_methods_are_checked() {
    let scene = Scene::new().await;
    let path = format!("/3/device/{}", scene.phone);
    let ask = |method: &'static str, path: String| {
        let (client, headers) = (&scene.client, scene.voip());
        async move { client.request(method, &path, &headers, BODY).await.unwrap() }
    };
    assert_eq!(ask("GET", path.clone()).await.reason(), (405, "MethodNotAllowed"));
    assert_eq!(ask("POST", format!("/2/device/{}", scene.phone)).await.reason(), (404, "BadPath"));
    assert_eq!(ask("POST", "/3/device/".to_owned()).await.reason(), (400, "MissingDeviceToken"));
}

#[tokio::test]
async fn payloads_have_a_floor_and_a_ceiling() {
    let scene = Scene::new().await;
    let path = format!("/3/device/{}", scene.phone);
    let of_size = |size: usize| format!(r#"{{"aps":{{}},"x":"{}"}}"#, "y".repeat(size - 17));
    let send = |body: String| {
        let (client, path, headers) = (&scene.client, &path, scene.voip());
        async move { client.post(path, &headers, &body).await.unwrap() }
    };
    assert_eq!(of_size(5_120).len(), 5_120);
    assert_eq!(send(String::new()).await.reason(), (400, "PayloadEmpty"));
    assert_eq!(send(of_size(5_121)).await.reason(), (413, "PayloadTooLarge"));
    assert_eq!(send(of_size(5_120)).await.status, 200);
}

#[tokio::test]
async fn an_alert_may_have_4096_bytes() {
    let mut scene = Scene::new().await;
    scene.topic = scene.fakes.apns.account().bundle_id.clone();
    scene.phone = scene.fakes.delivery.install(Service::Apns, &scene.topic);
    let path = format!("/3/device/{}", scene.phone);
    let alert = scene.voip_but("apns-push-type", "alert");
    let of_size = |size: usize| format!(r#"{{"aps":{{}},"x":"{}"}}"#, "y".repeat(size - 17));
    let too_large = scene.client.post(&path, &alert, &of_size(4_097)).await.unwrap();
    assert_eq!(too_large.reason(), (413, "PayloadTooLarge"));
    assert_eq!(scene.client.post(&path, &alert, &of_size(4_096)).await.unwrap().status, 200);
}

#[tokio::test]
async fn only_the_teams_own_key_is_believed() {
    let scene = Scene::new().await;
    let account = scene.fakes.apns.account();
    let now_s = scene.fakes.delivery.clock.now_s();
    let stranger = callfield_fakes::ApnsAccount::new().unwrap();
    for wrong in [
        signed_by(&stranger.p8, &account.key_id, &account.team_id, now_s),
        signed_by(&account.p8, "OTHERKEY01", &account.team_id, now_s),
        signed_by(&account.p8, &account.key_id, "OTHERTEAM1", now_s),
        signed_by(&account.p8, &account.key_id, &account.team_id, now_s + 600),
        scene.token.replace("bearer", "basic"),
        "bearer x.y.z".to_owned(),
    ] {
        let answer = scene.push(&scene.voip_but("authorization", &wrong)).await;
        assert_eq!(answer.reason(), (403, "InvalidProviderToken"));
    }
    let missing = scene.push(&scene.voip_but("authorization", "")).await;
    assert_eq!(missing.reason(), (403, "MissingProviderToken"));
}

#[tokio::test]
async fn a_provider_token_expires_after_an_hour() {
    let scene = Scene::new().await;
    scene.fakes.delivery.clock.advance(Duration::from_secs(3_590));
    assert_eq!(scene.push(&scene.voip()).await.status, 200);
    scene.fakes.delivery.clock.advance(Duration::from_secs(20));
    assert_eq!(scene.push(&scene.voip()).await.reason(), (403, "ExpiredProviderToken"));
}

#[tokio::test]
async fn a_new_provider_token_within_20_minutes_is_one_too_many() {
    let scene = Scene::new().await;
    assert_eq!(scene.push(&scene.voip()).await.status, 200);
    let renewed = provider_token(&scene.fakes, scene.fakes.delivery.clock.now_s() - 1);
    let answer = scene.push(&scene.voip_but("authorization", &renewed)).await;
    assert_eq!(answer.reason(), (429, "TooManyProviderTokenUpdates"));
    scene.fakes.delivery.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(scene.push(&scene.voip_but("authorization", &renewed)).await.status, 200);
}

#[tokio::test]
async fn one_stream_until_the_first_valid_provider_token_then_many() {
    let scene = Scene::new().await;
    let slow = FaultOrder { service: Service::Apns, script: vec![Fault::Slow { ms: 50 }; 3], seeded: None };
    scene.fakes.delivery.order(slow);
    let headers = scene.voip();
    let (first, second) = tokio::join!(scene.push(&headers), async {
        scene.client.post(&format!("/3/device/{}", scene.phone), &headers, BODY).await
    });
    assert_eq!(first.status, 200);
    assert_eq!(second.unwrap_err().reason(), Some(Reason::REFUSED_STREAM));
    let (third, fourth) = tokio::join!(scene.push(&headers), scene.push(&headers));
    assert_eq!((third.status, fourth.status), (200, 200));
}
