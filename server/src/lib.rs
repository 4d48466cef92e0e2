//! The Callfield server: SIP edge, media relay, push, sync and the HTTP API in one binary.
//!
//! `http`, `sip_edge`, `push` and `sync_endpoint` never import one another: they meet in [`app`]. SQL lives in [`db`].

pub mod app;
pub mod cli;
pub mod config;
pub mod db;
pub mod http;
pub mod media_relay;
pub mod push;
pub mod serve;
pub mod sip_edge;
pub mod sync_endpoint;
