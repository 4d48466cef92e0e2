//! The four transactions of RFC 3261 with RFC 6026, and the store that holds them.
