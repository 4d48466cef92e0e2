//! Which trunk has its turn, and when the next one has.

use std::time::Duration;

use callfield_domain::{Milestone, Timestamp};

use super::{Action, Call, Phase};
use crate::switchboard::Hop;

/// How long a trunk may leave an INVITE without any answer when there is another one.
const SILENCE_LIMIT: Duration = Duration::from_secs(4);

impl Call {
    /// The trunk whose turn it is.
    pub(in crate::switchboard::outbound) fn hop(&self) -> Option<&Hop> {
        self.plan.as_ref()?.hops.get(self.turn)
    }

    /// The trunk is there.
    pub(super) fn hear(&mut self) {
        if let Phase::Calling { silent_until, .. } = &mut self.phase {
            *silent_until = None;
        }
    }

    /// The trunk whose turn it is does not take the call: the next one is tried, or the call ends.
    pub(super) fn pass_on(&mut self, now: Timestamp, status: u16, why: &str) {
        let Phase::Calling { .. } = self.phase else { return };
        self.mark(now, Milestone::Declined, Some(why));
        if !self.has_next() {
            return self.end_refused(now, status);
        }
        self.turn += 1;
        self.phase = Phase::Calling { rings: false, silent_until: self.silent_until(now) };
        self.actions.push_back(Action::InviteNext);
    }

    fn has_next(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| self.turn + 1 < plan.hops.len())
    }

    /// Without another trunk it may be silent as long as the transaction waits.
    pub(super) fn silent_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.has_next().then(|| now + SILENCE_LIMIT)
    }
}
