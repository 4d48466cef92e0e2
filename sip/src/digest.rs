//! Digest authentication, client and server (RFC 7616, RFC 8760).
