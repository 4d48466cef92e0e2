//! Records as Automerge documents, and how two stores of them converge.

pub mod hash;
pub mod identity;
pub mod ingest;
pub mod phone;
pub mod protocol;
pub mod record;
pub mod schema;

pub use hash::{ChangeHash, Heads};
pub use identity::{Actor, Author, DeviceKey};
