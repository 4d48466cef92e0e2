//! What will happen, in order of time and, within one millisecond, in the order it was decided.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::Timestamp;

/// The events to come.
#[derive(Debug)]
pub struct Schedule<Event> {
    events: BTreeMap<(Timestamp, u64), Event>,
    serial: u64,
}

impl<Event> Schedule<Event> {
    /// Nothing will happen.
    pub const fn new() -> Self {
        Self { events: BTreeMap::new(), serial: 0 }
    }

    /// Lets `event` happen at a time.
    pub fn at(&mut self, at: Timestamp, event: Event) {
        self.serial += 1;
        self.events.insert((at, self.serial), event);
    }

    /// When the next event happens.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next event out.
    pub fn pop(&mut self) -> Option<Event> {
        self.events.pop_first().map(|(_, event)| event)
    }
}

impl<Event> Default for Schedule<Event> {
    fn default() -> Self {
        Self::new()
    }
}

/// `ms` milliseconds.
pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
