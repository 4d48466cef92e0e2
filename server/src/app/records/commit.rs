//! Judged changes into the database, in one transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use callfield_domain::{CallId, DeviceId, Milestone, PhoneNumber, RecordId, TimelineEvent, Timestamp, UserId};
use callfield_sync::ingest::{self, Context, Ingested, Outcome, Refused, Stored, Taken};
use callfield_sync::protocol::Push;
use callfield_sync::schema::RecordType;
use serde_json::Value;

use super::{Party, RecordsError};
use crate::app::App;
use crate::db::{self, Doc, FeedEntry, IndexedNumber, NewChange, RefusedChange, Scoped};

/// Judges pushed changes and stores what was taken; refused bytes are kept aside. On disk when it returns.
///
/// # Errors
/// [`RecordsError::Db`] or [`RecordsError::BrokeOff`]; then nothing is stored. A refused change is no error: it is a
/// verdict.
pub async fn ingest(app: &App, party: &Party, pushes: Vec<Push>) -> Result<Ingested, RecordsError> {
    let pushes = Arc::new(pushes);
    // A hostile change takes long to judge: only its sender waits for that, not everybody who writes.
    let seen = load(&mut app.db.read(party.tenant).await?, &pushes).await?;
    let mut ingested = judge(app, party, &pushes, &seen).await?;
    if ingested.records.is_empty() && ingested.refused.is_empty() {
        return Ok(ingested);
    }
    let mut rows = app.db.write(party.tenant).await?;
    let current = load(&mut rows, &pushes).await?;
    if current != seen {
        ingested = judge(app, party, &pushes, &current).await?;
    }
    let now = app.now();
    store(&mut rows, &ingested.records, party.device, now).await?;
    for refused in &ingested.refused {
        rows.set_aside(&set_aside(refused, party.device, now)).await?;
    }
    rows.commit().await?;
    metrics::counter!("callfield_changes_refused_total").increment(ingested.refused.len() as u64);
    Ok(ingested)
}

/// The records that the pushes write to, as far as they exist.
async fn load(rows: &mut Scoped, pushes: &[Push]) -> db::Result<BTreeMap<RecordId, Doc>> {
    let mut docs = BTreeMap::new();
    for id in ingest::touched(pushes) {
        if let Some(doc) = rows.doc(id).await? {
            docs.insert(id, doc);
        }
    }
    Ok(docs)
}

async fn judge(
    app: &App,
    party: &Party,
    pushes: &Arc<Vec<Push>>,
    docs: &BTreeMap<RecordId, Doc>,
) -> Result<Ingested, RecordsError> {
    let stored: BTreeMap<RecordId, Stored> =
        docs.iter().filter_map(|(id, doc)| Some((*id, stored_record(Some(doc.clone()))?))).collect();
    let context = Context {
        device: party.key,
        user: party.user,
        role: party.role,
        now: app.now(),
        last_contact: None,
        server: app.server_actor,
    };
    let pushes = Arc::clone(pushes);
    let judging = tokio::task::spawn_blocking(move || ingest::ingest(&stored, &pushes, &context));
    judging.await.map_err(|_| RecordsError::BrokeOff)
}

/// A stored document as the pure crate takes it; `None` also for a type this build does not know.
pub(super) fn stored_record(doc: Option<Doc>) -> Option<Stored> {
    let doc = doc?;
    let record_type = doc.record_type.parse().ok()?;
    Some(Stored { record_type, epoch: doc.epoch, snapshot: doc.snapshot })
}

/// Stores new states of records. The feed's numbers are taken under the company's lock, so commit order is seq order.
pub(super) async fn store(
    rows: &mut Scoped,
    outcomes: &[Outcome],
    device: Option<DeviceId>,
    now: Timestamp,
) -> db::Result<()> {
    let numbers_needed: usize = outcomes.iter().map(numbers_of).sum();
    if numbers_needed == 0 {
        return Ok(());
    }
    let count = i64::try_from(numbers_needed).unwrap_or(i64::MAX);
    let mut seq = rows.take_seq(count).await? - count;
    let mut new = NewRows::default();
    for outcome in outcomes {
        let first = seq + 1;
        seq += i64::try_from(numbers_of(outcome)).unwrap_or(0);
        new.docs.push(doc(outcome, seq, now));
        for (change, seq) in outcome.changes.iter().zip(first..) {
            new.changes.push(new_change(outcome, change, seq, device, now));
        }
        let entry = |is_held| FeedEntry { doc: outcome.id, seq, is_held };
        new.scopes.extend(outcome.scopes.iter().map(|scope| (scope.clone(), entry(true))));
        // A record that the store did not have was in no scope.
        let before = if outcome.is_new { Vec::new() } else { rows.scopes_of(outcome.id).await? };
        let left = before.into_iter().filter(|scope| !outcome.scopes.contains(scope));
        new.scopes.extend(left.map(|scope| (scope, entry(false))));
        new.events.extend(log_noted(outcome, device, now));
    }
    new.write(rows).await?;
    index_numbers(rows, outcomes).await
}

