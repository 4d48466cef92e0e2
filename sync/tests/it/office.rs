//! The cast of the stories: a server with its store, and devices that edit records offline and push them.

use std::collections::BTreeMap;

use callfield_domain::{Random, RecordId, Seed, Timestamp, UserId};
use callfield_sync::ingest::{Context, Ingested, Outcome, Role, Stored, ingest};
use callfield_sync::protocol::{Push, TxnId, VerdictCode};
use callfield_sync::record::{Change, Edit, Record};
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, DeviceKey};
use serde_json::Value;

/// The server: what a store would hold, and nothing else.
pub(crate) struct Server {
    pub(crate) stored: BTreeMap<RecordId, Stored>,
    pub(crate) now: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) random: Random,
}

/// A phone or a REST client: who it is and its own copy of one record.
pub(crate) struct Device {
    pub(crate) key: DeviceKey,
    pub(crate) user: UserId,
    pub(crate) role: Role,
    pub(crate) actor: Actor,
    pub(crate) record: Record,
}

impl Server {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(Seed::from_number(seed));
        let actor = Actor::new(DeviceKey::of_public_key(&[0xff; 32]), 1, &mut random);
        Self { stored: BTreeMap::new(), now: Timestamp::from_millis(1_800_000_000_000), actor, random }
    }

    pub(crate) fn id(&mut self) -> RecordId {
        RecordId::new(self.now, &mut self.random)
    }

    pub(crate) fn user(&mut self) -> UserId {
        UserId::new(self.now, &mut self.random)
    }

    pub(crate) fn device(&mut self, number: u8, user: UserId, record_type: RecordType) -> Device {
        let key = DeviceKey::of_public_key(&[number; 32]);
        let actor = Actor::new(key, 1, &mut self.random);
        Device { key, user, role: Role::Rep, actor, record: Record::new(record_type) }
    }

    pub(crate) fn txn(&mut self) -> TxnId {
        TxnId::new(self.now, &mut self.random)
    }

    pub(crate) fn context(&self, device: &Device) -> Context {
        Context {
            device: device.key,
            user: device.user,
            role: device.role,
            now: self.now,
            last_contact: None,
            server: self.actor,
        }
    }

    /// Takes a request and writes what comes of it, as the store would.
    pub(crate) fn take(&mut self, device: &Device, pushes: &[Push]) -> Ingested {
        let ingested = ingest(&self.stored, pushes, &self.context(device));
        assert_eq!(ingested.verdicts.len(), pushes.iter().map(|push| push.changes.len()).sum::<usize>());
        ingested.records.iter().for_each(|outcome| self.keep(outcome));
        ingested
    }

    /// Writes what the store writes of a record.
    pub(crate) fn keep(&mut self, outcome: &Outcome) {
        assert_sound(outcome);
        let (record_type, epoch, snapshot) = (outcome.record_type, outcome.epoch, outcome.snapshot.clone());
        self.stored.insert(outcome.id, Stored { record_type, epoch, snapshot });
    }

    /// Pushes changes of one record as one transaction.
    pub(crate) fn push(&mut self, device: &Device, id: RecordId, changes: &[Change]) -> Ingested {
        let txn = self.txn();
        self.take(device, &[push(txn, id, device.record.record_type(), changes)])
    }

    pub(crate) fn record(&self, id: RecordId) -> Record {
        let stored = &self.stored[&id];
        Record::load(stored.record_type, &stored.snapshot).unwrap()
    }

    /// Brings a device's copy up to date.
    pub(crate) fn pull(&self, device: &mut Device, id: RecordId) {
        let news = self.record(id).changes_since(&device.record.heads());
        let bytes: Vec<_> = news.into_iter().map(|change| change.bytes).collect();
        device.record.apply(&bytes).unwrap();
    }
}

/// What every record that ingest returns must be: it loads, and loads as itself.
pub(crate) fn assert_sound(outcome: &Outcome) {
    let loaded = Record::load(outcome.record_type, &outcome.snapshot).unwrap();
    assert_eq!(loaded.heads(), outcome.heads);
    assert_eq!(loaded.projection(), outcome.projection);
}

impl Device {
    pub(crate) fn edit(&mut self, claimed_at: i64, patch: &Value) -> Vec<Change> {
        let by = self.by(claimed_at);
        self.record.edit(&by, patch).unwrap()
    }

    pub(crate) fn by(&self, claimed_at: i64) -> Edit {
        Edit { actor: self.actor, author: Author::User(self.user), claimed_at: Timestamp::from_millis(claimed_at) }
    }
}

pub(crate) fn push(txn: TxnId, doc: RecordId, record_type: RecordType, changes: &[Change]) -> Push {
    Push {
        txn,
        doc,
        record_type: record_type.as_str().to_owned(),
        epoch: 0,
        changes: changes.iter().map(|change| change.bytes.clone().into()).collect(),
    }
}

pub(crate) fn codes(ingested: &Ingested) -> Vec<VerdictCode> {
    ingested.verdicts.iter().map(|verdict| verdict.code).collect()
}

pub(crate) fn reasons(ingested: &Ingested) -> Vec<&str> {
    ingested.verdicts.iter().filter_map(|verdict| verdict.reason.as_deref()).collect()
}
