//! Stories over the whole crate: phones, an office and attackers around one server's store.

mod converge;
mod fuzz;
mod ingest;
mod office;
mod phone;
mod poison;
mod stories;
mod wire;
