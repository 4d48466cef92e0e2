//! The server from outside: its HTTP API on both engines, and once through a real TLS port.

mod access;
mod calls;
mod enrolment;
mod handset;
mod office;
mod records;
mod refusals;
mod sync;
mod sync_wire;
mod tls;

#[path = "../../src/db/testing.rs"]
mod testing;

use callfield_server::db;