/// What becomes rows, each kind in as few statements as can be.
#[derive(Default)]
struct NewRows {
    docs: Vec<Doc>,
    changes: Vec<NewChange>,
    scopes: Vec<(String, FeedEntry)>,
    events: Vec<(CallId, TimelineEvent)>,
}

impl NewRows {
    async fn write(self, rows: &mut Scoped) -> db::Result<()> {
        rows.put_docs(&self.docs).await?;
        rows.append_changes(&self.changes).await?;
        let scopes: Vec<_> = self.scopes.iter().map(|(scope, entry)| (scope.as_str(), *entry)).collect();
        rows.put_scopes(&scopes).await?;
        rows.append_events(&self.events).await
    }
}

fn new_change(outcome: &Outcome, change: &Taken, seq: i64, device: Option<DeviceId>, now: Timestamp) -> NewChange {
    NewChange {
        doc: outcome.id,
        hash: change.hash.as_bytes().to_vec(),
        seq,
        epoch: outcome.epoch,
        actor: change.actor.as_bytes().to_vec(),
        author: change.author,
        // Counter-changes are the server's own.
        device: device.filter(|_| change.txn.is_some()),
        txn: change.txn.map(callfield_sync::protocol::TxnId::uuid),
        claimed_at: change.claimed_at,
        received_at: now,
        bytes: change.bytes.clone(),
    }
}

/// A change each, and one for a state without changes of its own.
fn numbers_of(outcome: &Outcome) -> usize {
    outcome.changes.len().max(1)
}

fn doc(outcome: &Outcome, last_seq: i64, now: Timestamp) -> Doc {
    let owner = ["owner_id", "user_id"].iter().find_map(|field| outcome.projection[field].as_str());
    Doc {
        id: outcome.id,
        record_type: outcome.record_type.as_str().to_owned(),
        owner: owner.and_then(|owner| owner.parse::<UserId>().ok()),
        epoch: outcome.epoch,
        snapshot: outcome.snapshot.clone(),
        heads: outcome.heads.to_bytes(),
        projection: outcome.projection.clone(),
        last_seq,
        created_at: now,
    }
}

async fn index_numbers(rows: &mut Scoped, outcomes: &[Outcome]) -> db::Result<()> {
    let mut country = None;
    for outcome in outcomes {
        let has_numbers = outcome.projection["phones"].is_object();
        if outcome.is_new && !has_numbers {
            continue;
        }
        if country.is_none() {
            country = Some(rows.tenant_row().await?.map(|tenant| tenant.country).unwrap_or_default());
        }
        rows.index_numbers(outcome.id, &numbers(outcome, country.as_deref().unwrap_or_default())).await?;
    }
    Ok(())
}

/// The numbers that caller ID finds a record by; a deleted record has none.
fn numbers(outcome: &Outcome, country: &str) -> Vec<IndexedNumber> {
    let Some(phones) = outcome.projection["phones"].as_object().filter(|_| outcome.deleted_at.is_none()) else {
        return Vec::new();
    };
    let indexed = phones.iter().enumerate().filter_map(|(position, (key, parts))| {
        let typed = parts["raw"].as_str().unwrap_or(key);
        let number = PhoneNumber::parse(typed, country);
        let number = if number.e164.is_some() { number } else { PhoneNumber::parse(key, country) };
        Some(IndexedNumber {
            e164: number.e164?,
            field: format!("phones/{key}"),
            extension: parts["ext"].as_str().map(str::to_owned).or(number.extension),
            rank: if parts["primary"] == Value::Bool(true) { 0 } else { i64::try_from(position).unwrap_or(0) + 1 },
        })
    });
    indexed.collect()
}

/// The log that meets the facts of its call, whichever came first, is the last step of the call's timeline.
fn log_noted(outcome: &Outcome, device: Option<DeviceId>, now: Timestamp) -> Option<(CallId, TimelineEvent)> {
    let has_come = outcome.changed.iter().any(|path| path == "logged_at" || path == "call_id");
    let is_logged = outcome.record_type == RecordType::Call && outcome.projection["logged_at"].is_i64();
    let call = outcome.projection["call_id"].as_str().and_then(|call| call.parse().ok());
    let event = TimelineEvent { at: now, milestone: Milestone::Synced, device, detail: None };
    call.filter(|_| has_come && is_logged).map(|call| (call, event))
}

fn set_aside(refused: &Refused, device: Option<DeviceId>, now: Timestamp) -> RefusedChange {
    RefusedChange {
        hash: refused.hash.as_bytes().to_vec(),
        doc: refused.doc,
        device,
        reason: refused.reason.as_str().to_owned(),
        received_at: now,
        bytes: refused.bytes.clone(),
    }
}
