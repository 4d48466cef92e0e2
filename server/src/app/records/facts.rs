//! The record of a call, made from the server's facts off the call's path.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::phone_number::is_emergency;
use callfield_domain::{CallFacts, Direction, PhoneNumber, RecordId, TenantId, Timestamp};
use callfield_sync::ingest;
use callfield_sync::record::Edit;
use callfield_sync::schema::RecordType;
use callfield_sync::{Author, scope};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::RecordsError;
use super::commit::{store, stored_record};
use crate::app::App;
use crate::db::{self, Doc, KnownCaller, Scoped, StoredCall};

/// How many calls one transaction takes.
const BATCH: i64 = 50;
/// How often the task looks; whoever needs a record at once asks for it himself.
const EVERY: Duration = Duration::from_secs(2);

/// Makes the records of every call that has ended, until there is none left without.
///
/// # Errors
/// A failure of the store; the calls are tried again the next time.
pub async fn make_call_records(app: &App, tenant: TenantId) -> Result<(), RecordsError> {
    while !app.db.read(tenant).await?.calls_without_record(1).await?.is_empty() {
        make_batch(app, tenant).await?;
    }
    Ok(())
}

/// Goes round all companies until `stop`.
pub async fn keep_making_call_records(app: App, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if let Err(error) = make_all(&app).await {
            tracing::error!(%error, "records of calls were not made");
        }
    }
}

async fn make_all(app: &App) -> Result<(), RecordsError> {
    for tenant in app.db.look_up().await?.tenants().await? {
        make_call_records(app, tenant).await?;
    }
    Ok(())
}

async fn make_batch(app: &App, tenant: TenantId) -> Result<(), RecordsError> {
    let mut rows = app.db.write(tenant).await?;
    let now = app.now();
    let country = rows.tenant_row().await?.map(|tenant| tenant.country).unwrap_or_default();
    let calls = rows.calls_without_record(BATCH).await?;
    let Some(last) = calls.last() else { return Ok(()) };
    rows.mark_records_made(&last.facts, now).await?;
    let ids: Vec<RecordId> = calls.iter().map(|call| RecordId::of_call(tenant, call.facts.id)).collect();
    let mut docs: BTreeMap<RecordId, Doc> = rows.docs_among(&ids).await?.into_iter().map(|doc| (doc.id, doc)).collect();
    let mut callers = Callers { country: &country, known: BTreeMap::new() };
    let mut outcomes = Vec::with_capacity(calls.len());
    for (StoredCall { facts, .. }, id) in calls.iter().zip(ids) {
        // Such a call is none of the company's business.
        if facts.direction == Direction::Outbound && is_emergency(&facts.to, &country) {
            continue;
        }
        let party = callers.party(&mut rows, facts).await?;
        let stored = stored_record(docs.remove(&id));
        let by = Edit { actor: app.server_actor, author: Author::Server, claimed_at: now };
        match ingest::write(id, RecordType::Call, stored.as_ref(), &by, &patch(facts, party)) {
            Ok(outcome) => outcomes.extend(outcome),
            // One call that cannot be written must not hold up the others for ever.
            Err(error) => tracing::error!(call = %facts.id, %error, "the record of a call cannot be made"),
        }
    }
    store(&mut rows, &outcomes, None, now).await?;
    rows.commit().await?;
    Ok(())
}

/// The number of the end that is not ours.
fn far_end(facts: &CallFacts) -> Option<&str> {
    match facts.direction {
        Direction::Inbound => Some(&facts.from),
        Direction::Outbound => Some(&facts.to),
        Direction::Internal => None,
    }
}

/// Whose the far ends of some calls are.
struct Callers<'a> {
    country: &'a str,
    /// Who is known by a number, once it was looked up.
    known: BTreeMap<String, Vec<KnownCaller>>,
}

impl Callers<'_> {
    /// The record that has the far end's number, of those that the call's user may see.
    async fn party(&mut self, rows: &mut Scoped, facts: &CallFacts) -> db::Result<Option<RecordId>> {
        // A call that was refused has the number as it was dialled.
        let Some(e164) = far_end(facts).and_then(|far_end| PhoneNumber::parse(far_end, self.country).e164) else {
            return Ok(None);
        };
        if !self.known.contains_key(&e164) {
            let known = rows.known_callers(&e164).await?;
            self.known.insert(e164.clone(), known);
        }
        let known = self.known.get(&e164).map(Vec::as_slice).unwrap_or_default();
        let is_theirs = |known: &&KnownCaller| known.owner.is_some() && known.owner == facts.user;
        let is_seen = |known: &&KnownCaller| facts.user.is_none() || may_see(facts, known);
        let party = known.iter().find(is_theirs).or_else(|| known.iter().find(is_seen));
        Ok(party.map(|known| known.record))
    }
}

fn may_see(facts: &CallFacts, known: &KnownCaller) -> bool {
    let Ok(record_type) = known.record_type.parse() else { return false };
    let scopes = scope::of_record(record_type, &known.projection);
    scopes.contains(scope::TENANT) || facts.user.is_some_and(|user| scopes.contains(&scope::of_user(&user.to_string())))
}

fn patch(facts: &CallFacts, party: Option<RecordId>) -> Value {
    json!({
        "call_id": facts.id,
        "direction": facts.direction,
        "from": facts.from,
        "to": facts.to,
        "started_at": facts.started_at,
        "answered_at": facts.answered_at.map(Timestamp::as_millis),
        "ended_at": facts.ended_at.map(Timestamp::as_millis),
        "outcome": facts.outcome,
        "user_id": facts.user,
        "device_id": facts.device,
        "party_id": party,
        "ring_ms": facts.ring_ms(),
        "talk_ms": facts.talk_ms(),
    })
}
