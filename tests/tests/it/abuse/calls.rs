//! Calls that are made while something else goes on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use callfield_tests::deployment::{COMPANY_NUMBER, CONTACT_NUMBER, Deployment};
use callfield_tests::pbx::{Dial, PbxCall, Progress};

/// How long the phone may take to answer, or the server to end a call.
const LIMIT: Duration = Duration::from_secs(10);

/// Calls `count` times, one after the other; all but one in a hundred must be answered and end as they should.
pub(super) async fn succeed(deployment: &Deployment, count: usize) -> Result<()> {
    let mut failures = Vec::new();
    for _ in 0..count {
        if let Err(error) = one_call(deployment).await {
            failures.push(error);
        }
    }
    let failed = failures.len();
    let first = failures.into_iter().next().map_or_else(String::new, |error| format!("{error:#}"));
    ensure!(failed * 100 <= count, "{failed} of {count} calls went wrong; the first: {first}");
    Ok(())
}

async fn one_call(deployment: &Deployment) -> Result<()> {
    let (from, to) = (CONTACT_NUMBER.to_owned(), COMPANY_NUMBER.to_owned());
    let mut call = PbxCall::start(Dial { server: deployment.sip_udp(), from, to, tone_hz: 440.0 }).await?;
    call.wait_for(LIMIT, |progress| *progress == Progress::Answered).await.context("the answer")?;
    call.hang_up().await?;
    call.wait_for(LIMIT, |progress| matches!(progress, Progress::Ended { .. })).await.context("the end")?;
    Ok(())
}
