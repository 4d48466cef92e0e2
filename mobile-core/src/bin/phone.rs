//! `callfield-phone`: a headless phone for the demo, the tests and anybody who wants to try.

fn main() {}
