//! Sockets around the pure switchboard.
