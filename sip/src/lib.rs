//! SIP without sockets: messages, transactions, dialogs, digest, the phone's agent and the edge's switchboard.

pub mod agent;
pub mod dialog;
pub mod digest;
pub mod extension;
pub mod message;
pub mod session;
pub mod switchboard;
pub mod transaction;
pub mod uri;
