//! The phone's side: registration and calls.
