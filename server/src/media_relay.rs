//! Sockets and tasks around the pure media relay.
