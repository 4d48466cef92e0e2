//! What a device gets: pages of its scopes, and records it asked for.

use callfield_sync::Heads;
use callfield_sync::checksum;
use callfield_sync::protocol::{Budget, Item, ItemKind, Level, Page, ScopeCursor, Want};
use callfield_sync::record::Record;
use callfield_sync::schema::RecordType;

use super::cursor::Cursors;
use crate::app::App;
use crate::app::error::{ApiError, ApiResult};
use crate::app::records::{Party, RecordsError};
use crate::db::{ChangeBytes, Doc, FeedEntry, FeedItem, Scoped};

/// Records of one page.
const PAGE_RECORDS_MAX: i64 = 500;
/// Changes that are sent one by one; more come as a snapshot.
const CHANGES_MAX: usize = 16;
/// Bytes of changes that are sent one by one.
const CHANGE_BYTES_MAX: usize = 8 * 1024;
/// What an answer may hold whatever the device asks for.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads for one request, until its budget is used up.
pub(super) struct Reader<'a> {
    rows: Scoped,
    cursors: Cursors,
    party: &'a Party,
    bytes_left: usize,
}

impl<'a> Reader<'a> {
    pub(super) async fn new(app: &App, party: &'a Party, budget: Budget) -> ApiResult<Self> {
        let mut rows = app.db.read(party.tenant).await?;
        let tenant = rows.tenant_row().await?.ok_or_else(|| ApiError::not_found("company"))?;
        let cursors = Cursors::new(&tenant.cursor_key, tenant.incarnation);
        let bytes_left = (budget.bytes as usize).min(ANSWER_BYTES_MAX);
        Ok(Self { rows, cursors, party, bytes_left })
    }

    /// The next part of a scope's feed.
    pub(super) async fn page(&mut self, named: &ScopeCursor) -> ApiResult<Page> {
        let known = named.cursor.as_ref().and_then(|cursor| self.cursors.read(&named.scope, cursor));
        let start = known.unwrap_or(0);
        let entries = self.rows.feed(&named.scope, start, PAGE_RECORDS_MAX).await?;
        let is_cut = entries.len() as i64 == PAGE_RECORDS_MAX;
        let (mut docs, mut seq, mut more) = (Vec::new(), start, is_cut);
        for news in entries {
            // A page holds at least one record, or a device with a small budget would never get on.
            if self.bytes_left == 0 && !docs.is_empty() {
                more = true;
                break;
            }
            if let Some(item) = self.item(named.level, news, known).await? {
                self.spend(&item);
                docs.push(item);
            }
            seq = news.entry.seq;
        }
        let checksum = match named.checksum {
            Some(_) if !more => self.checksum(&named.scope, seq).await?,
            _ => None,
        };
        Ok(Page { scope: named.scope.clone(), docs, next: self.cursors.at(&named.scope, seq), more, checksum })
    }

    /// The records a device asks for by id.
    pub(super) async fn wanted(&mut self, wants: &[Want]) -> ApiResult<Vec<Item>> {
        let mut items = Vec::new();
        for want in wants {
            if self.bytes_left == 0 && !items.is_empty() {
                break;
            }
            let doc = self.rows.doc(want.doc).await?;
            let item = match doc.filter(|doc| self.may_see(doc)) {
                None => gone(FeedEntry { doc: want.doc, seq: 0, is_held: false }, String::new()),
                Some(doc) => {
                    let heads = want.heads.clone();
                    // Loading a long record takes long; other requests go on meanwhile.
                    let reading = tokio::task::spawn_blocking(move || since(&doc, &heads));
                    reading.await.map_err(|_| RecordsError::BrokeOff)??
                }
            };
            self.spend(&item);
            items.push(item);
        }
        Ok(items)
    }

