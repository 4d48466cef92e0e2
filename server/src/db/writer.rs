//! The one writer of SQLite, with group commit.
//!
//! Every unit of work is a savepoint in a shared transaction. The lock is first come, first served, and the task that
//! commits queues for it like everybody else: when it comes to its turn, it commits all units that were waiting in
//! front of it with one flush to the disk. With one client that is one commit a unit; with 64 it is one for 64.

use std::sync::Arc;

use sqlx::SqliteConnection;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::{DbError, Result};

/// The way to the one connection that writes.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Mutex<Shared>>,
    committer: mpsc::Sender<()>,
}

/// What every unit finds when its turn comes.
struct Shared {
    connection: SqliteConnection,
    in_transaction: bool,
    last_unit: Ending,
    waiting: Vec<oneshot::Sender<Result<()>>>,
}

/// How the unit before this one ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Its savepoint is gone.
    Clean,
    /// It was dropped with its savepoint open: it must be undone.
    Abandoned,
    /// It was dropped while its savepoint was being released.
    Releasing,
}

/// A unit of work: the only one until it ends.
pub struct Unit {
    shared: OwnedMutexGuard<Shared>,
    committer: mpsc::Sender<()>,
}

impl Writer {
    /// Takes over a connection; its committer ends with the last clone of the writer.
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let shared = Shared { connection, in_transaction: false, last_unit: Ending::Clean, waiting: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let (committer, mut wanted) = mpsc::channel(1);
        let of_task = Arc::clone(&shared);
        tokio::spawn(async move {
            while wanted.recv().await.is_some() {
                of_task.lock().await.commit().await;
            }
        });
        Self { shared, committer }
    }

    /// Waits for its turn and opens a savepoint.
    pub(super) async fn begin(&self) -> Result<Unit> {
        let mut unit = Unit { shared: Arc::clone(&self.shared).lock_owned().await, committer: self.committer.clone() };
        unit.shared.settle().await;
        // From here a drop at any await leaves a savepoint to undo.
        unit.shared.last_unit = Ending::Abandoned;
        if unit.shared.in_transaction {
            unit.shared.run("SAVEPOINT unit").await?;
        } else {
            unit.shared.in_transaction = true;
            let begun = unit.shared.run("BEGIN IMMEDIATE; SAVEPOINT unit").await;
            begun.inspect_err(|_| tracing::warn!("the write lock was not free"))?;
        }
        Ok(unit)
    }
}

impl Unit {
    /// Where its statements run.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.shared.connection
    }

    /// Hands the unit to the shared commit and waits until that is on disk.
    pub(super) async fn commit(mut self) -> Result<()> {
        self.shared.last_unit = Ending::Releasing;
        if let Err(error) = self.shared.run("RELEASE unit").await {
            self.shared.last_unit = Ending::Abandoned;
            return Err(error.into());
        }
        self.shared.last_unit = Ending::Clean;
        let (done, committed) = oneshot::channel();
        self.shared.waiting.push(done);
        drop(self);
        committed.await.unwrap_or_else(|_| Err(DbError::Commit("the writer is gone".to_owned())))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // A full channel means that the committer is about to come anyway.
        let _ = self.committer.try_send(());
    }
}

impl Shared {
    async fn run(&mut self, sql: &'static str) -> sqlx::Result<()> {
        sqlx::query(sql).execute(&mut self.connection).await.map(drop)
    }

    /// Undoes a unit that was dropped. SQLite ends the whole transaction by itself on some errors (disk full, I/O):
    /// then the savepoint is gone, and so are the units before it.
    async fn settle(&mut self) {
        let ending = self.last_unit;
        if ending == Ending::Clean || !self.in_transaction {
            return;
        }
        let undone = match self.run("ROLLBACK TO unit").await {
            Ok(()) => self.run("RELEASE unit").await,
            Err(error) => Err(error),
        };
        // Only here is it settled: a drop at an await above leaves it to the next one.
        self.last_unit = Ending::Clean;
        let Err(error) = undone else { return };
        if ending == Ending::Abandoned {
            self.fail(&error).await;
        }
    }

    /// Commits what was released and tells everyone who waits.
    async fn commit(&mut self) {
        self.settle().await;
        if !self.in_transaction {
            return;
        }
        match self.run("COMMIT").await {
            Ok(()) => {
                self.in_transaction = false;
                for waiting in self.waiting.drain(..) {
                    let _ = waiting.send(Ok(()));
                }
            }
            Err(error) => self.fail(&error).await,
        }
    }

    async fn fail(&mut self, error: &sqlx::Error) {
        tracing::error!(%error, units = self.waiting.len(), "a shared transaction failed");
        // Fails when SQLite has rolled back by itself; either way none is open afterwards.
        let _ = self.run("ROLLBACK").await;
        self.in_transaction = false;
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(DbError::Commit(error.to_string())));
        }
    }
}
