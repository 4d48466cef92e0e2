//! What any desk phone can do.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::account::Account;

/// How long a phone may take for one thing.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);
/// The share of a tone in what was heard, below which it counts as not heard: some of it is the silence of the beginning.
pub(crate) const TONE_SHARE_MIN: f64 = 0.5;
/// The tone that it plays to whom it talks to.
pub(crate) const TONE_HZ: f64 = 660.0;

/// A foreign phone that is registered, and has at most one call.
pub(crate) trait DeskPhone: Sized {
    /// What it is called.
    const NAME: &'static str;
    /// The Debian package it comes from.
    const PACKAGE: &'static str;
    /// What becomes of a call that it declines.
    const DECLINED: &'static str;

    /// Starts it, until it is registered; it trusts the certificate `ca`.
    async fn start(account: &Account, folder: &Path, ca: &Path) -> Result<Self>;
    /// Waits until it rings.
    async fn is_called(&mut self) -> Result<()>;
    /// Takes the call, and plays its tone.
    async fn accept(&mut self) -> Result<()>;
    /// Calls somebody.
    async fn call(&mut self, number: &str, domain: &str) -> Result<()>;
    /// Waits until the far end rings.
    async fn rings(&mut self) -> Result<()>;
    /// Waits until the far end takes the call, and plays its tone.
    async fn is_answered(&mut self) -> Result<()>;
    /// Holds the call.
    async fn hold(&mut self) -> Result<()>;
    /// Takes it back.
    async fn resume(&mut self) -> Result<()>;
    /// Ends or declines the call.
    async fn hang_up(&mut self) -> Result<()>;
    /// Waits until the call is over.
    async fn is_over(&mut self) -> Result<()>;
    /// An error unless it heard this tone, or at least somebody, in the last call, which is over.
    async fn heard(&mut self, hz: f64) -> Result<()>;
    /// Ends it.
    async fn stop(self) -> Result<()>;
}
