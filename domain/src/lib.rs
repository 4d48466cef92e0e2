//! The words every part of Callfield shares: ids, time, phone numbers, picklists and the facts of a call.
//!
//! Everything here is a value. Nothing reads a clock, a random source or the environment: time comes in as a
//! [`Timestamp`], randomness as a [`Random`] that a shell seeded.

pub mod call;
pub mod ids;
pub mod phone_number;
pub mod picklist;
pub mod presence;
pub mod random;
pub mod timestamp;
pub mod wake;

pub use call::{CallFacts, CallState, Direction, Milestone, Outcome, TimelineEvent};
pub use ids::{CallId, DeviceId, NumberId, RecordId, TenantId, TrunkId, UserId};
pub use phone_number::PhoneNumber;
pub use presence::{Presence, PresenceState};
pub use random::{Random, Seed};
pub use timestamp::Timestamp;
