//! A timer that is on time after the phone has slept.
//!
//! tokio's timers, like Rust's `Instant`, count `CLOCK_MONOTONIC`, which stands still while a Linux or Android phone
//! sleeps: what is due in 10 s when the phone falls asleep for an hour is due 10 s after it wakes. So the kernel is asked
//! for a timer on the clock that the deadlines are of: it is due the moment the phone runs again. It does not wake the
//! phone, and need not: only a push, the network and the user may do that, and each of them comes as a command of its own,
//! before which the event loop looks at its deadlines.
//!
//! Where there is no such timer, a sleep is cut into naps, so that after a suspension a deadline is late by a nap at most,
//! and by nothing if a command comes first, as it does when iOS lets an app run again.

use std::time::Duration;

use callfield_domain::Timestamp;
use tokio::time::sleep;

use super::{Clock, Source};

/// The longest sleep on a clock that may stand still.
const NAP_MAX: Duration = Duration::from_secs(10);

/// One timer of a [`Clock`].
pub struct Alarm {
    clock: Clock,
    timer: Option<boot::Timer>,
}

impl Alarm {
    /// A timer of this clock. Must be made inside a tokio runtime.
    pub fn new(clock: &Clock) -> Self {
        let timer = match &clock.0 {
            Source::Running { .. } => boot::Timer::new(),
            Source::Set(_) => None,
        };
        Self { clock: clock.clone(), timer }
    }

    /// Returns when it is `deadline`, never if there is none; cut short it is set anew by the next call.
    pub async fn until(&mut self, deadline: Option<Timestamp>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        if let Source::Set(now) = &self.clock.0 {
            // The clock is held by self, so the wait ends with the deadline.
            let _ = now.subscribe().wait_for(|now| *now >= deadline).await;
            return;
        }
        loop {
            let left = deadline.since(self.clock.now());
            if left.is_zero() {
                return;
            }
            let has_slept = match &mut self.timer {
                Some(timer) => timer.sleep(left).await,
                None => false,
            };
            if !has_slept {
                sleep(left.min(NAP_MAX)).await;
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod boot {
    //! The kernel's timer on the clock that also runs while the phone sleeps.

    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        /// `None` if the kernel has none to give.
        #[expect(deprecated, reason = "its successor is unsafe; an owned descriptor keeps what that one asks for")]
        pub(super) fn new() -> Option<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Boottime, flags).ok()?;
            AsyncFd::with_interest(timer, Interest::READABLE).ok().map(Self)
        }

        /// Returns true after this time, false at once if the timer does not work.
        pub(super) async fn sleep(&mut self, time: Duration) -> bool {
            let Ok(seconds) = i64::try_from(time.as_secs()) else { return false };
            let time = Timespec { tv_sec: seconds, tv_nsec: time.subsec_nanos().into() };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: time };
            if timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once).is_err() {
                return false;
            }
            // Setting the timer makes it unreadable until it is due; what tokio remembers of the last time is forgotten.
            loop {
                let Ok(mut ready) = self.0.readable().await else { return false };
                let mut times = [0; 8];
                match ready.try_io(|timer| rustix::io::read(timer.get_ref(), &mut times).map_err(Into::into)) {
                    Ok(read) => return read.is_ok(),
                    Err(_not_yet) => {}
                }
            }
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod boot {
    //! No such timer: a sleep is cut into naps.

    use std::time::Duration;

    pub(super) struct Timer;

    impl Timer {
        pub(super) const fn new() -> Option<Self> {
            None
        }

        pub(super) async fn sleep(&mut self, _time: Duration) -> bool {
            std::future::ready(false).await
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn an_alarm_of_a_running_clock_is_on_time_and_can_be_set_again() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(&clock);
        for _ in 0..3 {
            let began = clock.now();
            alarm.until(Some(began + Duration::from_millis(30))).await;
            assert!(clock.now().since(began) >= Duration::from_millis(30));
        }
        alarm.until(Some(Timestamp::ZERO)).await;
    }

    #[tokio::test]
    async fn an_alarm_that_is_cut_short_is_set_anew() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(&clock);
        let far = clock.now() + Duration::from_secs(3_600);
        assert!(timeout(Duration::from_millis(10), alarm.until(Some(far))).await.is_err());
        alarm.until(Some(clock.now() + Duration::from_millis(10))).await;
        assert!(timeout(Duration::from_millis(10), alarm.until(None)).await.is_err());
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn an_alarm_runs_on_the_clock_that_also_runs_while_the_phone_sleeps() {
        assert!(boot::Timer::new().is_some());
    }

    #[tokio::test]
    async fn an_alarm_rings_at_once_when_the_clock_jumps_over_its_deadline() {
        let clock = Clock::stopped_at(Timestamp::from_millis(1_000));
        let mut alarm = Alarm::new(&clock);
        let ringing = tokio::spawn(async move { alarm.until(Some(Timestamp::from_millis(3_601_000))).await });
        clock.advance(Duration::from_secs(3_599));
        tokio::task::yield_now().await;
        assert!(!ringing.is_finished());
        clock.advance(Duration::from_secs(1));
        timeout(Duration::from_secs(5), ringing).await.unwrap().unwrap();
    }
}
