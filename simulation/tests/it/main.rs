//! Hundreds of seeded worlds, and the planted bugs they must find.

use std::collections::BTreeSet;

use callfield_domain::Outcome;
use callfield_simulation::{Mutant, Violation, World};

/// How many seeds a test run looks at; `SIM_COUNT` and `SIM_SEED` choose others.
const SEEDS: u64 = 2_000;
/// Every such seed runs twice and must give the same trace.
const SAMPLE: u64 = 20;

/// How calls must have ended in so many worlds, lest they be too tame.
const EXPECTED: [Outcome; 9] = [
    Outcome::Completed,
    Outcome::NoAnswer,
    Outcome::Busy,
    Outcome::Blocked,
    Outcome::Rejected,
    Outcome::Canceled,
    Outcome::Failed,
    Outcome::NoRoute,
    Outcome::MissedDeviceUnreachable,
];

fn number_from(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "the test binary may be told which seeds to run")]
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_is_sound_and_repeatable() {
    let first = number_from("SIM_SEED").unwrap_or(0);
    let count = number_from("SIM_COUNT").unwrap_or(SEEDS);
    let (mut calls, mut connected, mut outcomes) = (0, 0, BTreeSet::new());
    for seed in first..first + count {
        let mut world = World::new(seed, Mutant::None, false);
        let summary = world.run().unwrap_or_else(|violation| panic!("./dev sim {seed}\n{violation}"));
        if seed % SAMPLE == 0 {
            let again = World::new(seed, Mutant::None, false).run();
            assert_eq!(Ok(&summary), again.as_ref(), "./dev sim {seed}: two runs differ");
        }
        calls += summary.calls;
        connected += summary.connected;
        outcomes.extend(world.ledger().rows().filter_map(|row| row.outcome));
    }
    if count >= SEEDS {
        assert!(connected * 5 > calls, "too few of {calls} calls were connected for this to prove much: {connected}");
        let missing: Vec<_> = EXPECTED.iter().filter(|outcome| !outcomes.contains(outcome)).collect();
        assert!(missing.is_empty(), "no call ended as {missing:?}");
    }
}

#[test]
fn every_planted_bug_is_found_by_its_invariant() {
    for mutant in Mutant::ALL {
        let violations = (0..SEEDS).filter_map(|seed| World::new(seed, mutant, false).run().err().map(|v| (seed, v)));
        // Other deadlines starve behind a hidden one, so that the first thing that breaks may be theirs.
        let is_own = |violation: &Violation| Some(violation.invariant) == mutant.breaks() || !mutant.hides_some();
        let found = { violations }.find(|(_, violation)| is_own(violation));
        let (seed, violation) = found.unwrap_or_else(|| panic!("{mutant:?} was not found in {SEEDS} seeds"));
        assert_eq!(Some(violation.invariant), mutant.breaks(), "{mutant:?} at seed {seed}: {violation}");
    }
}
