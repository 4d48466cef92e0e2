//! Session timers between two ends.

use crate::session::tests::world::{CALLEE, CALLER, World};
use crate::session::{End, Settings, TimerSettings};

fn timed(interval_s: Option<u32>, min_s: u32) -> Settings {
    Settings { timer: TimerSettings { interval_s, min_s }, prefers_update: false }
}

#[test]
fn the_refresher_keeps_the_session_alive_with_updates_without_sdp() {
    let mut world = World::talking(1, timed(Some(100), 90), timed(None, 90));
    world.run(1_000_000);
    let log = world.log(CALLEE);
    assert!(log.len() >= 19 && log.iter().all(|line| line == "got Update"), "{log:?}");
    assert!(world.ends.iter().all(|end| end.ended.is_none()));
}

#[test]
fn who_takes_no_update_is_refreshed_with_an_invite() {
    let mut world = World::talking(1, timed(Some(100), 90), timed(None, 90));
    world.ends[CALLER].session.allows_update = false;
    world.run(60_000);
    assert_eq!(world.log(CALLEE), ["got Invite with offer 1 of 0"]);
    world.run(200_000);
    assert!(world.ends.iter().all(|end| end.ended.is_none()));
}

#[test]
fn a_session_that_nobody_refreshes_ends_at_both_ends() {
    let mut world = World::talking(1, timed(Some(90), 90), timed(None, 90));
    world.loss = 100;
    world.run(61_000);
    assert_eq!(world.ends[CALLEE].ended, Some(End::Expired));
    assert!(world.ends[CALLER].ended.is_some());
}

#[test]
fn who_asks_for_too_short_a_session_is_told_and_calls_again_with_a_longer_one() {
    let mut world = World::talking(1, timed(Some(120), 90), timed(None, 600));
    assert_eq!(world.refusals.get(&422), Some(&1));
    world.run(301_000);
    assert_eq!(world.log(CALLEE), ["got Update"]);
}

#[test]
fn a_callee_may_want_a_timer_of_its_own() {
    let mut world = World::talking(1, timed(None, 90), timed(Some(200), 90));
    world.run(101_000);
    assert_eq!(world.log(CALLEE), ["got Update"], "the caller understands timers, so it refreshes");
    world.loss = 100;
    world.run(200_000);
    assert!(world.ends.iter().all(|end| end.ended.is_some()));
}
