//! Requests that are no JSON, or not meant to be: any bytes out, the bytes that came back.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};

use super::Api;

impl Api {
    /// Sends `body` as it is under `content_type`, and returns the status and the body of the answer.
    pub async fn exchange(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<(StatusCode, Bytes)> {
        let request = self.request(method, path).header("content-type", content_type);
        let request = request.body(Full::new(body.into()))?;
        let response = self.client.request(request).await.with_context(|| format!("{path} got no answer"))?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
