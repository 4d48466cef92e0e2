//! The phone core as Kotlin and Swift see it: nothing but translation.
//!
//! Every type that crosses is declared here. Errors are codes; the app owns the words. Asynchronous functions run on one
//! runtime of ours, so that a cancelled coroutine cannot cut a transaction, and a panic in one is a typed error.

mod error;
mod field_core;
mod journal;
mod number;
mod platform;
mod push;
mod records;
mod runtime;

uniffi::setup_scaffolding!("callfield");
