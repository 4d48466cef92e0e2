//! Stories over the whole crate: phones, an office and attackers around one server's store.
#![expect(clippy::unwrap_used, reason = "in the helpers too, what must not happen fails the test")]

mod cloud;
mod converge;
mod forged;
mod fuzz;
mod handset;
mod ingest;
mod office;
mod phone;
mod phone_storms;
mod poison;
mod rights;
mod settled;
mod stories;
mod texts;
mod wire;
