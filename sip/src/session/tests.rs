//! Stories of two ends, and worlds in which they change a session at random over a link that loses and reorders.
#![expect(clippy::wildcard_enum_match_arm, reason = "a story looks only at what it is about")]

mod stories;
mod timers;
mod world;
mod worlds;
