//! A bare HTTP/2 client that does as it is told, right or wrong.

use std::sync::Arc;

use bytes::Bytes;
use callfield_fakes::FakePush;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) struct Client {
    pub(crate) sender: SendRequest<Bytes>,
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
    url: String,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// APNs' reason.
    pub(crate) fn reason(&self) -> (u16, &str) {
        (self.status, self.body["reason"].as_str().unwrap_or_default())
    }

    /// FCM's code in the details, or Google's status.
    pub(crate) fn code(&self) -> (u16, &str) {
        let error = &self.body["error"];
        let code = error["details"][0]["errorCode"].as_str().or_else(|| error["status"].as_str());
        (self.status, code.unwrap_or_default())
    }
}

pub(crate) fn tls(fakes: &FakePush, protocols: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(fakes.authority.pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

pub(crate) async fn connect_tls(url: &str, tls: TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let authority = url.strip_prefix("https://").unwrap();
    let tcp = TcpStream::connect(authority).await?;
    tls.connect(ServerName::try_from("localhost").unwrap(), tcp).await
}

impl Client {
    pub(crate) async fn connect(fakes: &FakePush, url: &str) -> Self {
        let stream = connect_tls(url, tls(fakes, &[b"h2"])).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        Self { sender: sender.ready().await.unwrap(), connection, url: url.to_owned() }
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, h2::Error> {
        self.request("POST", path, headers, body).await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, h2::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = self.sender.clone().ready().await?;
        let (response, mut stream) = sender.send_request(request.body(()).unwrap(), false)?;
        stream.send_data(Bytes::from(body.to_owned()), true)?;
        let (parts, mut received) = response.await?.into_parts();
        let mut whole = Vec::new();
        while let Some(chunk) = received.data().await {
            whole.extend_from_slice(&chunk?);
        }
        let body = serde_json::from_slice(&whole).unwrap_or_default();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}
