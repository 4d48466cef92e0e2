//! Where the torture messages of RFC 4475 lie.

use std::path::{Path, PathBuf};

/// The bytes of one message of RFC 4475, by the name the RFC gives it.
pub(crate) fn read(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.dat"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all messages, sorted.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of torture messages opens");
    let paths = entries.map(|entry| entry.expect("its entries are readable").path());
    let messages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "dat"));
    let mut names: Vec<_> = messages.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = manifest.ancestors().map(|parent| parent.join("shared/data/rfc4475"));
    let found = folders.into_iter().find(|folder| folder.is_dir());
    found.expect("shared/data/rfc4475 lies beside a parent folder of this crate")
}
