//! The shape of the tree and the whole system on loopback, in one binary.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod abuse;
mod bad_input;
mod counters;
mod first_call;
mod layers;
mod office;
mod outbound_call;
mod pbx;
mod postgres;
mod sipp;
mod sources;
mod story;
mod tidy;
mod transfer;
