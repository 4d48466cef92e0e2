//! Devices as another client would make them, through the API alone.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use callfield_domain::{DeviceId, Random, Timestamp};
use callfield_tests::api::Reply;
use callfield_tests::deployment::{Deployment, text};
use callfield_tests::pbx::seed;
use http::{Method, StatusCode};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// A device that was enrolled by hand.
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) token: String,
}

/// A WebSocket that carries SIP.
pub(super) type SipSocket = Box<WebSocketStream<TlsStream<TcpStream>>>;

/// The body that enrols a new installation with `code`.
pub(super) fn enrolment(code: &str) -> Result<Value> {
    let mut random = Random::new(seed()?);
    let install = DeviceId::new(Timestamp::from_millis(1_800_000_000_000), &mut random);
    Ok(json!({
        "code": code,
        "device": {
            "install_id": install,
            "platform": "headless",
            "name": "hand-made",
            "app_version": "0.1.0",
            "os_version": "1",
            "public_key": URL_SAFE_NO_PAD.encode(random.bytes::<32>()),
            "push": null,
        },
    }))
}

/// Sends an enrolment.
pub(super) async fn enrol(deployment: &Deployment, body: &Value) -> Result<Reply> {
    deployment.admin().call(Method::POST, "/v1/enrol", Some(body)).await
}

/// A new device of the seeded user, without push.
pub(super) async fn new_device(deployment: &Deployment) -> Result<Device> {
    let reply = enrol(deployment, &enrolment(&deployment.enrolment_code().await?)?).await?;
    ensure!(reply.status == StatusCode::CREATED, "enrolling answered {} {}", reply.status, reply.body);
    let id = text(&reply.body, "device_id")?.parse().ok().context("the device's id is no id")?;
    Ok(Device { id, token: text(&reply.body, "token")?.to_owned() })
}

/// Opens `/sip` with a token.
pub(super) async fn open_sip(deployment: &Deployment, token: &str) -> Result<SipSocket> {
    // On the heap, where a handshake and its buffers do not swell every story.
    Box::pin(connect_sip(deployment, token)).await
}

async fn connect_sip(deployment: &Deployment, token: &str) -> Result<SipSocket> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(deployment.ca_file())? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let address = deployment.base().trim_start_matches("https://");
    let stream = TcpStream::connect(address).await?;
    let stream = TlsConnector::from(Arc::new(tls)).connect(ServerName::try_from("127.0.0.1")?, stream).await?;
    let mut request = format!("wss://{address}/sip").into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
    request.headers_mut().insert("sec-websocket-protocol", "sip".parse()?);
    let (socket, _) = client_async(request, stream).await?;
    Ok(Box::new(socket))
}
