//! What this thread and other processes used of the processor: on a loaded machine the clock on the wall measures the
//! others too.

use std::fs;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Kernel ticks of CPU time in a second, as /proc counts them on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a page.
const PAGE_BYTES: f64 = 4_096.0;

/// Milliseconds of the processor that this thread used so far.
pub fn used_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// User and system time so far of a process and the children it has now, in seconds.
pub fn seconds_of(pid: u32) -> Result<f64> {
    let mut ticks = 0.0;
    for pid in family(pid)? {
        let fields = stat(pid)?;
        let field = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
        // utime and stime, fields 14 and 15.
        ticks += field(11).context("no utime")? + field(12).context("no stime")?;
    }
    Ok(ticks / TICKS_PER_SECOND)
}

/// Resident memory of a process and its children, in MB; pages that they share count for each.
pub fn resident_mb_of(pid: u32) -> Result<f64> {
    let mut pages = 0.0;
    for pid in family(pid)? {
        pages += stat(pid)?.get(21).and_then(|text| text.parse::<f64>().ok()).context("no rss")?;
    }
    Ok(pages * PAGE_BYTES / 1e6)
}

fn family(pid: u32) -> Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    Ok(std::iter::once(pid).chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect())
}

/// The fields behind the name, which may hold spaces.
fn stat(pid: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} ended"))?;
    let (_, fields) = stat.rsplit_once(')').context("/proc has another shape")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}
