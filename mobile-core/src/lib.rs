//! One phone: its store, its connection, its calls and its journal.
//!
//! [`session::Session`] is all an app can ask for; [`push::decode_push`] needs not even that. The rules of calls, media
//! and records live in the pure crates; this crate owns the phone's SQLite file, its sockets and its clock:
//!
//! | module | what it is for |
//! |---|---|
//! | [`session`] | what an app asks, [`events`] what it is told |
//! | `event_loop` | the only place that sees both a socket and a machine |
//! | [`push`] | what to do about a push, at once |
//! | [`store`], [`writer`] | one SQLite file; a record's document and what it says change together |
//! | [`journal`] | calls to log and logged |
//! | [`directory`] | whose number it is |
//! | [`transport`] | one switchable network, TLS, HTTPS, SIP over WebSocket |
//! | [`audio`] | PCM and packets, every 20 ms |
//! | [`headless`] | a phone without a screen: `callfield-phone` |

pub mod audio;
pub mod clock;
pub mod directory;
mod event_loop;
pub mod events;
pub mod headless;
pub mod journal;
pub mod platform;
pub mod push;
pub mod session;
pub mod store;
pub mod transport;
pub mod writer;
