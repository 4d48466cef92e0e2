//! Any text as a challenge and as credentials.
#![no_main]

#[path = "../../tests/it/hostile/digest.rs"]
mod digest;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| digest::check(bytes));
