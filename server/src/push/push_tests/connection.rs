//! A connection that breaks in each of the ways that services break one.

use std::sync::Arc;

use bytes::Bytes;
use callfield_fakes::{Fault, Service};
use http::Request;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::Services;
use crate::app::clock::Clock;
use crate::db::PushEnvironment;
use crate::push::apns::{ApnsClient, ApnsError, ApnsKind, ApnsPush};
use crate::push::connection::{Connection, FirstRequest, Handover, Patience, TransportError};
use crate::push::settings;

async fn push(client: &ApnsClient, token: &str, number: u128) -> Result<String, ApnsError> {
    let payload = serde_json::json!({ "aps": {} });
    let environment = PushEnvironment::Production;
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
async fn each_break_is_healed_by_one_more_attempt() {
    let services = Services::start().await;
    let client = services.senders(&Clock::System).apns.unwrap();
    let phone = services.install(Service::Apns);
    for (number, fault) in [Fault::Pass, Fault::GoAway, Fault::Pass, Fault::GoAwayNow, Fault::Disconnect, Fault::Reset]
        .into_iter()
        .enumerate()
    {
        let name = format!("{fault:?}");
        services.order(Service::Apns, [fault]);
        let id = push(&client, &phone, number.try_into().unwrap()).await;
        assert!(id.is_ok(), "{name}: {id:?}");
    }
    assert_eq!(services.answered(Service::Apns, 200), 6);
}

#[tokio::test]
async fn a_connection_that_breaks_twice_is_an_error() {
    let services = Services::start().await;
    let client = services.senders(&Clock::System).apns.unwrap();
    let phone = services.install(Service::Apns);
    services.order(Service::Apns, [Fault::Disconnect, Fault::Disconnect]);
    let error = push(&client, &phone, 1).await.unwrap_err();
    assert!(matches!(error, ApnsError::Transport(TransportError::Broken(_))), "{error}");
    assert!(push(&client, &phone, 2).await.is_ok());
}

#[tokio::test]
async fn a_service_that_is_down_is_an_error_that_says_so() {
    let services = Services::start().await;
    let senders = services.senders(&Clock::System);
    let phone = services.install(Service::Apns);
    drop(services.fakes);
    let client = senders.apns.unwrap();
    // The listener is closed when the runtime drops its task.
    tokio::task::yield_now().await;
    let error = push(&client, &phone, 1).await.unwrap_err();
    assert!(matches!(error, ApnsError::Transport(TransportError::Connect(_))), "{error}");
}

#[tokio::test]
async fn a_warm_connection_is_the_one_that_is_used() {
    let services = Services::start().await;
    let client = services.senders(&Clock::System).apns.unwrap();
    client.warm().await.unwrap();
    let phone = services.install(Service::Apns);
    assert!(push(&client, &phone, 1).await.is_ok());
    client.warm().await.unwrap();
}

fn connection(services: &Services, url: &str, patience: Patience) -> Connection {
    let ca_file = services.folder.path().join("ca.pem");
    let (url, tls) = (settings::https(url).unwrap(), settings::tls(Some(&ca_file)).unwrap());
    Connection::new(url, tls, FirstRequest::LikeAnyOther).with_patience(patience)
}

fn request(services: &Services) -> Request<Bytes> {
    Request::post(format!("{}/v1/projects/p/messages:send", services.fakes.fcm.url())).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn a_request_without_an_answer_is_given_up_and_the_next_has_a_fresh_connection() {
    let services = Services::start().await;
    let patience = Patience { connect_ms: 5_000, request_ms: 300 };
    let connection = connection(&services, &services.fakes.fcm.url(), patience);
    let written = Arc::new(Handover::default());
    services.order(Service::Fcm, [Fault::Slow { ms: 60_000 }]);
    let outcome = connection.request(&request(&services), &written).await;
    assert_eq!(outcome.unwrap_err(), TransportError::Timeout(300));
    assert_eq!(connection.request(&request(&services), &written).await.unwrap().status, 401);
}

#[tokio::test]
async fn a_host_that_takes_connections_and_says_nothing_is_given_up() {
    let services = Services::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let connection = connection(&services, &url, Patience { connect_ms: 100, request_ms: 60_000 });
    assert_eq!(connection.warm().await, Err(TransportError::Timeout(100)));
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_sent_and_not_sent_again() {
    let services = Services::start().await;
    let client = services.senders(&Clock::System).apns.unwrap();
    let phone = services.install(Service::Apns);
    let (payload, environment) = (serde_json::json!({ "aps": {} }), PushEnvironment::Production);
    let (kind, id) = (ApnsKind::Voip, Uuid::from_u128(1));
    let push = ApnsPush { token: &phone, environment, id, payload: &payload, kind, bundle: None };
    let handover = Arc::new(Handover::default());
    handover.over.cancel();
    let unwanted = client.send(&push, &handover).await;
    assert!(matches!(unwanted, Err(ApnsError::Transport(TransportError::Unwanted))), "{unwanted:?}");

    services.order(Service::Apns, [Fault::Disconnect]);
    let handover = Arc::new(Handover::default());
    let sending = client.send(&push, &handover);
    tokio::pin!(sending);
    tokio::select! {
        biased;
        () = handover.written.notified() => handover.over.cancel(),
        outcome = &mut sending => panic!("it was answered before it was sent: {outcome:?}"),
    }
    let unwanted = sending.await;
    assert!(matches!(unwanted, Err(ApnsError::Transport(TransportError::Unwanted))), "{unwanted:?}");
    assert!(services.fakes.delivery.pushes(&phone, None).is_empty());
}
