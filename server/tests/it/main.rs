//! The server from outside: its HTTP API on both engines, and once through a real TLS port.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod access;
mod callback;
mod calls;
mod cli;
mod colleagues;
mod desk_phones;
mod dialling;
mod durability;
mod enrolment;
mod exchange;
mod handset;
mod office;
mod outbound;
mod presence;
mod program;
mod records;
mod refusals;
mod sip_tls;
mod softphones;
mod sync;
mod sync_wire;
mod timelines;
mod tls;
mod trunk_calls;
mod trunk_registers;
mod trunk_streams;
mod trunks;
mod users;

#[path = "../../src/db/testing.rs"]
mod testing;

use callfield_server::db;
