//! The APNs client against the fake APNs.

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::Timestamp;
use callfield_fakes::{Delivery, FakeApns, Fault, Service};
use serde_json::json;
use uuid::Uuid;

use super::{Services, status};
use crate::app::clock::Clock;
use crate::db::PushEnvironment;
use crate::push::Senders;
use crate::push::apns::{ApnsClient, ApnsError, ApnsKind, ApnsPush, Reason};
use crate::push::connection::{Handover, TransportError};

fn client(services: &Services, clock: &Clock) -> ApnsClient {
    services.senders(clock).apns.unwrap()
}

async fn push(client: &ApnsClient, token: &str, number: u128) -> Result<String, ApnsError> {
    push_to(client, token, PushEnvironment::Production, number).await
}

async fn push_to(
    client: &ApnsClient,
    token: &str,
    environment: PushEnvironment,
    number: u128,
) -> Result<String, ApnsError> {
    let payload = json!({ "aps": {}, "callfield": { "v": 1 } });
    let push = ApnsPush {
        token,
        environment,
        id: Uuid::from_u128(number),
        payload: &payload,
        kind: ApnsKind::Voip,
        bundle: None,
    };
    client.send(&push, &Arc::new(Handover::default())).await
}

#[tokio::test]
async fn a_voip_push_is_accepted_under_the_id_it_was_given() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Apns);
    let id = push(&client, &phone, 7).await.unwrap();
    assert_eq!(id, Uuid::from_u128(7).to_string());
    let push = services.fakes.delivery.push_number(&phone, 0).await;
    let headers = serde_json::to_value(&push.headers).unwrap();
    assert_eq!(
        headers,
        json!({
            "apns-id": id,
            "apns-topic": "com.callfield.app.voip",
            "apns-push-type": "voip",
            "apns-priority": "10",
            "apns-expiration": "0",
        })
    );
    assert_eq!(push.payload["aps"], json!({}));
}

#[tokio::test]
async fn many_pushes_on_a_cold_connection_all_arrive() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Apns);
    // While the first is unanswered the service refuses every other stream.
    services.order(Service::Apns, [Fault::Slow { ms: 200 }]);
    let mut pushes = Vec::new();
    for number in 0..20 {
        pushes.push(push(&client, &phone, number));
    }
    assert!(futures_util::future::join_all(pushes).await.iter().all(Result::is_ok));
    assert_eq!(services.fakes.delivery.pushes(&phone, None).len(), 20);
}

#[tokio::test]
async fn a_wrong_key_id_is_named_by_apples_reason() {
    let mut services = Services::start().await;
    services.config.push.apns.as_mut().unwrap().key_id = "WRONGKEY01".to_owned();
    let client = client(&services, &Clock::System);
    let error = push(&client, &services.install(Service::Apns), 1).await.unwrap_err();
    assert_eq!(error.to_string(), "InvalidProviderToken (403)");
    assert!(!error.condemns(Timestamp::ZERO));
}

#[tokio::test]
async fn a_removed_app_is_known_with_the_moment_it_was_found_out() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Apns);
    services.fakes.delivery.uninstall(&phone, 5_000);
    let error = push(&client, &phone, 1).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::Unregistered));
    assert!(error.condemns(Timestamp::from_millis(4_999)) && !error.condemns(Timestamp::from_millis(5_000)));
}

#[tokio::test]
async fn retry_after_comes_out_as_seconds_and_as_a_date() {
    let services = Services::start().await;
    let clock = Clock::manual(Timestamp::from_millis(784_111_747_000));
    let client = client(&services, &clock);
    let phone = services.install(Service::Apns);
    services.order(
        Service::Apns,
        [
            status(429, "TooManyRequests", Some("17")),
            status(503, "ServiceUnavailable", Some("Sun, 06 Nov 1994 08:49:37 GMT")),
            status(429, "TooManyRequests", None),
        ],
    );
    let mut waits = Vec::new();
    for number in 0..3 {
        waits.push(push(&client, &phone, number).await.unwrap_err().retry_after().map(|wait| wait.as_secs()));
    }
    assert_eq!(waits, [Some(17), Some(30), None]);
}

#[tokio::test]
async fn a_provider_token_is_renewed_before_apple_calls_it_expired() {
    let services = Services::start().await;
    let clock = Clock::manual(Timestamp::from_millis(services.fakes.delivery.clock.now_ms()));
    let client = client(&services, &clock);
    let phone = services.install(Service::Apns);
    for number in 0..5 {
        assert!(push(&client, &phone, number).await.is_ok(), "push {number}");
        let quarter = Duration::from_secs(25 * 60);
        clock.advance(quarter);
        services.fakes.delivery.clock.advance(quarter);
    }
}

