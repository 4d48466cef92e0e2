//! Deadlines of many machines in order, so that the next one is found without asking all.

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::Timestamp;

/// The earliest deadline of each machine, named by `Key`, with its reason.
pub(super) struct Agenda<Key, Why> {
    by_key: BTreeMap<Key, (Timestamp, Why)>,
    by_time: BTreeSet<(Timestamp, Key)>,
}

impl<Key: Ord + Copy, Why: Copy> Agenda<Key, Why> {
    pub(super) const fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// Replaces the deadline of `key`.
    pub(super) fn set(&mut self, key: Key, deadline: Option<(Timestamp, Why)>) {
        if let Some((at, _)) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
        if let Some((at, why)) = deadline {
            self.by_key.insert(key, (at, why));
            self.by_time.insert((at, key));
        }
    }

    /// The earliest deadline of all.
    pub(super) fn next(&self) -> Option<(Timestamp, Why)> {
        let (_, key) = self.by_time.first()?;
        self.by_key.get(key).copied()
    }

    /// The machines whose deadline has come.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Key> {
        self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_moved_is_due_only_at_its_new_time() {
        let mut agenda = Agenda::new();
        agenda.set(1, Some((Timestamp::from_millis(10), "first")));
        agenda.set(2, Some((Timestamp::from_millis(20), "second")));
        agenda.set(1, Some((Timestamp::from_millis(30), "moved")));
        assert_eq!(agenda.next(), Some((Timestamp::from_millis(20), "second")));
        assert_eq!(agenda.due(Timestamp::from_millis(25)), [2]);
        agenda.set(2, None);
        assert_eq!(agenda.next(), Some((Timestamp::from_millis(30), "moved")));
    }
}
