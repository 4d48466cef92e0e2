//! The sip crate from outside: torture messages, mutants against a second reader, whole transactions.

mod arbitrary;
mod hostile;
mod ipv6;
mod limits;
mod machines;
mod mutants;
mod mutation;
mod torture;
mod torture_files;
mod transaction_flows;
mod transaction_world;
