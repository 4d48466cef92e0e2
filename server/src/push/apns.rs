//! Apple Push Notification service: HTTP/2 with provider tokens.

mod client;
mod error;
mod provider_token;
mod settings;

pub use client::{ApnsClient, ApnsKind, ApnsPush};
pub use error::{ApnsError, Reason};
pub use settings::ApnsSettings;
