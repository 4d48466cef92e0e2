//! A server with a feed, in memory, that answers with the real bytes of the wire.

use std::collections::BTreeMap;

use callfield_domain::{Random, RecordId, Timestamp};
use callfield_sync::ingest::{Context, Stored, ingest};
use callfield_sync::protocol::{Cursor, Item, ItemKind, Level, Page, Request, Response, ScopeCursor};
use callfield_sync::record::{Edit, Record};
use callfield_sync::{Actor, Author, DeviceKey};

use crate::handset::Phone;

/// The server: records, and the feed of one scope.
pub(crate) struct Cloud {
    pub(crate) stored: BTreeMap<RecordId, Stored>,
    /// Each change of each record with the seq it came at.
    changes: BTreeMap<RecordId, Vec<(u64, Vec<u8>)>>,
    pub(crate) seq: BTreeMap<RecordId, u64>,
    next_seq: u64,
    pub(crate) now: Timestamp,
    actor: Actor,
    /// Records in a page.
    pub(crate) page_size: usize,
}

impl Cloud {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            stored: BTreeMap::new(),
            changes: BTreeMap::new(),
            seq: BTreeMap::new(),
            next_seq: 0,
            now: Timestamp::from_millis(1_800_000_000_000),
            actor: Actor::new(DeviceKey::of_public_key(&[0xff; 32]), 1, random),
            page_size: 2,
        }
    }

    pub(crate) fn record(&self, id: RecordId) -> Record {
        Record::load(self.stored[&id].record_type, &self.stored[&id].snapshot).unwrap()
    }

    /// Rebuilds a record from its values, as an epoch rewrite does.
    pub(crate) fn rebuild(&mut self, id: RecordId) {
        let old = self.record(id);
        let by = Edit { actor: self.actor, author: Author::Server, claimed_at: self.now };
        let new = old.rebuilt(&by);
        assert_eq!(new.projection(), old.projection());
        let stored = self.stored.get_mut(&id).unwrap();
        (stored.epoch, stored.snapshot) = (stored.epoch + 1, new.save());
        self.next_seq += 1;
        self.seq.insert(id, self.next_seq);
        self.changes.insert(id, Vec::new());
    }

    /// Answers a request from the wire with a response for the wire.
    pub(crate) fn answer(&mut self, phone: &Phone, request: &[u8]) -> Vec<u8> {
        let request = Request::decode(request).unwrap();
        assert_eq!(request.device, phone.device);
        let context = Context {
            device: phone.key,
            user: phone.user,
            role: phone.role,
            now: self.now,
            last_contact: None,
            server: self.actor,
        };
        let ingested = ingest(&self.stored, &request.push, &context);
        let mut response = Response { verdicts: ingested.verdicts, ..Response::new(self.now) };
        for outcome in ingested.records {
            self.next_seq += 1;
            self.seq.insert(outcome.id, self.next_seq);
            let log = self.changes.entry(outcome.id).or_default();
            log.extend(outcome.changes.into_iter().map(|change| (self.next_seq, change.bytes)));
            response.corrections.extend(outcome.corrections);
            let stored = Stored { record_type: outcome.record_type, epoch: outcome.epoch, snapshot: outcome.snapshot };
            self.stored.insert(outcome.id, stored);
        }
        response.wanted = request.want.iter().filter_map(|want| self.item(want.doc, None, Level::Full)).collect();
        response.pages = request.scopes.iter().map(|scope| self.page(scope)).collect();
        response.encode()
    }

    fn page(&self, scope: &ScopeCursor) -> Page {
        let seen = scope.cursor.as_ref().map_or(0, |cursor| u64::from_be_bytes(cursor.as_bytes().try_into().unwrap()));
        let mut news: Vec<_> = self.seq.iter().filter(|(_, seq)| **seq > seen).map(|(id, seq)| (*seq, *id)).collect();
        news.sort_unstable();
        let more = news.len() > self.page_size;
        news.truncate(self.page_size);
        let next = news.last().map_or(seen, |(seq, _)| *seq);
        Page {
            scope: scope.scope.clone(),
            docs: news.into_iter().filter_map(|(_, id)| self.item(id, Some(seen), scope.level)).collect(),
            next: Cursor::from_bytes(next.to_be_bytes().to_vec()).unwrap(),
            more,
            checksum: None,
        }
    }

    /// Changes after `seen` if the phone can have what is before them, else the whole.
    pub(crate) fn item(&self, id: RecordId, seen: Option<u64>, level: Level) -> Option<Item> {
        let stored = self.stored.get(&id)?;
        let record = self.record(id);
        let news = self.changes.get(&id).into_iter().flatten();
        let (kind, body) = match (level, seen.filter(|seen| *seen > 0 && stored.epoch == 0)) {
            (Level::Projection, _) => (ItemKind::Projection, vec![record.projection().to_string().into_bytes().into()]),
            (Level::Full, Some(seen)) => {
                let news = news.filter(|(seq, _)| *seq > seen).map(|(_, bytes)| bytes.clone().into());
                (ItemKind::Changes, news.collect())
            }
            (Level::Full, None) => (ItemKind::Snapshot, vec![stored.snapshot.clone().into()]),
        };
        let (record_type, heads) = (stored.record_type.as_str().to_owned(), record.heads());
        Some(Item { doc: id, record_type, epoch: stored.epoch, seq: self.seq[&id], kind, body, heads })
    }
}
