//! Stories of a phone, told in SIP.
