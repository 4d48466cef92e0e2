//! Records as Automerge documents, and how two stores of them converge.
//!
//! A [`record::Record`] is one document of a type that [`schema`] describes field by field. A phone edits its records
//! offline ([`phone::edit()`]), sends the changes when it can ([`protocol::Request`]) and digests what comes back
//! ([`phone::settle()`], [`phone::merge()`]). The server judges every change ([`ingest::ingest()`]), settles what a rule may
//! settle ([`resolve`]) and answers with verdicts and with what is new. REST and import are devices like any other.
//!
//! ```
//! use callfield_domain::{Random, Seed, Timestamp, UserId};
//! use callfield_sync::record::{Edit, Record};
//! use callfield_sync::schema::RecordType;
//! use callfield_sync::{Actor, Author, DeviceKey};
//! use serde_json::json;
//!
//! let mut random = Random::new(Seed::from_number(1));
//! let mut edit_of = |device: u8| Edit {
//!     actor: Actor::new(DeviceKey::of_public_key(&[device; 32]), 1, &mut random),
//!     author: Author::User(UserId::new(Timestamp::ZERO, &mut random)),
//!     claimed_at: Timestamp::ZERO,
//! };
//! let (on_the_phone, at_the_desk) = (edit_of(1), edit_of(2));
//! let mut phone = Record::new(RecordType::Contact);
//! let mut desk = phone.clone();
//!
//! phone.edit(&on_the_phone, &json!({"last_name": "Tanaka", "title": "manager"}))?;
//! let news = desk.edit(&at_the_desk, &json!({"title": "director", "address": {"city": "Oita"}}))?;
//! phone.apply(&news.iter().map(|change| &change.bytes).collect::<Vec<_>>())?;
//!
//! assert_eq!(phone.projection()["address"]["city"], "Oita");
//! assert_eq!(phone.conflicts()[0].values.len(), 2, "both titles are kept");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariants.** No type of Automerge leaves this crate. No container is made after the genesis. Nothing is committed
//! that was not saved, loaded again and found equal. A projection is a function of the heads. Every function gives the
//! same for the same input: time, identity and randomness are parameters.

pub mod checksum;
pub mod genesis;
pub mod guard;
pub mod hash;
pub mod identity;
pub mod ingest;
pub mod phone;
pub mod protocol;
pub mod record;
pub mod resolve;
pub mod schema;
pub mod scope;

pub use hash::{ChangeHash, Heads};
pub use identity::{Actor, Author, DeviceKey};
