//! The shape of the tree and the whole system on loopback, in one binary.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod layers;
mod sources;
mod tidy;
