//! A phone without a radio: the phone's side of the sync protocol over rows in memory.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, Bytes};
use callfield_domain::{Random, RecordId, Seed};
use callfield_sync::phone::{self, InboxEntry, LocalRecord, Merged, Outgoing, Session};
use callfield_sync::protocol::{
    Budget, CONTENT_TYPE, Cursor, Item, Level, Reason, Request as SyncRequest, Response, ScopeCursor, TxnId, Want,
};
use callfield_sync::record::Edit;
use callfield_sync::schema::RecordType;
use callfield_sync::{Actor, Author, DeviceKey, scope};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use crate::office::{Office, Phone, public_key, request};

pub(crate) struct Handset {
    pub(crate) phone: Phone,
    pub(crate) records: BTreeMap<RecordId, LocalRecord>,
    pub(crate) outbox: Vec<Outgoing>,
    pub(crate) inbox: Vec<InboxEntry>,
    pub(crate) want: Vec<Want>,
    cursors: BTreeMap<String, Option<Cursor>>,
    held: BTreeMap<RecordId, BTreeSet<String>>,
    actor: Actor,
    random: Random,
}

/// What a round trip brought.
pub(crate) struct Synced {
    pub(crate) response: Response,
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: usize,
}

impl Synced {
    /// Every item of every page.
    pub(crate) fn items(&self) -> Vec<&Item> {
        self.response.pages.iter().flat_map(|page| &page.docs).collect()
    }
}

impl Handset {
    /// The handset of a new person.
    pub(crate) async fn of(office: &Office, name: &str) -> Self {
        Self::new(office.phone(name).await)
    }

    pub(crate) fn new(phone: Phone) -> Self {
        let mut random = Random::new(Seed::from_number(phone.id.uuid().as_u64_pair().1 ^ 1));
        let actor = Actor::new(DeviceKey::of_public_key(&public_key(phone.id)), 1, &mut random);
        let scopes = [scope::of_user(&phone.user.to_string()), scope::TENANT.to_owned()];
        Self {
            records: BTreeMap::new(),
            outbox: Vec::new(),
            inbox: Vec::new(),
            want: Vec::new(),
            cursors: scopes.into_iter().map(|scope| (scope, None)).collect(),
            held: BTreeMap::new(),
            phone,
            actor,
            random,
        }
    }

    /// Makes a record while offline.
    pub(crate) fn create(&mut self, office: &Office, record_type: RecordType, fields: &Value) -> RecordId {
        let id = RecordId::new(office.app.now(), &mut self.random);
        self.create_as(office, id, record_type, fields);
        id
    }

    /// Makes a record with an id that is not its own to choose.
    pub(crate) fn create_as(&mut self, office: &Office, id: RecordId, record_type: RecordType, fields: &Value) {
        let (txn, by) = self.txn(office);
        let (record, changes) = phone::create(id, record_type, txn, &by, fields).unwrap();
        self.records.insert(id, record);
        self.outbox.extend(changes);
    }

    /// Edits a record while offline.
    pub(crate) fn edit(&mut self, office: &Office, id: RecordId, patch: &Value) {
        let (txn, by) = self.txn(office);
        let (record, changes) = phone::edit(&self.records[&id], txn, &by, patch).unwrap();
        self.records.insert(id, record);
        self.outbox.extend(changes);
    }

    pub(crate) fn field(&self, id: RecordId, field: &str) -> &Value {
        &self.records[&id].projection[field]
    }

    fn txn(&mut self, office: &Office) -> (TxnId, Edit) {
        let now = office.app.now();
        let by = Edit { actor: self.actor, author: Author::User(self.phone.user), claimed_at: now };
        (TxnId::new(now, &mut self.random), by)
    }

