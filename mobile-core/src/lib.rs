//! One phone: its store, its connection, its calls and its journal.

pub mod clock;
pub mod platform;
pub mod push;
