//! What the demo, the end-to-end tests and the benches share: the real programs, started on loopback and looked at
//! from outside.

pub mod api;
pub mod bench;
pub mod deployment;
pub mod first_call;
pub mod pbx;
pub mod phone;
pub mod process;
pub mod sound;
