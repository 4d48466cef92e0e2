//! How long the edge takes where a caller waits for it: from the INVITE to the push, from REGISTER to the INVITE.

use std::collections::BTreeMap;
use std::time::Instant;

use callfield_domain::{CallId, DeviceId};

/// When things that are waited for came in.
#[derive(Default)]
pub(super) struct Latencies {
    invited: BTreeMap<CallId, Instant>,
    registered: BTreeMap<DeviceId, Instant>,
}

impl Latencies {
    /// An INVITE came in at `at`.
    pub(super) fn invited(&mut self, call: CallId, at: Instant) {
        self.invited.insert(call, at);
    }

    /// The push of a call was written to the provider's connection.
    pub(super) fn push_sent(&self, call: CallId) {
        if let Some(at) = self.invited.get(&call) {
            metrics::histogram!("callfield_invite_to_push_seconds").record(at.elapsed());
        }
    }

    /// A REGISTER of a device came in at `at`.
    pub(super) fn registered(&mut self, device: DeviceId, at: Instant) {
        self.registered.insert(device, at);
    }

    /// A parked INVITE went out to a device.
    pub(super) fn invite_forwarded(&mut self, device: DeviceId) {
        if let Some(at) = self.registered.remove(&device) {
            metrics::histogram!("callfield_register_to_invite_seconds").record(at.elapsed());
        }
    }

    /// A call is over.
    pub(super) fn ended(&mut self, call: CallId) {
        self.invited.remove(&call);
    }
}
