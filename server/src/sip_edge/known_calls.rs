//! Which company each call belongs to, so that every step of its timeline is written to the right one, and only there.
//!
//! The switchboard makes the ids of incoming calls; a phone chooses those of its own. A phone that takes the id of a call
//! that is over gets nothing written: neither row nor timeline of that call change.

use std::collections::{BTreeMap, VecDeque};

use callfield_domain::{CallFacts, CallId, Milestone, TenantId, TimelineEvent};

use super::journal::Entry;

/// Calls that are remembered; more than the switchboard lets live at once.
const REMEMBERED_MAX: usize = 40_000;

/// The newest calls: steps of a timeline still come after the end of its call.
#[derive(Default)]
pub(super) struct KnownCalls {
    calls: Newest<Known>,
    /// What happened to calls whose company is not known yet.
    early: Newest<Vec<TimelineEvent>>,
    /// Calls of phones whose id is being looked up, with what waits to be written until then.
    asked: BTreeMap<CallId, Option<(CallFacts, bool)>>,
    /// Ids that were taken a second time.
    reused: Newest<()>,
}

struct Known {
    tenant: TenantId,
    is_over: bool,
}

impl KnownCalls {
    /// A step of a call: what is to be written now, if anything.
    pub(super) fn event(&mut self, call: CallId, event: TimelineEvent) -> Option<Entry> {
        if event.milestone == Milestone::Invited {
            self.check(call);
        }
        if self.is_reused(call) {
            return None;
        }
        if let Some(known) = self.calls.get(call) {
            return Some(Entry::Event { tenant: known.tenant, call, event });
        }
        self.early.entry(call).push(event);
        None
    }

    /// What is known of a call, `last` if it is over: what is to be written now.
    pub(super) fn facts(&mut self, facts: CallFacts, last: bool) -> Vec<Entry> {
        let (call, tenant) = (facts.id, facts.tenant);
        if let Some(waiting) = self.asked.get_mut(&call) {
            *waiting = Some((facts, last));
            return Vec::new();
        }
        if self.is_reused(call) {
            return Vec::new();
        }
        self.calls.insert(call, Known { tenant, is_over: last });
        let early = self.early.remove(call).unwrap_or_default();
        let events = early.into_iter().map(|event| Entry::Event { tenant, call, event });
        events.chain([Entry::Facts { facts, last }]).collect()
    }

    /// A phone begins a call. True if its id is that of a call that is over; else nothing is written until
    /// [`Self::decided`].
    pub(super) fn begin(&mut self, call: CallId) -> bool {
        self.check(call);
        let is_reused = self.is_reused(call);
        if !is_reused {
            self.asked.insert(call, None);
        }
        is_reused
    }

    /// The id of a call that began was looked up; what waited, and whether it is the end.
    pub(super) fn decided(&mut self, call: CallId, is_reused: bool) -> Option<(CallFacts, bool)> {
        if is_reused {
            self.reuse(call);
        }
        self.asked.remove(&call)?
    }

    fn check(&mut self, call: CallId) {
        if self.calls.get(call).is_some_and(|known| known.is_over) {
            self.reuse(call);
        }
    }

    fn reuse(&mut self, call: CallId) {
        self.early.remove(call);
        self.reused.insert(call, ());
    }

    /// Whether nothing is written under this id any more.
    pub(super) fn is_reused(&self, call: CallId) -> bool {
        self.reused.get(call).is_some()
    }
}

