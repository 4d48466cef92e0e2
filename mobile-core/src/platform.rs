//! What the app around the core must give: who the device is, what time zone it is in, where to keep things.

use std::path::PathBuf;
use std::time::Duration;

use callfield_domain::{Seed, Timestamp};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The kind of machine the core runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformKind {
    /// An Android phone.
    Android,
    /// An iPhone.
    Ios,
    /// No screen at all: tests, the demo, anybody who wants to try.
    Headless,
}

/// The device and its surroundings, as the app knows them.
#[derive(Debug, Clone)]
pub struct Platform {
    /// The kind of machine.
    pub kind: PlatformKind,
    /// What the user calls the device.
    pub device_name: String,
    /// The version of the app around the core.
    pub app_version: String,
    /// The version of the operating system.
    pub os_version: String,
    /// The folder that belongs to the core alone.
    pub data_dir: PathBuf,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i32,
}

impl Platform {
    /// The first moment of the local day `days` after the one that `at` is in, as UTC.
    pub fn local_midnight(&self, at: Timestamp, days: i64) -> Timestamp {
        let offset_ms = i64::from(self.utc_offset_minutes) * 60_000;
        let local_day = at.as_millis().saturating_add(offset_ms).div_euclid(DAY_MS);
        Timestamp::from_millis((local_day + days).saturating_mul(DAY_MS).saturating_sub(offset_ms))
    }

    /// The local weekday of `at`: 0 is Monday.
    pub fn local_weekday(&self, at: Timestamp) -> i64 {
        let offset_ms = i64::from(self.utc_offset_minutes) * 60_000;
        // 1970-01-01 was a Thursday.
        (at.as_millis().saturating_add(offset_ms).div_euclid(DAY_MS) + 3).rem_euclid(7)
    }
}

const DAY_MS: i64 = Duration::from_secs(24 * 60 * 60).as_millis() as i64;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// A seed from the operating system's generator.
///
/// # Errors
/// [`NoRandomness`] if the generator fails.
pub fn seed() -> Result<Seed, NoRandomness> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(Seed::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const THURSDAY_15_30_UTC: Timestamp = Timestamp::from_millis((15 * 60 + 30) * 60_000);

    fn platform(utc_offset_minutes: i32) -> Platform {
        Platform {
            kind: PlatformKind::Headless,
            device_name: String::new(),
            app_version: String::new(),
            os_version: String::new(),
            data_dir: PathBuf::new(),
            utc_offset_minutes,
        }
    }

    #[test]
    fn the_local_day_is_ahead_of_utc_in_tokyo() {
        let tokyo = platform(9 * 60);
        assert_eq!(tokyo.local_weekday(THURSDAY_15_30_UTC), 4);
        assert_eq!(tokyo.local_midnight(THURSDAY_15_30_UTC, 0), Timestamp::from_millis(15 * 60 * 60_000));
    }

    #[test]
    fn the_local_day_is_behind_utc_in_new_york_before_1970_too() {
        let new_york = platform(-5 * 60);
        let early = Timestamp::from_millis(60_000);
        assert_eq!(new_york.local_weekday(early), 2);
        assert_eq!(new_york.local_midnight(early, 0), Timestamp::from_millis((-24 + 5) * 60 * 60_000));
    }
}
