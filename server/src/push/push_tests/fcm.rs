//! The FCM client against the fake FCM and its token endpoint.

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::Timestamp;
use callfield_fakes::Service;
use futures_util::future::join_all;
use serde_json::json;

use super::{Services, status};
use crate::app::clock::Clock;
use crate::push::Senders;
use crate::push::connection::Handover;
use crate::push::fcm::{Code, FcmClient, FcmError, FcmPush};

fn client(services: &Services, clock: &Clock) -> FcmClient {
    services.senders(clock).fcm.unwrap()
}

async fn push(client: &FcmClient, token: &str) -> Result<String, FcmError> {
    let push = FcmPush {
        token,
        data: json!({ "callfield": r#"{"v":1}"# }),
        is_urgent: true,
        time_to_live: Duration::from_secs(45),
    };
    client.send(&push, &Arc::new(Handover::default())).await
}

#[tokio::test]
async fn a_data_message_of_high_priority_is_accepted() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Fcm);
    let name = push(&client, &phone).await.unwrap();
    assert!(name.starts_with("projects/callfield-fake/messages/0:"), "{name}");
    let push = services.fakes.delivery.push_number(&phone, 0).await;
    assert_eq!((push.push_type.as_str(), push.payload), ("data", json!({ "callfield": r#"{"v":1}"# })));
    assert_eq!(serde_json::to_value(&push.headers).unwrap(), json!({ "priority": "high", "ttl": "45s" }));
}

#[tokio::test]
async fn one_access_token_serves_all_until_five_minutes_before_its_end() {
    let services = Services::start().await;
    let clock = Clock::manual(Timestamp::from_millis(services.fakes.delivery.clock.now_ms()));
    let client = client(&services, &clock);
    let phone = services.install(Service::Fcm);
    client.warm().await.unwrap();
    assert!(join_all((0..10).map(|_| push(&client, &phone))).await.iter().all(Result::is_ok));
    clock.advance(Duration::from_secs(3_298));
    assert!(push(&client, &phone).await.is_ok());
    assert_eq!(services.fakes.fcm.access_tokens_issued(), 1);
    clock.advance(Duration::from_secs(2));
    services.fakes.delivery.clock.advance(Duration::from_secs(3_300));
    assert!(push(&client, &phone).await.is_ok());
    assert_eq!(services.fakes.fcm.access_tokens_issued(), 2);
}

#[tokio::test]
async fn a_stale_access_token_is_replaced_once_for_all_who_need_it() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Fcm);
    assert!(push(&client, &phone).await.is_ok());
    services.fakes.fcm.revoke_access_tokens();
    assert!(join_all((0..10).map(|_| push(&client, &phone))).await.iter().all(Result::is_ok));
    assert_eq!(services.fakes.fcm.access_tokens_issued(), 2);
}

#[tokio::test]
async fn a_second_401_is_an_error() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Fcm);
    services.order(Service::Fcm, [status(401, "UNAUTHENTICATED", None), status(401, "UNAUTHENTICATED", None)]);
    assert_eq!(push(&client, &phone).await.unwrap_err().code(), Some(&Code::Unauthenticated));
    assert_eq!(services.fakes.fcm.access_tokens_issued(), 2);
}

#[tokio::test]
async fn a_service_account_that_google_does_not_know_says_so() {
    let mut services = Services::start().await;
    let file = services.folder.path().join("service-account.json");
    let account = std::fs::read_to_string(&file).unwrap().replace("push@callfield", "nobody@callfield");
    std::fs::write(&file, account).unwrap();
    services.config.push.fcm.as_mut().unwrap().service_account_file = file;
    let client = client(&services, &Clock::System);
    let error = client.warm().await.unwrap_err();
    assert_eq!(error.to_string(), "no access token: invalid_grant (400)");
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_asked_again_by_the_next_push() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Fcm);
    services.order(Service::Oauth, [status(503, "temporarily_unavailable", Some("9"))]);
    let error = push(&client, &phone).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(9)));
    assert!(push(&client, &phone).await.is_ok());
}

#[tokio::test]
async fn retry_after_of_a_quota_comes_out() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Fcm);
    services.order(Service::Fcm, [status(429, "QUOTA_EXCEEDED", Some("30")), status(503, "UNAVAILABLE", None)]);
    let quota = push(&client, &phone).await.unwrap_err();
    assert_eq!((quota.code(), quota.retry_after()), (Some(&Code::QuotaExceeded), Some(Duration::from_secs(30))));
    let overload = push(&client, &phone).await.unwrap_err();
    assert_eq!((overload.code(), overload.retry_after()), (Some(&Code::Unavailable), None));
}

#[tokio::test]
async fn dead_tokens_are_told_from_wrong_configuration() {
    let services = Services::start().await;
    let client = client(&services, &Clock::System);
    let phone = services.install(Service::Fcm);
    services.fakes.delivery.uninstall(&phone, 1);
    assert!(push(&client, &phone).await.unwrap_err().condemns());
    assert!(push(&client, "no token").await.unwrap_err().condemns());
    let strangers = services.fakes.delivery.install(Service::Fcm, "another-project");
    let mismatch = push(&client, &strangers).await.unwrap_err();
    assert_eq!((mismatch.code(), mismatch.condemns()), (Some(&Code::SenderIdMismatch), false));
}

#[tokio::test]
async fn a_file_that_is_no_service_account_is_named() {
    let mut services = Services::start().await;
    services.config.push.fcm.as_mut().unwrap().service_account_file = services.folder.path().join("ca.pem");
    let error = Senders::load(&services.config.push, &Clock::System).err().unwrap().to_string();
    assert!(error.contains("ca.pem holds no service account"), "{error}");
}
