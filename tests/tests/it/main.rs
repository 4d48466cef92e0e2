//! The shape of the tree and the whole system on loopback, in one binary.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod abuse;
mod bad_input;
mod callback_call;
mod colleague_call;
mod counters;
mod desk_phones;
mod first_call;
mod kamailio;
mod layers;
mod missed_call;
mod office;
mod outbound_call;
mod pbx;
mod postgres;
mod reasons;
mod sipp;
mod sipp_as_desk_phone;
mod sipp_as_trunk;
mod sources;
mod story;
mod tidy;
mod transfer;
