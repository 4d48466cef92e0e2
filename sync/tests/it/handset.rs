//! A phone that keeps rows, as the store of a real one does, and syncs with a cloud.

use std::collections::BTreeMap;

use callfield_domain::{DeviceId, Random, RecordId, Timestamp, UserId};
use callfield_sync::ingest::Role;
use callfield_sync::phone::{
    InboxEntry, LocalRecord, Merged, Outgoing, Session, build_request, create, edit, merge, needs_replay, replay,
    settle, touched,
};
use callfield_sync::protocol::{Budget, Cursor, Item, Level, Reason, Response, ScopeCursor, TxnId, Want};
use callfield_sync::record::Edit;
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, DeviceKey, Heads};
use serde_json::Value;

use crate::cloud::Cloud;

pub(crate) struct Phone {
    pub(crate) device: DeviceId,
    pub(crate) key: DeviceKey,
    pub(crate) user: UserId,
    pub(crate) role: Role,
    incarnation: u32,
    pub(crate) actor: Actor,
    pub(crate) records: BTreeMap<RecordId, LocalRecord>,
    pub(crate) outbox: Vec<Outgoing>,
    pub(crate) inbox: Vec<InboxEntry>,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) want: Vec<Want>,
    pub(crate) level: Level,
    pub(crate) now: Timestamp,
    random: Random,
}

impl Phone {
    pub(crate) fn new(number: u8, user: UserId, random: &mut Random) -> Self {
        let key = DeviceKey::of_public_key(&[number; 32]);
        Self {
            device: DeviceId::new(Timestamp::ZERO, random),
            key,
            user,
            role: Role::Rep,
            incarnation: 1,
            actor: Actor::new(key, 1, random),
            records: BTreeMap::new(),
            outbox: Vec::new(),
            inbox: Vec::new(),
            cursor: None,
            want: Vec::new(),
            level: Level::Full,
            now: Timestamp::from_millis(1_800_000_000_000),
            random: Random::new(random.seed()),
        }
    }

    fn by(&self) -> Edit {
        Edit { actor: self.actor, author: Author::User(self.user), claimed_at: self.now }
    }

    pub(crate) fn txn(&mut self) -> TxnId {
        TxnId::new(self.now, &mut self.random)
    }

    pub(crate) fn create(&mut self, record_type: RecordType, patch: &Value) -> RecordId {
        let (id, txn) = (RecordId::new(self.now, &mut self.random), self.txn());
        let (record, outgoing) = create(id, record_type, txn, &self.by(), patch).unwrap();
        self.records.insert(id, record);
        self.outbox.extend(outgoing);
        id
    }

    pub(crate) fn edit(&mut self, id: RecordId, patch: &Value) {
        let txn = self.txn();
        self.edit_in(txn, id, patch);
    }

    pub(crate) fn edit_in(&mut self, txn: TxnId, id: RecordId, patch: &Value) {
        let (record, outgoing) = edit(&self.records[&id], txn, &self.by(), patch).unwrap();
        self.records.insert(id, record);
        self.outbox.extend(outgoing);
    }

    pub(crate) fn request(&self) -> Vec<u8> {
        let session = Session {
            device: self.device,
            reason: Reason::Manual,
            budget: Budget { bytes: 1 << 20, time_ms: 30_000, metered: false },
        };
        let scope =
            ScopeCursor { scope: "tenant".to_owned(), cursor: self.cursor.clone(), checksum: None, level: self.level };
        build_request(&session, &self.outbox, vec![scope], self.want.clone()).encode()
    }

    /// A fresh incarnation, as the shell keeps it ready for a rebase.
    fn fresh(&mut self) -> Edit {
        self.incarnation += 1;
        Edit { actor: Actor::new(self.key, self.incarnation, &mut self.random), ..self.by() }
    }

    /// Stores what an answer means; true if the feed has more.
    pub(crate) fn digest(&mut self, response: &[u8]) -> bool {
        self.digest_late(response, &[])
    }

    /// The same, when `late` came into the outbox after it was read.
    pub(crate) fn digest_late(&mut self, response: &[u8], late: &[Outgoing]) -> bool {
        let response = Response::decode(response).unwrap();
        let fresh = self.fresh();
        let touched = touched(&response, &self.outbox);
        let records = self.records.iter().filter(|(id, _)| touched.contains(id));
        let records = records.map(|(id, record)| (*id, record.clone())).collect();
        let settled = settle(&response, &self.outbox, &records, &fresh);
        if settled.is_rebased {
            self.actor = fresh.actor;
        }
        self.outbox.extend_from_slice(late);
        self.outbox.retain(|change| !settled.done.contains(&change.hash));
        self.replace(settled.replaced);
        settled.dropped.iter().for_each(|id| drop(self.records.remove(id)));
        self.records.extend(settled.records.into_iter().map(|record| (record.id, record)));
        self.inbox.extend(settled.inbox);
        self.want = settled.want;
        let mut more = false;
        for page in &response.pages {
            page.docs.iter().for_each(|item| self.take(item));
            self.cursor = Some(page.next.clone());
            more |= page.more;
        }
        response.wanted.iter().for_each(|item| self.take(item));
        more || !self.want.is_empty()
    }

    fn take(&mut self, item: &Item) {
        let unsent: Vec<_> = self.outbox.iter().filter(|change| change.doc == item.doc).cloned().collect();
        if needs_replay(item, self.records.get(&item.doc), &unsent) {
            let fresh = self.fresh();
            self.actor = fresh.actor;
            let replayed = replay(item, &self.records[&item.doc], &unsent, &fresh).unwrap();
            self.records.insert(item.doc, replayed.record);
            return self.replace(replayed.replaced);
        }
        match merge(item, self.records.get(&item.doc), &unsent) {
            Merged::Store(record) => drop(self.records.insert(item.doc, *record)),
            Merged::Unchanged | Merged::Skip => {}
            Merged::Want(want) => self.want.push(want),
            Merged::Leave | Merged::Erase => {
                self.records.remove(&item.doc);
                self.outbox.retain(|change| change.doc != item.doc);
            }
        }
    }

    fn replace(&mut self, replaced: Vec<(callfield_sync::ChangeHash, Vec<Outgoing>)>) {
        for (hash, by) in replaced {
            let at = self.outbox.iter().position(|change| change.hash == hash).unwrap();
            self.outbox.splice(at..=at, by);
        }
    }

    /// Syncs until nothing is left to do.
    pub(crate) fn sync(&mut self, cloud: &mut Cloud) {
        for _ in 0..100 {
            let response = cloud.answer(self, &self.request());
            if !self.digest(&response) && self.outbox.is_empty() {
                return;
            }
        }
        panic!("a phone must come to rest: {} changes wait, {} records are wanted", self.outbox.len(), self.want.len());
    }

    pub(crate) fn shows(&self, id: RecordId) -> &Value {
        &self.records[&id].projection
    }

    pub(crate) fn heads(&self, id: RecordId) -> &Heads {
        &self.records[&id].heads
    }
}
