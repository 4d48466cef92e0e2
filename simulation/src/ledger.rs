//! What happened in a world, and what must be true of it after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use callfield_domain::{CallFacts, CallId, Timestamp};

use crate::schedule::ms;

/// How long after a call's end a phone with a sound connection may still ring: the CANCEL is on its way, or the phone has
/// no INVITE yet and asks every ten seconds.
const CANCEL_TRAVEL_MS: u64 = 15_000;
/// How long after a call's end its callee may still talk: a BYE is repeated for 32 s, and each copy may be late.
const BYE_TRAVEL_MS: u64 = 45_000;
/// The longest any phone may ring.
const RING_CAP_MS: u64 = 120_000;

/// Something that must hold in every world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// At most one device is connected to a call.
    OneDevice,
    /// No phone rings after the end of its call, and none longer than two minutes.
    NoRingAfterEnd,
    /// No push goes out after the end of its call.
    NoWakeAfterEnd,
    /// A device gets one INVITE for a call.
    ReleasedOnce,
    /// No call waits for an answer longer than two minutes.
    RingLimit,
    /// No phone talks after the end of its call.
    NoTalkAfterEnd,
    /// A phone rings once for a call.
    RingsOnce,
    /// A call has one row with one outcome.
    OneRow,
    /// The caller hears of the end only when the row is durable.
    DurableFirst,
    /// The world comes to rest, and nothing is left in it.
    ComesToRest,
    /// No deadline lies in the past.
    NoPastDeadline,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When.
    pub at: Timestamp,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {} ms: {}", self.invariant, self.at, self.seen)
    }
}

/// How a phone rings for a call.
#[derive(Debug, Clone, Copy)]
struct Ring {
    since: Timestamp,
    /// Since when the phone's connection is the one it has: a CANCEL may have been lost with an older one.
    sound_since: Timestamp,
}

/// What happened in a world.
#[derive(Debug, Default)]
pub struct Ledger {
    now: Timestamp,
    asked: BTreeSet<CallId>,
    owned: BTreeSet<CallId>,
    ended: BTreeMap<CallId, Timestamp>,
    rows: BTreeMap<CallId, CallFacts>,
    silent: BTreeSet<CallId>,
    connected: BTreeMap<CallId, BTreeSet<usize>>,
    invited: BTreeMap<(CallId, usize), BTreeSet<String>>,
    unanswered: BTreeMap<CallId, Timestamp>,
    rings: BTreeMap<(CallId, usize), Ring>,
    talks: BTreeMap<(CallId, usize), Ring>,
    incoming: BTreeSet<(CallId, usize, u32)>,
    /// The calls that phones began and that are not over for them.
    dialled: BTreeSet<(CallId, usize)>,
    violations: Vec<Violation>,
}

impl Ledger {
    /// Moves the clock.
    pub fn note_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The first invariant that did not hold.
    pub fn violation(&self) -> Option<&Violation> {
        self.violations.first()
    }

    /// Notes that an invariant does not hold.
    pub fn accuse(&mut self, invariant: Invariant, seen: String) {
        self.violations.push(Violation { invariant, at: self.now, seen });
    }

    /// A call came to the edge.
    pub fn note_call(&mut self, call: CallId) {
        self.asked.insert(call);
        self.unanswered.insert(call, self.now);
    }

    /// The call belongs to a tenant: it must get a row.
    pub fn note_owned(&mut self, call: CallId) {
        self.owned.insert(call);
    }

    /// A call needs no answer any more: it has one, or is over.
    pub fn note_settled(&mut self, call: CallId) {
        self.unanswered.remove(&call);
    }

    /// The edge said how a call ended.
    pub fn note_ended(&mut self, call: CallId) {
        self.note_settled(call);
        if self.ended.insert(call, self.now).is_some() {
            self.accuse(Invariant::OneRow, format!("call {call} ended twice"));
        }
    }

    /// A row reached the disk.
    pub fn note_row(&mut self, facts: CallFacts) {
        if facts.outcome.is_none() {
            self.accuse(Invariant::OneRow, format!("call {} has a row without an outcome", facts.id));
        }
        if self.rows.insert(facts.id, facts).is_some() {
            self.accuse(Invariant::OneRow, "a call has two rows".to_owned());
        }
    }

    /// A push went out.
    pub fn note_wake(&mut self, call: CallId) {
        if self.ended.contains_key(&call) {
            self.accuse(Invariant::NoWakeAfterEnd, format!("call {call} was over"));
        }
    }

    /// An INVITE with this branch went to a phone.
    pub fn note_invite(&mut self, call: CallId, phone: usize, branch: &str) {
        let branches = self.invited.entry((call, phone)).or_default();
        branches.insert(branch.to_owned());
        if branches.len() > 1 {
            self.accuse(Invariant::ReleasedOnce, format!("phone {phone} got two INVITEs for call {call}"));
        }
    }

    /// A phone (in its `life`, since it may be killed and start anew) said that a call came in.
    pub fn note_incoming(&mut self, call: CallId, phone: usize, life: u32) {
        if !self.incoming.insert((call, phone, life)) {
            self.accuse(Invariant::RingsOnce, format!("phone {phone} rang twice for call {call}"));
        }
    }

    /// A phone shows its call screen.
    pub fn note_ringing(&mut self, call: CallId, phone: usize, sound_since: Timestamp) {
        let since = self.now;
        self.rings.entry((call, phone)).or_insert(Ring { since, sound_since });
    }

