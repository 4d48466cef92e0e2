//! Stories of the edge, told in SIP.
