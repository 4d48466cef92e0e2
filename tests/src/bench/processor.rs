//! What this thread used of the processor: on a loaded machine the clock on the wall measures the others too.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds of the processor that this thread used so far.
pub fn used_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
