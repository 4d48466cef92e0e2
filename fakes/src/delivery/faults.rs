//! Faults on request: a script that is played once, or a seeded share of all requests.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::Response;
use serde::Deserialize;

use super::Service;
use crate::h2_listener::Verdict;

/// What is to go wrong with one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing.
    #[default]
    Pass,
    /// This status and reason, in the service's own shape of an error.
    Status {
        /// The HTTP status.
        status: u16,
        /// APNs: `reason`; FCM: `errorCode`; OAuth: `error`.
        reason: String,
        /// The text of a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The usual answer, this much later.
    Slow {
        /// How many milliseconds later.
        ms: u64,
    },
    /// RST_STREAM(INTERNAL_ERROR).
    Reset,
    /// The usual answer, then a graceful GOAWAY.
    GoAway,
    /// GOAWAY at once, without an answer.
    GoAwayNow,
    /// The TCP connection is closed without a word.
    Disconnect,
}

/// Faults for the coming requests of one service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultOrder {
    /// Which service.
    pub service: Service,
    /// One for each coming request, in order; these go first.
    #[serde(default)]
    pub script: Vec<Fault>,
    /// A share of all requests after the script; replaces an earlier one. None leaves that as it is.
    #[serde(default)]
    pub seeded: Option<SeededFaults>,
}

/// A share of requests that fail, the same for the same seed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeededFaults {
    /// Where the choice starts from.
    pub seed: u64,
    /// How many of 100 requests fail.
    pub percent: u64,
    /// What they fail with; one is chosen each time.
    pub of: Vec<Fault>,
}

#[derive(Default)]
pub(crate) struct Faults {
    scripts: BTreeMap<Service, VecDeque<Fault>>,
    seeded: BTreeMap<Service, SeededFaults>,
}

impl Faults {
    pub(crate) fn order(&mut self, order: FaultOrder) {
        self.scripts.entry(order.service).or_default().extend(order.script);
        if let Some(seeded) = order.seeded {
            self.seeded.insert(order.service, seeded);
        }
    }

    pub(crate) fn next(&mut self, service: Service) -> Fault {
        let scripted = self.scripts.get_mut(&service).and_then(VecDeque::pop_front);
        scripted.or_else(|| self.seeded.get_mut(&service)?.next()).unwrap_or_default()
    }
}

impl SeededFaults {
    fn next(&mut self) -> Option<Fault> {
        let fails = split_mix(&mut self.seed) % 100 < self.percent;
        let count = u64::try_from(self.of.len()).ok().filter(|&count| fails && count > 0)?;
        let choice = usize::try_from(split_mix(&mut self.seed) % count).ok()?;
        self.of.get(choice).cloned()
    }
}

impl Fault {
    /// Plays the fault around the usual answer; `refuse` makes the service's shape of an error.
    pub(crate) async fn play(
        self,
        refuse: impl FnOnce(u16, &str) -> Response<Bytes>,
        usual: impl Future<Output = Response<Bytes>>,
    ) -> Verdict {
        match self {
            Self::Pass => Verdict::Answer(usual.await),
            Self::Status { status, reason, retry_after } => {
                let mut response = refuse(status, &reason);
                if let Some(Ok(value)) = retry_after.map(|text| text.parse()) {
                    response.headers_mut().insert(http::header::RETRY_AFTER, value);
                }
                Verdict::Answer(response)
            }
            Self::Slow { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Verdict::Answer(usual.await)
            }
            Self::Reset => Verdict::Reset(Reason::INTERNAL_ERROR),
            Self::GoAway => Verdict::AnswerAndGoAway(usual.await),
            Self::GoAwayNow => Verdict::GoAwayNow(Reason::NO_ERROR),
            Self::Disconnect => Verdict::Disconnect,
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough to choose faults with.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_played_once_and_before_the_seeded_faults() {
        let mut faults = Faults::default();
        let script = vec![Fault::Reset, Fault::Pass];
        let seeded = Some(SeededFaults { seed: 1, percent: 100, of: vec![Fault::Disconnect] });
        faults.order(FaultOrder { service: Service::Apns, script, seeded });
        let played: Vec<Fault> = (0..4).map(|_| faults.next(Service::Apns)).collect();
        assert_eq!(played, [Fault::Reset, Fault::Pass, Fault::Disconnect, Fault::Disconnect]);
        assert_eq!(faults.next(Service::Fcm), Fault::Pass);
    }

    #[test]
    fn a_seed_gives_the_same_faults_again_and_about_the_asked_share() {
        let story = || {
            let mut seeded = SeededFaults { seed: 7, percent: 20, of: vec![Fault::Reset, Fault::GoAway] };
            (0..1_000).map(|_| seeded.next()).collect::<Vec<_>>()
        };
        let failed = story().iter().flatten().count();
        assert_eq!(story(), story());
        assert!((150..250).contains(&failed), "{failed} of 1,000");
    }
}
