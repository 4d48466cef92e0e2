//! Who may import whom. Changing a table here is an architecture decision: write an ADR with it.

mod crates;
mod modules;
