//! A phone without a screen.

fn main() {}