#[tokio::test]
async fn an_expired_provider_token_is_replaced_once_if_it_is_old_enough() {
    let services = Services::start().await;
    let clock = Clock::manual(Timestamp::from_millis(services.fakes.delivery.clock.now_ms()));
    let client = client(&services, &clock);
    let phone = services.install(Service::Apns);
    assert!(push(&client, &phone, 1).await.is_ok());
    services.order(Service::Apns, [status(403, "ExpiredProviderToken", None)]);
    let too_young = push(&client, &phone, 2).await.unwrap_err();
    assert_eq!(too_young.reason(), Some(&Reason::ExpiredProviderToken));
    let half_an_hour = Duration::from_secs(30 * 60);
    clock.advance(half_an_hour);
    services.fakes.delivery.clock.advance(half_an_hour);
    services.order(Service::Apns, [status(403, "ExpiredProviderToken", None)]);
    assert!(push(&client, &phone, 3).await.is_ok());
}

#[tokio::test]
async fn a_token_of_the_other_environment_is_tried_there_once() {
    let mut services = Services::start().await;
    let sandbox_phones = Delivery::new();
    let account = services.fakes.apns.account().clone();
    let sandbox = FakeApns::start_for(account, &services.fakes.authority, sandbox_phones.clone()).await.unwrap();
    services.config.push.apns.as_mut().unwrap().sandbox_url = Some(sandbox.url());
    let client = client(&services, &Clock::System);
    let development_build = sandbox_phones.install(Service::Apns, &sandbox.account().voip_topic());
    assert!(push_to(&client, &development_build, PushEnvironment::Sandbox, 1).await.is_ok());
    assert!(push_to(&client, &development_build, PushEnvironment::Production, 2).await.is_ok());
    assert_eq!(services.answered(Service::Apns, 400), 1);
    let nobody = push_to(&client, &"ab".repeat(32), PushEnvironment::Sandbox, 3).await.unwrap_err();
    assert_eq!(nobody.reason(), Some(&Reason::BadDeviceToken));
}

#[tokio::test]
async fn a_token_that_is_no_hex_never_leaves_the_house() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    for token in ["", "../../x", "ab?c=d", "日本"] {
        assert_eq!(push(&client, token, 1).await, Err(ApnsError::Unsendable));
    }
    assert!(services.fakes.delivery.ledger().is_empty());
}

#[tokio::test]
async fn a_service_with_another_authority_is_not_believed() {
    let mut services = Services::start().await;
    services.config.push.apns.as_mut().unwrap().ca_file = None;
    let client = client(&services, &Clock::System);
    let error = push(&client, &services.install(Service::Apns), 1).await.unwrap_err();
    assert!(matches!(error, ApnsError::Transport(TransportError::Tls(_))), "{error}");
}

#[tokio::test]
async fn a_missing_or_wrong_file_is_named_when_settings_are_loaded() {
    let services = Services::start().await;
    let load = |change: &dyn Fn(&mut crate::config::Apns)| {
        let mut push = services.config.push.clone();
        change(push.apns.as_mut().unwrap());
        Senders::load(&push, &Clock::System).err().unwrap().to_string()
    };
    let ca_file = services.folder.path().join("ca.pem");
    let missing = load(&|apns| apns.key_file = "/nowhere/AuthKey.p8".into());
    assert!(missing.contains("/nowhere/AuthKey.p8"), "{missing}");
    let no_key = load(&|apns| apns.key_file.clone_from(&ca_file));
    assert!(no_key.contains("ca.pem holds no P-256 key"), "{no_key}");
    let no_certificate = load(&|apns| apns.ca_file = Some(apns.key_file.clone()));
    assert!(no_certificate.contains("apns.p8 holds no certificate"), "{no_certificate}");
    let plain = load(&|apns| apns.url = "http://localhost:1".to_owned());
    assert_eq!(plain, "push: `http://localhost:1` is not an https URL");
}

#[tokio::test]
async fn a_push_is_noted_as_written_before_it_is_answered() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Apns);
    services.order(Service::Apns, [Fault::Slow { ms: 60_000 }]);
    let handover = Arc::new(Handover::default());
    let payload = json!({ "aps": {} });
    let environment = PushEnvironment::Production;
    let push =
        ApnsPush { token: &phone, environment, id: Uuid::nil(), payload: &payload, kind: ApnsKind::Voip, bundle: None };
    tokio::select! {
        () = handover.written.notified() => {}
        _ = client.send(&push, &handover) => panic!("a push that is answered in a minute was answered first"),
    }
    assert!(services.fakes.delivery.ledger().is_empty());
}
