//! TLS, HTTP/2 and the ways a connection breaks.

use callfield_fakes::{Fault, FaultOrder, Service};
use h2::Reason;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, connect_tls, tls};
use crate::start;

#[tokio::test]
async fn a_client_that_does_not_speak_http_2_gets_no_answer() {
    let fakes = start().await;
    assert!(connect_tls(&fakes.apns.url(), tls(&fakes, &[b"http/1.1"])).await.is_err());
    let mut without_alpn = connect_tls(&fakes.apns.url(), tls(&fakes, &[])).await.unwrap();
    let _ = without_alpn.write_all(b"POST /3/device/ab HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = without_alpn.read_to_end(&mut answer).await;
    assert!(answer.is_empty());
}

#[tokio::test]
async fn a_client_that_does_not_speak_tls_gets_no_answer() {
    let fakes = start().await;
    let mut plain = TcpStream::connect(fakes.fcm.url().strip_prefix("https://").unwrap()).await.unwrap();
    let _ = plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.windows(4).any(|part| part == b"HTTP"));
}

#[tokio::test]
async fn another_authority_is_not_trusted() {
    let (fakes, others) = (start().await, start().await);
    let tcp = TcpStream::connect(fakes.apns.url().strip_prefix("https://").unwrap()).await.unwrap();
    let connected = tls(&others, &[b"h2"]).connect(ServerName::try_from("localhost").unwrap(), tcp).await;
    assert!(connected.is_err());
}

#[tokio::test]
async fn ordered_breaks_break_the_stream_or_the_connection() {
    let fakes = start().await;
    let script = vec![Fault::Reset, Fault::GoAwayNow];
    fakes.delivery.order(FaultOrder { service: Service::Apns, script, seeded: None });
    let client = Client::connect(&fakes, &fakes.apns.url()).await;
    let reset = client.post("/3/device/ab", &[], "{}").await.unwrap_err();
    assert_eq!((reset.is_reset(), reset.reason()), (true, Some(Reason::INTERNAL_ERROR)));
    assert!(client.post("/3/device/ab", &[], "{}").await.is_err());
    assert!(client.sender.ready().await.is_err());
}

#[tokio::test]
async fn a_graceful_go_away_still_answers() {
    let fakes = start().await;
    let script = vec![Fault::GoAway];
    fakes.delivery.order(FaultOrder { service: Service::Apns, script, seeded: None });
    let client = Client::connect(&fakes, &fakes.apns.url()).await;
    assert_eq!(client.post("/3/device/ab", &[], "{}").await.unwrap().reason(), (400, "BadDeviceToken"));
    drop(client.sender);
    assert!(client.connection.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_disconnect_ends_the_connection_without_an_answer() {
    let fakes = start().await;
    let script = vec![Fault::Disconnect];
    fakes.delivery.order(FaultOrder { service: Service::Fcm, script, seeded: None });
    let client = Client::connect(&fakes, &fakes.fcm.url()).await;
    assert!(client.post("/v1/projects/p/messages:send", &[], "{}").await.is_err());
}