    /// A phone no longer rings for a call.
    pub fn note_silent(&mut self, call: CallId, phone: usize) {
        self.rings.remove(&(call, phone));
    }

    /// A phone began a call.
    pub fn note_dialled(&mut self, call: CallId, phone: usize) {
        self.dialled.insert((call, phone));
    }

    /// A call is over for a phone.
    pub fn note_done(&mut self, call: CallId, phone: usize) {
        self.note_silent(call, phone);
        self.dialled.remove(&(call, phone));
        self.talks.remove(&(call, phone));
    }

    /// A phone has no connection, or one that carries nothing: no CANCEL can reach it.
    pub fn note_unreachable(&mut self, phone: usize) {
        let now = self.now;
        let rings = self.rings.iter_mut().chain(&mut self.talks);
        for (_, ring) in rings.filter(|((_, ringing), _)| *ringing == phone) {
            ring.sound_since = now;
        }
    }

    /// Whether a phone neither rings nor calls nor talks.
    pub fn is_idle(&self, phone: usize) -> bool {
        !self.rings.keys().chain(self.talks.keys()).chain(&self.dialled).any(|(_, busy)| *busy == phone)
    }

    /// The edge says that no media flows any longer.
    pub fn note_media_ended(&mut self, call: CallId) {
        if !self.silent.insert(call) {
            self.accuse(Invariant::OneRow, format!("the media of call {call} ended twice"));
        }
    }

    /// A phone was killed: it shows and plays nothing.
    pub fn note_killed(&mut self, phone: usize) {
        self.rings.retain(|(_, ringing), _| *ringing != phone);
        self.talks.retain(|(_, talking), _| *talking != phone);
        self.dialled.retain(|(_, dialling)| *dialling != phone);
    }

    /// A phone talks.
    pub fn note_established(&mut self, call: CallId, phone: usize) {
        self.note_silent(call, phone);
        self.talks.insert((call, phone), Ring { since: self.now, sound_since: self.now });
        let devices = self.connected.entry(call).or_default();
        devices.insert(phone);
        if devices.len() > 1 {
            self.accuse(Invariant::OneDevice, format!("call {call} is connected to two phones"));
        }
    }

    /// The caller heard of the end of a call that rang.
    pub fn note_caller_told(&mut self, call: CallId) {
        if self.owned.contains(&call) && !self.rows.contains_key(&call) {
            self.accuse(Invariant::DurableFirst, format!("call {call} has no row yet"));
        }
    }

    /// Looks at what time alone can break.
    pub fn check_rings(&mut self) {
        let is_too_late = |call: &CallId, ring: &Ring| {
            let limit = self.ended.get(call).map(|at| (*at).max(ring.sound_since) + ms(CANCEL_TRAVEL_MS));
            limit.is_some_and(|limit| self.now > limit)
        };
        let is_endless = |since: Timestamp| self.now > since + ms(RING_CAP_MS);
        let rings = self.rings.iter().find(|((call, _), ring)| is_endless(ring.since) || is_too_late(call, ring));
        let talks = self.talks.iter().find(|((call, _), talk)| is_too_late(call, talk));
        let waits = self.unanswered.values().any(|since| is_endless(*since));
        let (rings, talks) = (rings.map(|(key, _)| *key), talks.map(|(key, _)| *key));
        if let Some((call, phone)) = rings {
            self.accuse(Invariant::NoRingAfterEnd, format!("phone {phone} still rings for call {call}"));
        }
        if let Some((call, phone)) = talks {
            self.accuse(Invariant::NoTalkAfterEnd, format!("phone {phone} still talks on call {call}"));
        }
        if waits {
            self.accuse(Invariant::RingLimit, "a caller still waits".to_owned());
        }
    }

    /// Looks at a call whose callee still talks.
    pub fn check_callee(&mut self, call: CallId) {
        if self.ended.get(&call).is_some_and(|at| self.now > *at + ms(BYE_TRAVEL_MS)) {
            self.accuse(Invariant::NoTalkAfterEnd, format!("who was called by call {call} still talks"));
        }
    }

    /// When `check_rings` must be called again, so that a ring in a quiet world is seen.
    pub fn next_check(&self) -> Option<Timestamp> {
        let since = self.rings.values().map(|ring| ring.since).chain(self.unanswered.values().copied());
        since.map(|since| since + ms(RING_CAP_MS + 1)).min()
    }

    /// Looks at a world that has come to rest.
    pub fn check_rest(&mut self, live_calls: usize) {
        if live_calls > 0 {
            self.accuse(Invariant::ComesToRest, format!("{live_calls} calls live on"));
        }
        if let Some((call, phone)) = self.dialled.first().copied() {
            self.accuse(Invariant::ComesToRest, format!("phone {phone} was never told how its call {call} ended"));
        }
        if let Some(call) = self.owned.iter().copied().find(|call| !self.rows.contains_key(call)) {
            self.accuse(Invariant::OneRow, format!("call {call} has no row"));
        }
        if let Some(((call, phone), _)) = self.rings.first_key_value() {
            let seen = format!("phone {phone} rings for call {call} in a world at rest");
            self.accuse(Invariant::NoRingAfterEnd, seen);
        }
    }

    /// How many calls came, were connected and got a row.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.asked.len(), self.connected.len(), self.rows.len())
    }

    /// How the calls ended, in the order of their ids.
    pub fn rows(&self) -> impl Iterator<Item = &CallFacts> {
        self.rows.values()
    }
}
