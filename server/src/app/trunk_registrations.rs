//! How the registrations at trunks stand, as the edge tells it, and that trunks were changed, as the API does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use callfield_domain::TrunkId;
use tokio::sync::Notify;

pub use callfield_sip::switchboard::RegistrationState;

/// What the edge and the API tell each other of trunks.
#[derive(Default)]
pub struct TrunkRegistrations {
    states: Mutex<BTreeMap<TrunkId, RegistrationState>>,
    changed: Notify,
}

impl TrunkRegistrations {
    /// How the registration at a trunk stands; `None` if nothing is known yet.
    pub fn state(&self, trunk: TrunkId) -> Option<RegistrationState> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).get(&trunk).copied()
    }

    /// Notes how a registration stands.
    pub fn note(&self, trunk: TrunkId, state: RegistrationState) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).insert(trunk, state);
    }

    /// Forgets all trunks but these.
    pub fn keep(&self, trunks: &BTreeSet<TrunkId>) {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).retain(|trunk, _| trunks.contains(trunk));
    }

    /// Tells the edge that trunks were changed.
    pub fn announce_change(&self) {
        self.changed.notify_one();
    }

    /// Waits for the next change; one that nobody waited for counts.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
