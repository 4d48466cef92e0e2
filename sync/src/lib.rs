//! Records as Automerge documents, and how two stores of them converge.

pub mod checksum;
pub mod genesis;
pub mod guard;
pub mod hash;
pub mod identity;
pub mod ingest;
pub mod phone;
pub mod protocol;
pub mod record;
pub mod resolve;
pub mod schema;
pub mod scope;

pub use hash::{ChangeHash, Heads};
pub use identity::{Actor, Author, DeviceKey};
