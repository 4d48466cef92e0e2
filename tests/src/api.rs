//! A small HTTPS client for the server's API, as curl would use it.

mod exchange;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;

/// One token's view of the API.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The `ETag`, if any.
    pub etag: Option<String>,
    /// The body, `Null` when it is no JSON.
    pub body: Value,
}

impl Api {
    /// A client of the server at `base` whose certificate is signed by one of `ca_pem`.
    pub fn new(base: &str, ca_pem: &[u8]) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca_pem) {
            roots.add(certificate?)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { base: base.trim_end_matches('/').to_owned(), token: None, client })
    }

    /// The same client with a bearer token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Where the API is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET; anything but 2xx is an error that quotes the answer.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.expect_success(Method::GET, path, None).await?.body)
    }

    /// GET of text, such as the metrics.
    pub async fn text(&self, path: &str) -> Result<String> {
        let response = self.client.request(self.request(Method::GET, path).body(Full::default())?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("GET {path} answered {status}");
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// POST of JSON; anything but 2xx is an error.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Ok(self.expect_success(Method::POST, path, Some(body)).await?.body)
    }

    /// PATCH of a record on top of the heads in `if_match`.
    pub async fn patch(&self, path: &str, if_match: &str, body: &Value) -> Result<Reply> {
        let request = self.request(Method::PATCH, path).header("if-match", if_match);
        self.send(request.header("content-type", "application/json").body(json(body))?).await
    }

    /// Any request, whatever the answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply> {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(json(body))?,
            None => request.body(Full::default())?,
        };
        self.send(request).await
    }

    async fn expect_success(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply> {
        let reply = self.call(method.clone(), path, body).await?;
        if !reply.status.is_success() {
            bail!("{method} {path} answered {}: {}", reply.status, reply.body);
        }
        Ok(reply)
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let uri: Uri = format!("{}{path}", self.base).parse().unwrap_or_default();
        let request = Request::builder().method(method).uri(uri);
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply> {
        let what = format!("{} {}", request.method(), request.uri());
        let response = self.client.request(request).await.with_context(|| format!("{what} got no answer"))?;
        let status = response.status();
        let etag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Reply { status, etag, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }
}

fn json(body: &Value) -> Full<Bytes> {
    Full::new(Bytes::from(body.to_string()))
}
