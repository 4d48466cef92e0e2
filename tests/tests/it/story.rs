//! Stories of several chapters on one deployment, in a folder that is kept for its logs when something fails.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// How long one chapter may take.
const CHAPTER: Duration = Duration::from_secs(60);

/// A story that is being told.
pub(crate) struct Story {
    folder: TempDir,
    failed: Vec<String>,
}

impl Story {
    /// A story in a fresh folder.
    pub(crate) fn begin() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), failed: Vec::new() }
    }

    /// The story's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Tells one chapter; a failed one is noted, so that the others are told too.
    pub(crate) async fn chapter(&mut self, name: &str, told: impl Future<Output = Result<()>>) {
        let told = tokio::time::timeout(CHAPTER, told).await.context("it took too long").flatten();
        if let Err(error) = told {
            self.failed.push(format!("{name}: {error:#}"));
        }
    }

    /// Ends the story at its beginning: what it is about does not even start.
    pub(crate) fn fail(mut self, error: &anyhow::Error) {
        self.failed.push(format!("{error:#}"));
        self.end();
    }

    /// Ends the story.
    ///
    /// # Panics
    /// If a chapter failed; the message names each, and where the logs are.
    pub(crate) fn end(self) {
        if !self.failed.is_empty() {
            let kept: PathBuf = self.folder.keep();
            panic!("{}\nthe logs are in {}", self.failed.join("\n"), kept.join("logs").display());
        }
    }
}
