//! What the phone keeps: one SQLite file, one transaction for each change of mind.
//!
//! Invariant: a record's projection is what its document says, because both are written in one transaction. WAL with
//! `synchronous = FULL`: what a transaction committed survives a kill and an empty battery.

pub mod account;
pub mod inbox;
pub mod journal;
mod migrations;
pub mod outbox;
pub mod phone_index;
pub mod pushes;
pub mod records;
pub mod scopes;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use thiserror::Error;

pub use account::{Account, Install};
pub use records::StoredRecord;

/// How long a transaction waits for another process with the same file.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// The file inside the data folder.
const FILE_NAME: &str = "phone.sqlite";

/// The phone's store; shared by reference between threads.
pub struct Store(Mutex<Connection>);

/// Why the store could not do as asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error("the data folder cannot be used")]
    Folder(#[from] io::Error),
    /// The file was written by a newer build.
    #[error("the store has version {found}, this build knows up to {known}: install a newer version")]
    Newer {
        /// The version of the file.
        found: u32,
        /// The newest version that this build reads.
        known: u32,
    },
    /// A row does not hold what this build writes.
    #[error("the store holds an unreadable {0}")]
    Unreadable(&'static str),
    /// SQLite failed.
    #[error("the store failed")]
    Sqlite(#[from] rusqlite::Error),
}

/// One transaction; the tables' verbs are its methods.
pub struct Tx<'a>(Transaction<'a>);

impl Store {
    /// Opens the store in `folder`, makes it if there is none, and brings it up to this build's version.
    ///
    /// # Errors
    /// [`StoreError::Folder`], [`StoreError::Newer`] or SQLite's failure.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_private(folder)?;
        let mut connection = Connection::open(folder.join(FILE_NAME))?;
        connection.busy_timeout(BUSY_LIMIT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "ON")?;
        migrations::run(&mut connection)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Runs `work` in one transaction and commits it, unless it fails.
    ///
    /// # Errors
    /// What `work` fails with, or SQLite's failure; then nothing was changed.
    pub fn write<T, E: From<StoreError>>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.connection();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let tx = Tx(tx);
        let done = work(&tx)?;
        tx.0.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// Runs `work` on one consistent view.
    ///
    /// # Errors
    /// What `work` fails with, or SQLite's failure.
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.connection();
        let tx = connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(StoreError::from)?;
        work(&Tx(tx))
    }

    /// A transaction that a panic cut short was rolled back, so the connection behind a poisoned lock is sound.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> Result<(), io::Error> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // SQLite gives its other files the mode of this one.
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join(FILE_NAME)).map(|_| ())
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> Result<(), io::Error> {
    fs::create_dir_all(folder)
}

/// Reads a column of text into a value that has a `FromStr`.
fn parsed<T: std::str::FromStr>(text: &str, what: &'static str) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable(what))
}

/// A value as the text of its JSON string or object.
fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable("value"))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable(what))
}

#[cfg(test)]
mod tests;
