//! A deployment, as tests ask it about calls.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callfield_tests::deployment::Deployment;
use serde_json::Value;

/// How long a row may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The deployment, and what peers do with it.
pub(crate) struct Office {
    pub(crate) deployment: Deployment,
}

impl Office {
    pub(crate) async fn stop(self) -> Result<()> {
        ensure!(self.deployment.stop().await?, "a program did not end by itself with status 0");
        Ok(())
    }

    /// Where the server takes SIP: UDP, TCP, TLS.
    pub(crate) fn places(&self) -> [SocketAddr; 3] {
        let ready = std::fs::read(self.deployment.folder().join("server-ready.json")).unwrap();
        let ready: Value = serde_json::from_slice(&ready).unwrap();
        ["sip_udp", "sip_tcp", "sip_tls"].map(|key| ready[key].as_str().unwrap().parse().unwrap())
    }

    pub(crate) async fn calls(&self) -> Result<Vec<Value>> {
        let list = self.deployment.admin().get("/v1/calls?limit=200").await?;
        Ok(list["calls"].as_array().context("there is no list of calls")?.clone())
    }

    /// The newest call once it is over: its row is written behind the edge's back.
    pub(crate) async fn newest_call(&self) -> Result<Value> {
        let until = tokio::time::Instant::now() + LIMIT;
        loop {
            let newest = self.calls().await?.into_iter().next();
            match newest {
                Some(call) if !call["outcome"].is_null() => return Ok(call),
                _ if tokio::time::Instant::now() > until => anyhow::bail!("no call ended; the newest is {newest:?}"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    pub(crate) async fn timeline(&self, call: &Value) -> Result<Vec<Value>> {
        let path = format!("/v1/calls/{}/timeline", call["id"].as_str().unwrap_or_default());
        let timeline = self.deployment.admin().get(&path).await?;
        Ok(timeline["events"].as_array().context("the timeline has no events")?.clone())
    }
}
