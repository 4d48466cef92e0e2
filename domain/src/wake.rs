//! What a wake push carries: an opaque call id, where to go, until when, and a box only the device can open.
