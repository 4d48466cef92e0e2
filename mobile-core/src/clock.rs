//! The phone's clock: the wall clock read once, carried on by a clock that also runs while the phone sleeps.
//!
//! A call's deadlines must not stop in Doze, and must not jump when somebody sets the time of day.

mod alarm;

use std::sync::Arc;
use std::time::Duration;

use callfield_domain::Timestamp;
use tokio::sync::watch;

pub use alarm::Alarm;

/// Where [`Timestamp`]s come from; clones share the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    Running { wall_at_start: Timestamp, awake_and_asleep_at_start: Duration },
    Set(Arc<watch::Sender<Timestamp>>),
}

impl Clock {
    /// Anchors the running clock to the wall clock.
    pub fn start() -> Self {
        Self(Source::Running { wall_at_start: wall(), awake_and_asleep_at_start: awake_and_asleep() })
    }

    /// A clock that stands still until [`Clock::advance`], for tests.
    pub fn stopped_at(now: Timestamp) -> Self {
        Self(Source::Set(Arc::new(watch::Sender::new(now))))
    }

    /// Moves a stopped clock on, as a phone that slept sees it; a running clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Set(now) = &self.0 {
            now.send_modify(|now| *now = *now + by);
        }
    }

    /// The time; never earlier than the answer before.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::Running { wall_at_start, awake_and_asleep_at_start } => {
                *wall_at_start + awake_and_asleep().saturating_sub(*awake_and_asleep_at_start)
            }
            Source::Set(now) => *now.borrow(),
        }
    }
}

fn wall() -> Timestamp {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp::ZERO + since_1970
}

/// Time since boot with the time asleep: `CLOCK_BOOTTIME` on Linux and Android, `CLOCK_MONOTONIC` on Apple's systems,
/// where it is the continuous one.
#[cfg(unix)]
fn awake_and_asleep() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CONTINUOUS: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CONTINUOUS: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(CONTINUOUS);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn awake_and_asleep() -> Duration {
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_clock_starts_at_the_wall_clock_and_never_goes_back() {
        let clock = Clock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
        assert!(wall().since(first) < Duration::from_secs(5));
    }

    #[test]
    fn a_stopped_clock_moves_only_when_told_and_its_clones_move_with_it() {
        let clock = Clock::stopped_at(Timestamp::from_millis(5));
        let clone = clock.clone();
        clock.advance(Duration::from_millis(7));
        assert_eq!(clone.now(), Timestamp::from_millis(12));
    }
}
