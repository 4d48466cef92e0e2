//! Who is registered: one binding a device, matched by its instance and never by host and port.

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::{DeviceId, TenantId, Timestamp, UserId};

use super::{DeviceIdentity, Flow, PushOffer};

/// A registered contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) identity: DeviceIdentity,
    /// Where it is reached, wherever its Contact points.
    pub(super) flow: Flow,
    /// The user name of a desk phone; `None` for a phone on a connection of its own.
    pub(super) desk: Option<String>,
    /// The Contact URI as the device gave it.
    pub(super) contact: String,
    /// Call-ID and CSeq of the REGISTER: one that was overtaken by a later one changes nothing (RFC 3261 §10.3).
    pub(super) version: (String, u32),
    pub(super) expires_at: Timestamp,
    /// Where a foreign softphone is woken.
    pub(super) push: Option<PushOffer>,
}

/// What a registration changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The device was not registered.
    Fresh,
    /// The device is reached another way than before.
    Moved { from: Flow },
    /// The device was registered this way already.
    Refreshed,
}

/// Every registered contact.
#[derive(Default)]
pub(super) struct Bindings {
    by_device: BTreeMap<DeviceId, Binding>,
    by_user: BTreeMap<(TenantId, UserId), BTreeSet<DeviceId>>,
    by_expiry: BTreeSet<(Timestamp, DeviceId)>,
    by_flow: BTreeMap<Flow, BTreeSet<DeviceId>>,
}

impl Bindings {
    /// Adds or replaces the binding of a device.
    pub(super) fn bind(&mut self, binding: Binding) -> Bound {
        let DeviceIdentity { tenant, user, device } = binding.identity;
        let flow = binding.flow;
        let old = self.unbind(device);
        self.by_user.entry((tenant, user)).or_default().insert(device);
        self.by_expiry.insert((binding.expires_at, device));
        self.by_flow.entry(flow).or_default().insert(device);
        self.by_device.insert(device, binding);
        match old {
            None => Bound::Fresh,
            Some(old) if old.flow == flow => Bound::Refreshed,
            Some(old) => Bound::Moved { from: old.flow },
        }
    }

    /// Removes the binding of a device.
    pub(super) fn unbind(&mut self, device: DeviceId) -> Option<Binding> {
        let binding = self.by_device.remove(&device)?;
        self.by_expiry.remove(&(binding.expires_at, device));
        remove_from(&mut self.by_flow, binding.flow, device);
        remove_from(&mut self.by_user, (binding.identity.tenant, binding.identity.user), device);
        Some(binding)
    }

    /// The binding of a device.
    pub(super) fn binding(&self, device: DeviceId) -> Option<&Binding> {
        self.by_device.get(&device)
    }

    /// The devices that are reached this way; a desk phone may have several accounts.
    pub(super) fn at(&self, flow: Flow) -> Vec<DeviceId> {
        self.by_flow.get(&flow).into_iter().flatten().copied().collect()
    }

    /// Whether a REGISTER of this version was overtaken by a later one.
    pub(super) fn is_overtaken(&self, device: DeviceId, version: &(String, u32)) -> bool {
        let binding = self.by_device.get(&device);
        binding.is_some_and(|binding| binding.version.0 == version.0 && binding.version.1 > version.1)
    }

    /// How many devices are registered.
    pub(super) fn len(&self) -> usize {
        self.by_device.len()
    }

    /// The registered devices of a user.
    pub(super) fn of_user(&self, tenant: TenantId, user: UserId) -> Vec<DeviceId> {
        self.by_user.get(&(tenant, user)).into_iter().flatten().copied().collect()
    }

    /// Removes what has run out.
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<DeviceId> {
        let over: Vec<DeviceId> =
            self.by_expiry.iter().take_while(|(at, _)| *at <= now).map(|(_, device)| *device).collect();
        for device in &over {
            self.unbind(*device);
        }
        over
    }

    /// When the next binding runs out.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.by_expiry.first().map(|(at, _)| *at)
    }
}

fn remove_from<Key: Ord + Copy>(index: &mut BTreeMap<Key, BTreeSet<DeviceId>>, key: Key, device: DeviceId) {
    if let Some(devices) = index.get_mut(&key) {
        devices.remove(&device);
        if devices.is_empty() {
            index.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{Random, Seed};

    use super::super::ConnectionId;
    use super::*;

    fn identity(number: u64) -> DeviceIdentity {
        let mut random = Random::new(Seed::from_number(number));
        DeviceIdentity {
            tenant: TenantId::new(Timestamp::ZERO, &mut random),
            user: UserId::new(Timestamp::ZERO, &mut random),
            device: DeviceId::new(Timestamp::ZERO, &mut random),
        }
    }

    fn binding(identity: DeviceIdentity, connection: u64, expires_at: i64) -> Binding {
        Binding {
            identity,
            flow: Flow::Stream(ConnectionId(connection)),
            desk: None,
            contact: "sip:x@y.invalid".to_owned(),
            version: ("c".to_owned(), 1),
            expires_at: Timestamp::from_millis(expires_at),
            push: None,
        }
    }

    #[test]
    fn a_device_on_another_connection_replaces_its_own_binding() {
        let (mut bindings, phone) = (Bindings::default(), identity(1));
        assert_eq!(bindings.bind(binding(phone, 1, 10)), Bound::Fresh);
        assert_eq!(bindings.bind(binding(phone, 1, 20)), Bound::Refreshed);
        assert_eq!(bindings.bind(binding(phone, 2, 30)), Bound::Moved { from: Flow::Stream(ConnectionId(1)) });
        assert!(bindings.at(Flow::Stream(ConnectionId(1))).is_empty());
        assert_eq!(bindings.at(Flow::Stream(ConnectionId(2))), [phone.device]);
        assert_eq!(bindings.of_user(phone.tenant, phone.user), [phone.device]);
        assert_eq!(bindings.next_expiry(), Some(Timestamp::from_millis(30)));
    }

    #[test]
    fn a_binding_that_ran_out_is_gone_and_the_others_stay() {
        let (mut bindings, phone, tablet) = (Bindings::default(), identity(1), identity(2));
        bindings.bind(binding(phone, 1, 10));
        bindings.bind(binding(tablet, 2, 20));
        assert_eq!(bindings.expire(Timestamp::from_millis(10)), [phone.device]);
        assert_eq!(bindings.binding(phone.device), None);
        assert!(bindings.of_user(phone.tenant, phone.user).is_empty());
        assert!(bindings.binding(tablet.device).is_some());
    }
}
