//! What the SIP edge asks of push, and what it is told back: the switchboard's own words.

pub use callfield_sip::switchboard::{Wake as WakeRequest, WakeReport, WakeResult};
