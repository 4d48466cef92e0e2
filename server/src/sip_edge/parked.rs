//! Who still waits for a push: one that is under way when its call is over must not be sent any more.

use std::collections::BTreeMap;

use callfield_domain::CallId;
use tokio_util::sync::CancellationToken;

/// The calls that pushes were asked for and that nobody has answered.
#[derive(Default)]
pub(super) struct Parked(BTreeMap<CallId, CancellationToken>);

impl Parked {
    /// What is cancelled when nobody waits for the devices of a call any more.
    pub(super) fn over(&mut self, call: CallId) -> CancellationToken {
        self.0.entry(call).or_default().clone()
    }

    /// Somebody answered, or the call is over.
    pub(super) fn end(&mut self, call: CallId) {
        if let Some(over) = self.0.remove(&call) {
            over.cancel();
        }
    }
}
