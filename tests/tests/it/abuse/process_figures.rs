//! What the server has used so far, as the kernel counts it.

use anyhow::{Context, Result};
use callfield_tests::deployment::Deployment;

/// Kernel ticks of CPU time in a second, as /proc counts them on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time of the server so far, in seconds.
pub(super) fn cpu_seconds(deployment: &Deployment) -> Result<f64> {
    let stat = read(deployment, "stat")?;
    // The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("/proc has another shape")?;
    let ticks = |index: usize| fields.split_whitespace().nth(index).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = (ticks(11).context("no utime")?, ticks(12).context("no stime")?);
    Ok((user + system) / TICKS_PER_SECOND)
}

/// The memory that the server holds, in bytes.
pub(super) fn resident_bytes(deployment: &Deployment) -> Result<u64> {
    let status = read(deployment, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1_024)
}

fn read(deployment: &Deployment, file: &str) -> Result<String> {
    let pid = deployment.server_pid().context("the server ended")?;
    Ok(std::fs::read_to_string(format!("/proc/{pid}/{file}"))?)
}
