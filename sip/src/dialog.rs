//! What two ends agree on between INVITE and BYE.
