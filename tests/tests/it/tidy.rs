//! What rustfmt and Clippy cannot see: long files, leftovers, nameless tests, unpaired migrations.

mod files;
mod names;
mod statements;
