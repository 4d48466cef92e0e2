//! Where the parts meet: what they share, and the messages they send each other.

pub mod edge_port;
pub mod wake_port;
