//! Sources that belong to no trunk: each gets a little of the edge's time, and all together not much more.
//!
//! Who scans or floods is dropped before anything of it is read. Trunks are not limited, nor is who the edge itself has
//! called upon, registered desk phones and where outgoing calls go, nor who logs in as a desk phone does.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::streams::site_of;
use crate::app::App;

/// How long one message of a site uses up: 50 a second.
const PER_SITE: Duration = Duration::from_millis(20);
/// How far a site may be ahead: 500 messages at once, as when an office has its power back.
const SITE_BURST: Duration = Duration::from_secs(10);
/// How long one message of any stranger uses up: 2,000 a second from all of them.
const PER_STRANGER: Duration = Duration::from_micros(500);
/// How far all of them may be ahead: 4,000 messages.
const ALL_BURST: Duration = Duration::from_secs(2);
/// Sites that are told apart; more share.
const SITES: usize = 16_384;
/// How long who was called upon stays no stranger.
const CALLED_UPON: Duration = Duration::from_secs(600);
/// How many of those are remembered.
const CALLED_UPON_MAX: usize = 10_000;
/// How often it is looked whom of them to forget, when there is no room: for as many as there may be that takes a while.
const CLEAN_EVERY: Duration = Duration::from_secs(1);
/// How often the trunks are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(1);

/// The sources from which calls of trunks come.
pub(super) type TrunkSources = BTreeSet<IpAddr>;

/// How much of the edge's time each source has used up.
pub(super) struct Strangers {
    trunks: watch::Receiver<TrunkSources>,
    called_upon: BTreeMap<IpAddr, Instant>,
    cleaned_at: Option<Instant>,
    /// Until when each site has used up its share: a fixed size, whoever is made up.
    used_until: Vec<Option<Instant>>,
    all_used_until: Option<Instant>,
    places: RandomState,
}

impl Strangers {
    /// Nobody has used anything yet.
    pub(super) fn new(trunks: watch::Receiver<TrunkSources>) -> Self {
        Self {
            trunks,
            called_upon: BTreeMap::new(),
            cleaned_at: None,
            used_until: vec![None; SITES],
            all_used_until: None,
            places: RandomState::new(),
        }
    }

    /// Whether something that came from `source` is looked at.
    pub(super) fn admits(&mut self, source: IpAddr, now: Instant) -> bool {
        let source = source.to_canonical();
        if self.trunks.borrow().contains(&source) || self.is_called_upon(source, now) {
            return true;
        }
        let place = self.places.hash_one(site_of(source)) as usize % SITES;
        let (site, all) = (self.used_until.get_mut(place), &mut self.all_used_until);
        let Some(site) = site else { return false };
        let has_room = |used: &Option<Instant>, burst| used.is_none_or(|until| until <= now + burst);
        if !has_room(site, SITE_BURST) || !has_room(all, ALL_BURST) {
            return false;
        }
        *site = Some(site.map_or(now, |until| until.max(now)) + PER_SITE);
        *all = Some(all.map_or(now, |until| until.max(now)) + PER_STRANGER);
        true
    }

    /// Notes that the edge itself sends a request to an address, or that a phone there has proved who it is.
    pub(super) fn call_upon(&mut self, address: IpAddr, now: Instant) {
        let address = address.to_canonical();
        if let Some(at) = self.called_upon.get_mut(&address) {
            *at = now;
            return;
        }
        let is_full = self.called_upon.len() >= CALLED_UPON_MAX;
        if is_full && self.cleaned_at.is_none_or(|at| at + CLEAN_EVERY <= now) {
            self.cleaned_at = Some(now);
            self.called_upon.retain(|_, at| *at + CALLED_UPON > now);
        }
        if self.called_upon.len() < CALLED_UPON_MAX {
            self.called_upon.insert(address, now);
        }
    }

    fn is_called_upon(&self, source: IpAddr, now: Instant) -> bool {
        self.called_upon.get(&source).is_some_and(|at| *at + CALLED_UPON > now)
    }
}

/// Keeps `known` as the database has it until `stop`.
pub(super) async fn keep_trunks_known(app: App, known: watch::Sender<TrunkSources>, stop: CancellationToken) {
    let mut every = tokio::time::interval(LOOK_UP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let found = async { app.db.look_up().await?.trunk_sources().await }.await;
        match found {
            Ok(found) => {
                known.send_if_modified(|known| {
                    let is_new = *known != found;
                    *known = found;
                    is_new
                });
            }
            // Those known so far stay; strangers are served too, only not without limit.
            Err(error) => tracing::warn!(%error, "the sources of trunks could not be looked up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUNK: &str = "192.0.2.1";
    const STRANGER: &str = "198.51.100.7";

    fn strangers() -> Strangers {
        Strangers::new(watch::channel(TrunkSources::from([ip(TRUNK)])).1)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of `count` messages at one moment are looked at.
    fn admitted(strangers: &mut Strangers, from: &str, count: usize, now: Instant) -> usize {
        (0..count).filter(|_| strangers.admits(ip(from), now)).count()
    }

    #[test]
    fn a_stranger_has_a_burst_and_then_a_rate() {
        let (mut strangers, begin) = (strangers(), Instant::now());
        assert_eq!(admitted(&mut strangers, STRANGER, 10_000, begin), 501);
        assert_eq!(admitted(&mut strangers, STRANGER, 100, begin + Duration::from_secs(1)), 50);
        assert_eq!(admitted(&mut strangers, STRANGER, 10_000, begin + Duration::from_secs(60)), 501);
    }

    #[test]
    fn a_trunk_and_who_was_called_upon_are_not_limited() {
        let (mut strangers, begin) = (strangers(), Instant::now());
        assert_eq!(admitted(&mut strangers, TRUNK, 10_000, begin), 10_000);
        assert_eq!(admitted(&mut strangers, "::ffff:192.0.2.1", 10_000, begin), 10_000);
        strangers.call_upon(ip(STRANGER), begin);
        assert_eq!(admitted(&mut strangers, STRANGER, 10_000, begin + CALLED_UPON / 2), 10_000);
        assert_eq!(admitted(&mut strangers, STRANGER, 10_000, begin + CALLED_UPON), 501);
    }

    #[test]
    fn who_was_called_upon_stays_so_when_no_room_is_left_and_the_old_ones_make_room() {
        let (mut strangers, begin) = (strangers(), Instant::now());
        let office = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
        for n in 0..u32::try_from(CALLED_UPON_MAX).unwrap() {
            strangers.call_upon(office(n), begin);
        }
        let later = begin + CALLED_UPON / 2;
        strangers.call_upon(office(0), later);
        strangers.call_upon(ip(STRANGER), later);
        assert!(!strangers.is_called_upon(ip(STRANGER), later));
        let end = begin + CALLED_UPON;
        assert!(strangers.is_called_upon(office(0), end) && !strangers.is_called_upon(office(1), end));
        strangers.call_upon(ip(STRANGER), end);
        assert!(strangers.is_called_upon(ip(STRANGER), end));
    }

    #[test]
    fn made_up_sources_together_have_a_limit_too_and_take_nothing_from_trunks() {
        let (mut strangers, begin) = (strangers(), Instant::now());
        let made_up = |n: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
        let admitted_ones = (0..100_000).filter(|n| strangers.admits(made_up(*n), begin)).count();
        assert_eq!(admitted_ones, 4_001);
        assert_eq!(admitted(&mut strangers, TRUNK, 1_000, begin), 1_000);
    }
}