    /// What it would ask now.
    pub(crate) fn request(&self) -> SyncRequest {
        let budget = Budget { bytes: 1 << 20, time_ms: 30_000, metered: false };
        let session = Session { device: self.phone.id, reason: Reason::Manual, budget };
        let cursor = |(scope, cursor): (&String, &Option<Cursor>)| ScopeCursor {
            scope: scope.clone(),
            cursor: cursor.clone(),
            checksum: None,
            level: Level::Full,
        };
        phone::build_request(&session, &self.outbox, self.cursors.iter().map(cursor).collect(), self.want.clone())
    }

    /// Round trips until there is nothing more to fetch; answers the first.
    pub(crate) async fn sync(&mut self, office: &Office) -> Synced {
        let first = self.round(office).await;
        for _ in 0..10 {
            if self.want.is_empty() && self.outbox.is_empty() {
                return first;
            }
            self.round(office).await;
        }
        panic!("it does not come to rest: {} unsent, wants {:?}", self.outbox.len(), self.want);
    }

    /// One round trip: push, verdicts, pages.
    pub(crate) async fn round(&mut self, office: &Office) -> Synced {
        let bytes = self.request().encode();
        let request_bytes = bytes.len();
        let (status, _, answer) = send(office, &self.phone.token, bytes, &[]).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer));
        let response = Response::decode(&answer).unwrap();
        self.want.clear();
        self.settle(office, &response);
        for page in &response.pages {
            page.docs.iter().for_each(|item| self.merge(item, Some(&page.scope)));
            self.cursors.insert(page.scope.clone(), Some(page.next.clone()));
        }
        response.wanted.iter().for_each(|item| self.merge(item, None));
        Synced { response, request_bytes, response_bytes: answer.len() }
    }

    fn settle(&mut self, office: &Office, response: &Response) {
        let touched = phone::touched(response, &self.outbox);
        let records = touched.iter().filter_map(|id| Some((*id, self.records.get(id)?.clone()))).collect();
        let incarnation = self.actor.incarnation() + 1;
        let actor = Actor::new(self.actor.device(), incarnation, &mut self.random);
        let fresh = Edit { actor, author: Author::User(self.phone.user), claimed_at: office.app.now() };
        let settled = phone::settle(response, &self.outbox, &records, &fresh);
        if settled.is_rebased {
            self.actor = actor;
        }
        for (hash, by) in settled.replaced {
            let place = self.outbox.iter().position(|change| change.hash == hash).unwrap();
            self.outbox.splice(place..=place, by);
        }
        self.outbox.retain(|change| !settled.done.contains(&change.hash));
        self.records.retain(|id, _| !settled.dropped.contains(id));
        self.records.extend(settled.records.into_iter().map(|record| (record.id, record)));
        self.inbox.extend(settled.inbox);
        self.want.extend(settled.want);
    }

    fn merge(&mut self, item: &Item, scope: Option<&str>) {
        let unsent: Vec<_> = self.outbox.iter().filter(|change| change.doc == item.doc).cloned().collect();
        match phone::merge(item, self.records.get(&item.doc), &unsent) {
            Merged::Store(record) => drop(self.records.insert(item.doc, *record)),
            Merged::Unchanged => {}
            Merged::Want(want) => self.want.push(want),
            Merged::Leave => {
                let held = self.held.entry(item.doc).or_default();
                held.retain(|other| scope.is_some_and(|scope| scope != other));
                if held.is_empty() {
                    self.records.remove(&item.doc);
                }
                return;
            }
            other @ (Merged::Erase | Merged::Skip) => panic!("{other:?}"),
        }
        self.held.entry(item.doc).or_default().extend(scope.map(ToOwned::to_owned));
    }
}

/// Sends the bytes of a sync request with these further headers.
pub(crate) async fn send(
    office: &Office,
    token: &str,
    body: Vec<u8>,
    headers: &[(header::HeaderName, &str)],
) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = request(Method::POST, "/v1/sync", token, Body::from(body));
    request.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (parts, bytes) = office.send_raw(request).await;
    (parts.status, parts.headers, bytes)
}
