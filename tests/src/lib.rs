//! End to end on loopback, the demo and the benches.
