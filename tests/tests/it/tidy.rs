//! What rustfmt and Clippy cannot see: long files, leftovers, nameless tests, unpaired migrations.

mod documents;
mod files;
mod names;
mod statements;
