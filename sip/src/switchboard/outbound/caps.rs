//! How much a user and a company may call out: what a stolen phone or password may cost.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use callfield_domain::{TenantId, Timestamp, UserId};

use crate::switchboard::OutboundCaps;

/// What "a minute" of the caps is: any, not that of the clock.
const WINDOW: Duration = Duration::from_secs(60);

/// Whose calls are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Payer {
    User(TenantId, UserId),
    Company(TenantId),
}

/// A cap that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    UserCalls,
    UserRate,
    CompanyCalls,
    CompanyRate,
}

impl Reached {
    /// The reason in the metric and on the timeline.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::UserCalls => "cap_user_calls",
            Self::UserRate => "cap_user_rate",
            Self::CompanyCalls => "cap_company_calls",
            Self::CompanyRate => "cap_company_rate",
        }
    }
}

/// Who has called out, and calls now.
#[derive(Default)]
pub(super) struct Meter {
    live: BTreeMap<Payer, u32>,
    /// The calls of the last minute, the oldest first.
    begun: VecDeque<(Timestamp, Payer)>,
}

impl Meter {
    /// Counts a call; it must be released when it is over.
    pub(super) fn take(&mut self, now: Timestamp, who: (TenantId, UserId), caps: &OutboundCaps) -> Result<(), Reached> {
        while self.begun.front().is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.begun.pop_front();
        }
        let [user, company] = payers_of(who);
        if self.live_of(user) >= caps.user_calls {
            return Err(Reached::UserCalls);
        }
        if self.live_of(company) >= caps.company_calls {
            return Err(Reached::CompanyCalls);
        }
        if self.begun_by(user) >= caps.user_calls_a_minute {
            return Err(Reached::UserRate);
        }
        if self.begun_by(company) >= caps.company_calls_a_minute {
            return Err(Reached::CompanyRate);
        }
        for payer in [user, company] {
            *self.live.entry(payer).or_default() += 1;
            self.begun.push_back((now, payer));
        }
        Ok(())
    }

    /// A call that was counted is over.
    pub(super) fn release(&mut self, who: (TenantId, UserId)) {
        for payer in payers_of(who) {
            let Some(live) = self.live.get_mut(&payer) else { continue };
            *live = live.saturating_sub(1);
            if *live == 0 {
                self.live.remove(&payer);
            }
        }
    }

    fn live_of(&self, payer: Payer) -> u32 {
        self.live.get(&payer).copied().unwrap_or_default()
    }

    fn begun_by(&self, payer: Payer) -> u32 {
        let count = self.begun.iter().filter(|(_, by)| *by == payer).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn payers_of((tenant, user): (TenantId, UserId)) -> [Payer; 2] {
    [Payer::User(tenant, user), Payer::Company(tenant)]
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Random, Seed};

    use super::*;

    const CAPS: OutboundCaps =
        OutboundCaps { user_calls: 2, user_calls_a_minute: 3, company_calls: 3, company_calls_a_minute: 5 };

    /// Two users of one company, and one of another.
    fn people() -> [(TenantId, UserId); 3] {
        let mut random = Random::new(Seed::from_number(1));
        let companies = [TenantId::new(at(0), &mut random), TenantId::new(at(0), &mut random)];
        [companies[0], companies[0], companies[1]].map(|tenant| (tenant, UserId::new(at(0), &mut random)))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_user_and_a_company_have_so_many_calls_at_once() {
        let (mut meter, [one, two, stranger]) = (Meter::default(), people());
        assert_eq!([one, one, two].map(|who| meter.take(at(0), who, &CAPS)), [Ok(()); 3]);
        assert_eq!(meter.take(at(0), one, &CAPS), Err(Reached::UserCalls));
        assert_eq!(meter.take(at(0), two, &CAPS), Err(Reached::CompanyCalls));
        assert_eq!(meter.take(at(0), stranger, &CAPS), Ok(()));
        meter.release(one);
        assert_eq!(meter.take(at(0), two, &CAPS), Ok(()));
        meter.release(two);
        meter.release(two);
        meter.release(one);
        meter.release(stranger);
        assert!(meter.live.is_empty(), "nobody is remembered who does not call");
    }

    #[test]
    fn a_user_and_a_company_begin_so_many_calls_in_any_minute() {
        let (mut meter, [one, two, _]) = (Meter::default(), people());
        let mut call = |seconds, who| {
            let taken = meter.take(at(seconds), who, &CAPS);
            if taken.is_ok() {
                meter.release(who);
            }
            taken
        };
        assert_eq!([0, 10, 20].map(|seconds| call(seconds, one)), [Ok(()); 3]);
        assert_eq!(call(59, one), Err(Reached::UserRate));
        assert_eq!([58, 59].map(|seconds| call(seconds, two)), [Ok(()); 2]);
        assert_eq!(call(59, two), Err(Reached::CompanyRate));
        assert_eq!(call(60, one), Ok(()));
        assert_eq!(call(61, one), Err(Reached::UserRate));
        assert_eq!(call(500, one), Ok(()));
        assert_eq!(meter.begun.len(), 2, "a minute later nothing is left of a call");
    }
}
