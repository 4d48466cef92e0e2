//! Pushes that make a sleeping softphone register again before its registration lapses (RFC 8599 §5.5).
//!
//! One that is missed is followed by others, further and further apart, also after the registration has lapsed: a call wakes
//! the softphone by its token in any case.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::{DeviceId, TenantId, Timestamp};

use super::push_offer::PushOffer;
use super::{Alarm, DeviceIdentity, Output, Switchboard, Why};
use crate::message::{Message, NameAddr};

/// The pause after the first push; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(4 * 3_600);
/// How long a softphone that never comes is asked.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);
/// How much earlier one that can has to refresh by itself.
const HEAD_START_S: u64 = 120;

/// The softphones that have to be reminded.
#[derive(Default)]
pub(super) struct Refreshes(BTreeMap<DeviceId, Refresh>);

struct Refresh {
    tenant: TenantId,
    due_at: Timestamp,
    pause: Duration,
    attempt: u32,
    ends_at: Timestamp,
}

impl Switchboard {
    /// A softphone has registered until `expires_at`.
    pub(super) fn watch_binding(
        &mut self,
        now: Timestamp,
        identity: DeviceIdentity,
        expires_at: Timestamp,
        push: Option<&PushOffer>,
    ) {
        let DeviceIdentity { tenant, device, .. } = identity;
        if push.is_none_or(|push| push.quiet_token.is_none()) {
            return self.stop_refreshing(device);
        }
        let lifetime = expires_at.since(now);
        let due_at = now + lifetime.saturating_sub(lead(lifetime));
        let refresh = Refresh { tenant, due_at, pause: PAUSE_MIN, attempt: 0, ends_at: expires_at + PATIENCE };
        self.refreshes.0.insert(device, refresh);
        self.agenda.set(Alarm::Refresh(device), Some((due_at, Why::PushRefresh(device))));
    }

    /// A softphone is gone for good, or is not woken any more.
    pub(super) fn stop_refreshing(&mut self, device: DeviceId) {
        self.refreshes.0.remove(&device);
        self.agenda.set(Alarm::Refresh(device), None);
    }

    /// A softphone has not registered again.
    pub(super) fn remind(&mut self, now: Timestamp, device: DeviceId) {
        let Some(refresh) = self.refreshes.0.get_mut(&device) else { return };
        let Refresh { tenant, attempt, .. } = *refresh;
        refresh.attempt += 1;
        refresh.due_at = now + refresh.pause;
        refresh.pause = (refresh.pause * 2).min(PAUSE_MAX);
        let (due_at, ends_at) = (refresh.due_at, refresh.ends_at);
        self.outputs.push_back(Output::RefreshWanted { tenant, device, attempt });
        if due_at > ends_at {
            return self.stop_refreshing(device);
        }
        self.agenda.set(Alarm::Refresh(device), Some((due_at, Why::PushRefresh(device))));
    }

    /// How many seconds before the end of its registration a softphone that can has to refresh it by itself.
    pub(super) fn self_refresh(&self, request: &Message) -> Option<u64> {
        let contact: NameAddr = request.contacts().next()?;
        let wanted = contact.param("expires").and_then(|seconds| seconds.parse().ok()).or_else(|| request.expires());
        let longest = self.settings.binding_lifetime;
        let lifetime = wanted.map_or(longest, |seconds| Duration::from_secs(seconds.into())).min(longest);
        Some(lead(lifetime).as_secs() + HEAD_START_S)
    }
}

/// How long before the end of a registration its softphone is reminded.
fn lead(lifetime: Duration) -> Duration {
    lifetime / 6
}
