//! The phone's core as an app uses it, against an office that speaks HTTP and the real sync rules in this process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must say where it stopped")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test waits for one event among all")]

mod calls;
mod command_line;
mod dialling;
mod edge;
mod holding;
mod kills;
mod office;
mod offline;
mod phone;
mod roaming;
mod sleeping;
mod sound;