    async fn item(&mut self, level: Level, news: FeedItem, known: Option<i64>) -> ApiResult<Option<Item>> {
        let entry = news.entry;
        let Some(doc) = self.rows.doc(entry.doc).await? else { return Ok(None) };
        if !entry.is_held {
            // A device that starts again never had it.
            return Ok(known.map(|_| gone(entry, doc.record_type)));
        }
        // It was moved since the feed was read; that comes at a later place.
        if !self.may_see(&doc) {
            return Ok(None);
        }
        if level == Level::Projection {
            let body = vec![doc.projection.to_string().into_bytes()];
            return Ok(Some(item(&doc, entry.seq, ItemKind::Projection, body)));
        }
        if let Some(known) = known {
            let limit = CHANGES_MAX as i64 + 1;
            let changes = self.rows.changes_after(doc.id, doc.epoch, known, limit).await?;
            if let Some(changes) = self.lacking(changes, news.is_entered) {
                return Ok(Some(item(&doc, entry.seq, ItemKind::Changes, changes)));
            }
        }
        let body = vec![doc.snapshot.clone()];
        Ok(Some(item(&doc, entry.seq, ItemKind::Snapshot, body)))
    }

    /// The changes to send one by one: those the device did not make itself. `None` if the whole record is better.
    fn lacking(&self, changes: Vec<ChangeBytes>, is_entered: bool) -> Option<Vec<Vec<u8>>> {
        let bytes: usize = changes.iter().map(|change| change.bytes.len()).sum();
        if changes.is_empty() || changes.len() > CHANGES_MAX || bytes > CHANGE_BYTES_MAX {
            return None;
        }
        let key = self.party.key;
        let foreign = changes.into_iter().filter(|change| !change.actor.starts_with(key.as_bytes()));
        let foreign: Vec<Vec<u8>> = foreign.map(|change| change.bytes).collect();
        (foreign.is_empty() || !is_entered).then_some(foreign)
    }

    /// The checksum of a scope at `seq`; `None` if it has moved on since, because then it is not that of the page.
    async fn checksum(&mut self, scope: &str, seq: i64) -> ApiResult<Option<u64>> {
        let held = self.rows.held_docs(scope).await?;
        if !self.rows.feed(scope, seq, 1).await?.is_empty() {
            return Ok(None);
        }
        let share = |heads: &[u8]| Heads::from_bytes(heads).unwrap_or_default();
        Ok(Some(held.iter().fold(0, |sum, doc| sum ^ checksum::of_record(doc.doc, doc.epoch, &share(&doc.heads)))))
    }

    fn may_see(&self, doc: &Doc) -> bool {
        doc.record_type.parse::<RecordType>().is_ok_and(|of_type| self.party.may_see(of_type, &doc.projection))
    }

    fn spend(&mut self, item: &Item) {
        let bytes: usize = item.body.iter().map(|part| part.len()).sum();
        self.bytes_left = self.bytes_left.saturating_sub(bytes + 64);
    }
}

/// What a device that has `heads` of a record lacks.
fn since(doc: &Doc, heads: &Heads) -> ApiResult<Item> {
    let seq = doc.last_seq;
    let whole = || item(doc, seq, ItemKind::Snapshot, vec![doc.snapshot.clone()]);
    if heads.is_empty() {
        return Ok(whole());
    }
    let record_type: RecordType = doc.record_type.parse().map_err(|_| RecordsError::NotFound)?;
    let record = Record::load(record_type, &doc.snapshot).map_err(RecordsError::Damaged)?;
    if heads.as_slice().iter().any(|head| !record.has(head)) {
        return Ok(whole());
    }
    let changes: Vec<Vec<u8>> = record.changes_since(heads).into_iter().map(|change| change.bytes).collect();
    if changes.len() > CHANGES_MAX {
        return Ok(whole());
    }
    Ok(item(doc, seq, ItemKind::Changes, changes))
}

fn item(doc: &Doc, seq: i64, kind: ItemKind, body: Vec<Vec<u8>>) -> Item {
    Item {
        doc: doc.id,
        record_type: doc.record_type.clone(),
        epoch: doc.epoch,
        seq: u64::try_from(seq).unwrap_or(0),
        kind,
        body: body.into_iter().map(Into::into).collect(),
        heads: Heads::from_bytes(&doc.heads).unwrap_or_default(),
    }
}

fn gone(entry: FeedEntry, record_type: String) -> Item {
    Item {
        doc: entry.doc,
        record_type,
        epoch: 0,
        seq: u64::try_from(entry.seq).unwrap_or(0),
        kind: ItemKind::Gone,
        body: Vec::new(),
        heads: Heads::default(),
    }
}
