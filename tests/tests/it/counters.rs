//! What the server counts, as Prometheus would read it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use callfield_tests::api::Api;
use callfield_tests::deployment::Deployment;
use http::Method;

/// How long a count may take to be published.
const PUBLISHED: Duration = Duration::from_secs(5);

/// The counters of a server.
pub(crate) struct Counters(Api);

impl Counters {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        Self(deployment.admin().clone())
    }

    /// How often SIP was refused for `reason`.
    pub(crate) async fn refused(&self, reason: &str) -> Result<u64> {
        self.sum("callfield_sip_refused_total", &format!("reason=\"{reason}\"")).await
    }

    /// Waits until SIP was refused for `reason` more often than `before`.
    pub(crate) async fn wait_for_refusal(&self, reason: &str, before: u64) -> Result<()> {
        let until = Instant::now() + PUBLISHED;
        while self.refused(reason).await? <= before {
            if Instant::now() > until {
                bail!("callfield_sip_refused_total{{reason=\"{reason}\"}} stayed at {before}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The sum of a counter over the series that have `label`; nothing counted is 0.
    pub(crate) async fn sum(&self, name: &str, label: &str) -> Result<u64> {
        let (status, text) = self.0.exchange(Method::GET, "/metrics", "text/plain", "").await?;
        ensure!(status.is_success(), "/metrics answered {status}");
        let text = str::from_utf8(&text).context("/metrics is no text")?;
        let series = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        let values = series.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        values.sum::<Result<u64, _>>().context("a counter is no number")
    }
}
