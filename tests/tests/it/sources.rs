//! The committed files as text, for the checks that read them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A committed text file.
pub(crate) struct Source {
    /// From the root of the tree, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
}

impl Source {
    /// A file that exists only in a test.
    pub(crate) fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is tests or serves them.
    pub(crate) fn is_test(&self) -> bool {
        let in_tests_folder = self.path.split('/').rev().skip(1).any(|folder| folder == "tests");
        let names = ["tests.rs", "testing.rs"];
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        // The package `tests` holds programs too: only its `tests/tests` is a folder of tests.
        let is_program = self.path.starts_with("tests/src/");
        !is_program && (in_tests_folder || names.contains(&name) || name.ends_with("_tests.rs"))
    }

    /// The file without its unit tests.
    pub(crate) fn code(&self) -> &str {
        self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or(&self.text)
    }

    /// The lines of [`Source::code`] that are no comments, with their numbers.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code()
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line))
    }
}

/// The folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every text file of the tree that is committed or about to be.
pub(crate) fn committed() -> Vec<Source> {
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    assert!(listed.status.success(), "git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).unwrap();
    let found: Vec<Source> = paths
        .split_terminator('\0')
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(path)).ok()?;
            Some(Source { path: path.to_owned(), text })
        })
        .collect();
    assert!(found.len() > 100, "only {} files found", found.len());
    found
}
