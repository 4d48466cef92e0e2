//! One phone: its store, its connection, its calls and its journal.

pub mod clock;
pub mod directory;
pub mod journal;
pub mod platform;
pub mod push;
pub mod store;
pub mod transport;
pub mod writer;
