//! Worlds from seeds: whatever is lost, late or crosses, both ends go by the same offer in the end.

use crate::session::tests::world::{CALLEE, CALLER, Manners, World};
use crate::session::{Input, Settings, TimerSettings};

const SEEDS: u64 = 400;

#[test]
fn two_ends_that_change_at_random_go_by_the_same_offer_in_the_end() {
    let (mut alive, mut crossings) = (0, 0);
    for seed in 0..SEEDS {
        let mut world = unruly(seed);
        for _ in 0..12 {
            let pause = i64::try_from(world.random.below(4_000)).unwrap();
            for end in [CALLER, CALLEE] {
                if world.random.chance(60) {
                    world.tell(end, Input::Change);
                }
            }
            world.run(pause);
        }
        world.run(120_000);
        crossings += world.refusals.get(&491).copied().unwrap_or_default();
        if world.ends.iter().any(|end| end.ended.is_some()) {
            continue;
        }
        alive += 1;
        let [caller, callee] = &world.ends;
        assert_eq!(caller.agreed, callee.agreed, "seed {seed}");
        assert!(caller.agreed.is_some() && caller.session.is_quiet() && callee.session.is_quiet(), "seed {seed}");
    }
    assert!(alive > SEEDS * 9 / 10, "{alive} of {SEEDS} calls lived");
    assert!(crossings > 1_000, "{crossings} crossings");
}

/// A call over a bad link between two ends that take their time.
fn unruly(seed: u64) -> World {
    let settings = |prefers_update| Settings { timer: TimerSettings::default(), prefers_update };
    let mut world = World::new(seed, settings(seed.is_multiple_of(2)), settings(seed.is_multiple_of(3)));
    (world.loss, world.delay_ms) = (seed % 20, 400);
    world.manners = Manners { is_stubborn: 0, slowness_ms: 600 };
    let late_offer = seed.is_multiple_of(5);
    world.tell(CALLER, Input::Invite { sdp: (!late_offer).then(|| "first".into()) });
    world.run(10_000);
    let mut own = Some(if late_offer { "second".into() } else { "answer to first".into() });
    if seed % 7 < 3 {
        world.tell(CALLEE, Input::Progress { status: 183, sdp: own.take(), is_reliable: true });
    }
    world.tell(CALLEE, Input::Accept { sdp: own });
    world.manners.is_stubborn = if late_offer { 0 } else { 10 };
    world.run(10_000);
    world
}
