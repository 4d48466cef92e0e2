//! Seeded worlds: clock, links, phones, push service and PBX around the pure machines.
//!
//! A [`World`] is drawn from a seed: how bad its links are, how many phones and callers it has, what they do and when. The
//! edge and the phones in it are the real ones, and speak real SIP over links that lose, double, delay, reorder and
//! break. After every step the [`ledger::Ledger`] checks what must always hold; at the end the world must be at rest.
//! The same seed gives the same trace, so a failing seed is a bug report.
//!
//! ```
//! use callfield_simulation::{Mutant, World};
//!
//! let first = World::new(7, Mutant::None, false).run().expect("a sound world");
//! let second = World::new(7, Mutant::None, false).run().expect("a sound world");
//! assert_eq!(first, second);
//! ```

pub mod ledger;
pub mod link;
pub mod mutant;
pub mod pbx;
pub mod phone;
pub mod schedule;
pub mod trace;
pub mod world;

pub use ledger::{Invariant, Violation};
pub use mutant::Mutant;
pub use world::{Summary, World};
