//! The media crate from outside: descriptions of real devices, protected packets, relayed calls.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails is a failed test, also in its helpers")]

mod calls;
mod hostile;
mod latching;
mod samples;
mod sdp_rounds;
mod sdp_samples;
mod srtp;
mod stage;
mod wav;
