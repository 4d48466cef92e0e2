//! Firebase Cloud Messaging: the v1 send method behind OAuth.

mod access_token;
mod client;
mod error;
mod settings;

pub use client::{FcmClient, FcmPush};
pub use error::{Code, FcmError};
pub use settings::FcmSettings;