/// What came last, in the order it came: ids say when a call began, but phones make them.
struct Newest<T> {
    values: BTreeMap<CallId, T>,
    order: VecDeque<CallId>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { values: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<T> Newest<T> {
    fn get(&self, call: CallId) -> Option<&T> {
        self.values.get(&call)
    }

    fn insert(&mut self, call: CallId, value: T) {
        if self.values.insert(call, value).is_none() {
            self.admit(call);
        }
    }

    fn remove(&mut self, call: CallId) -> Option<T> {
        self.values.remove(&call)
    }

    fn admit(&mut self, call: CallId) {
        self.order.push_back(call);
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

impl<T: Default> Newest<T> {
    fn entry(&mut self, call: CallId) -> &mut T {
        if !self.values.contains_key(&call) {
            self.admit(call);
        }
        self.values.entry(call).or_default()
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{CallState, Direction, Random, Seed, Timestamp};

    use super::*;

    #[test]
    fn steps_before_the_company_is_known_are_written_with_its_first_facts() {
        let (mut known, mut random) = (KnownCalls::default(), Random::new(Seed::from_number(1)));
        let facts = facts(&mut random);
        assert!(known.event(facts.id, step(Milestone::Invited)).is_none());
        let entries = known.facts(facts.clone(), false);
        assert!(matches!(
            &entries[..],
            [Entry::Event { tenant, event, .. }, Entry::Facts { last: false, .. }]
                if *tenant == facts.tenant && event.milestone == Milestone::Invited
        ));
        let next = known.event(facts.id, step(Milestone::Durable));
        assert!(matches!(next, Some(Entry::Event { tenant, .. }) if tenant == facts.tenant));
        assert_eq!(known.facts(facts, true).len(), 1);
    }

    #[test]
    fn nothing_is_written_under_the_id_of_a_call_that_is_over() {
        let (mut known, mut random) = (KnownCalls::default(), Random::new(Seed::from_number(2)));
        let over = facts(&mut random);
        known.facts(over.clone(), true);
        assert!(known.event(over.id, step(Milestone::Durable)).is_some());
        assert!(known.event(over.id, step(Milestone::Invited)).is_none());
        assert!(known.is_reused(over.id));
        let other = CallFacts { tenant: TenantId::new(Timestamp::ZERO, &mut random), ..over.clone() };
        for last in [false, true] {
            assert!(known.facts(other.clone(), last).is_empty());
        }
        assert!(known.event(over.id, step(Milestone::Durable)).is_none());
    }

    #[test]
    fn a_call_that_lives_is_not_begun_a_second_time_by_its_own_steps() {
        let (mut known, mut random) = (KnownCalls::default(), Random::new(Seed::from_number(3)));
        let live = facts(&mut random);
        assert!(!known.begin(live.id));
        assert_eq!(known.decided(live.id, false), None);
        known.facts(live.clone(), false);
        assert!(known.event(live.id, step(Milestone::Invited)).is_some());
        assert!(!known.is_reused(live.id));
    }

    #[test]
    fn a_call_that_ends_while_its_id_is_looked_up_is_written_then_or_never() {
        for is_reused in [false, true] {
            let (mut known, mut random) = (KnownCalls::default(), Random::new(Seed::from_number(6)));
            let facts = facts(&mut random);
            assert!(known.event(facts.id, step(Milestone::Invited)).is_none());
            assert!(!known.begin(facts.id));
            assert!(known.facts(facts.clone(), false).is_empty());
            assert!(known.facts(facts.clone(), true).is_empty());
            assert_eq!(known.decided(facts.id, is_reused), Some((facts.clone(), true)));
            assert_eq!(known.facts(facts, true).len(), if is_reused { 0 } else { 2 });
        }
    }

    #[test]
    fn the_steps_of_a_stored_call_that_was_begun_again_are_forgotten() {
        let (mut known, mut random) = (KnownCalls::default(), Random::new(Seed::from_number(4)));
        let facts = facts(&mut random);
        assert!(known.event(facts.id, step(Milestone::Invited)).is_none());
        assert!(!known.begin(facts.id));
        assert_eq!(known.decided(facts.id, true), None);
        assert!(known.facts(facts.clone(), true).is_empty());
        assert!(known.event(facts.id, step(Milestone::Durable)).is_none());
    }

    #[test]
    fn ids_that_claim_a_far_future_do_not_push_out_the_calls_of_today() {
        let (mut known, mut random) = (KnownCalls::default(), Random::new(Seed::from_number(5)));
        for at in 0..REMEMBERED_MAX {
            let at = Timestamp::from_millis(4_000_000_000_000 + at as i64);
            let id = CallId::new(at, &mut random);
            known.facts(CallFacts { id, ..facts(&mut random) }, true);
        }
        let fresh = facts(&mut random);
        known.facts(fresh.clone(), false);
        assert!(known.event(fresh.id, step(Milestone::Answered)).is_some());
        assert_eq!(known.calls.values.len(), REMEMBERED_MAX);
    }

    fn facts(random: &mut Random) -> CallFacts {
        CallFacts {
            id: CallId::new(Timestamp::ZERO, random),
            tenant: TenantId::new(Timestamp::ZERO, random),
            direction: Direction::Outbound,
            from: "+81350001000".to_owned(),
            to: "+81312345678".to_owned(),
            user: None,
            device: None,
            state: CallState::Queued,
            outcome: None,
            started_at: Timestamp::ZERO,
            answered_at: None,
            ended_at: None,
            transferred_to: None,
        }
    }

    fn step(milestone: Milestone) -> TimelineEvent {
        TimelineEvent { at: Timestamp::ZERO, milestone, device: None, detail: None }
    }
}
