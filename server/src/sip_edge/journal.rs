//! Writes calls and their timelines behind the edge's back, and says when a call's row is on disk.
//!
//! The edge never waits for the database: what it wants stored is queued here, and everything that queued while one
//! transaction was committed, and shortly after, goes into the next. Of several facts of one call in it only the newest
//! are written.

use std::collections::BTreeMap;
use std::time::Duration;

use callfield_domain::{CallFacts, CallId, TenantId, TimelineEvent};
use callfield_sip::switchboard::Input;
use tokio::sync::mpsc;

use crate::app::App;
use crate::db;

/// How much may wait to be written; a server that is this far behind loses views, never outcomes.
const QUEUE_MAX: usize = 65_536;
/// How many entries one transaction takes.
const BATCH_MAX: usize = 512;
/// How long the first entry of a transaction waits for company: a flush to the disk costs as much as many rows.
const COMPANY: Duration = Duration::from_millis(20);
/// The pause before a failed transaction is tried again; doubled each time.
const RETRY: Duration = Duration::from_millis(100);
/// How often it is tried.
const TRIES_MAX: u32 = 6;

/// Something to store.
#[derive(Debug)]
pub(super) enum Entry {
    /// What is known of a call; `last` asks for a [`Input::Persisted`] once it is on disk.
    Facts {
        /// The call.
        facts: CallFacts,
        /// Whether it is the row with the outcome.
        last: bool,
    },
    /// A step of a call's timeline.
    Event {
        /// Whose call it is.
        tenant: TenantId,
        /// The call.
        call: CallId,
        /// The step.
        event: TimelineEvent,
    },
}

impl Entry {
    fn tenant(&self) -> TenantId {
        match self {
            Self::Facts { facts, .. } => facts.tenant,
            Self::Event { tenant, .. } => *tenant,
        }
    }

    fn call(&self) -> CallId {
        match self {
            Self::Facts { facts, .. } => facts.id,
            Self::Event { call, .. } => *call,
        }
    }
}

/// The end of the queue that the edge holds.
pub(super) struct Journal(mpsc::Sender<Entry>);

impl Journal {
    /// Starts the writer; it ends when the journal is dropped and everything is written.
    pub(super) fn start(app: &App, answers: mpsc::Sender<Input>) -> (Self, impl Future<Output = ()> + use<>) {
        let (sender, entries) = mpsc::channel(QUEUE_MAX);
        (Self(sender), write_all(app.clone(), entries, answers))
    }

    /// Queues an entry.
    pub(super) fn put(&self, entry: Entry) {
        if let Err(error) = self.0.try_send(entry) {
            let call = error.into_inner().call();
            tracing::error!(%call, "the journal is full: an entry is lost");
            metrics::counter!("callfield_journal_lost_total").increment(1);
        }
    }
}

/// Ends the calls that were live when the server died, so that each call has an outcome.
pub(super) async fn repair(app: &App) {
    let repaired = async {
        let tenants = app.db.look_up().await?.tenants().await?;
        let mut ended = 0;
        for tenant in tenants {
            let mut rows = app.db.write(tenant).await?;
            ended += rows.end_abandoned_calls(app.now()).await?;
            rows.commit().await?;
        }
        db::Result::Ok(ended)
    };
    match repaired.await {
        Ok(0) => {}
        Ok(ended) => tracing::warn!(ended, "calls were live when the server stopped; they are ended"),
        Err(error) => tracing::error!(%error, "calls that were live when the server stopped could not be ended"),
    }
}

async fn write_all(app: App, mut entries: mpsc::Receiver<Entry>, answers: mpsc::Sender<Input>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while entries.recv_many(&mut batch, BATCH_MAX).await > 0 {
        if batch.len() < BATCH_MAX {
            tokio::time::sleep(COMPANY).await;
            while batch.len() < BATCH_MAX
                && let Ok(entry) = entries.try_recv()
            {
                batch.push(entry);
            }
        }
        let mut tenants: BTreeMap<TenantId, Vec<Entry>> = BTreeMap::new();
        for entry in batch.drain(..) {
            tenants.entry(entry.tenant()).or_default().push(entry);
        }
        for (tenant, entries) in tenants {
            write_with_retries(&app, tenant, &entries, &answers).await;
        }
    }
}

async fn write_with_retries(app: &App, tenant: TenantId, entries: &[Entry], answers: &mpsc::Sender<Input>) {
    let mut pause = RETRY;
    for attempt in 1..=TRIES_MAX {
        match write(app, tenant, entries).await {
            Ok(()) => {
                for call in entries.iter().filter(|entry| matches!(entry, Entry::Facts { last: true, .. })) {
                    // The edge is gone only when the server stops.
                    let _ = answers.send(Input::Persisted { call: call.call() }).await;
                }
                return;
            }
            Err(error) => {
                tracing::error!(%error, attempt, entries = entries.len(), "calls were not written");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
    }
    metrics::counter!("callfield_journal_lost_total").increment(entries.len() as u64);
}

async fn write(app: &App, tenant: TenantId, entries: &[Entry]) -> db::Result<()> {
    let Batch { calls, events } = Batch::of(entries);
    let mut rows = app.db.write(tenant).await?;
    rows.put_calls(&calls.into_values().collect::<Vec<_>>()).await?;
    rows.append_events(&events).await?;
    rows.commit().await
}

/// What one transaction writes.
#[derive(Default)]
struct Batch<'a> {
    calls: BTreeMap<CallId, &'a CallFacts>,
    events: Vec<(CallId, TimelineEvent)>,
}

impl<'a> Batch<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut batch = Self::default();
        for entry in entries {
            match entry {
                Entry::Facts { facts, .. } => batch.put(facts),
                Entry::Event { call, event, .. } => batch.events.push((*call, event.clone())),
            }
        }
        batch
    }

    /// As the database has it: a call that is over stays as it is, and a call never becomes another one.
    fn put(&mut self, facts: &'a CallFacts) {
        let first = self.calls.entry(facts.id).or_insert(facts);
        let is_same = first.started_at == facts.started_at && first.direction == facts.direction;
        if is_same && first.ended_at.is_none() {
            *first = facts;
        }
    }
}

#[cfg(test)]
mod tests {
    use callfield_domain::{CallState, Direction, Milestone, Random, Seed, Timestamp};

    use super::*;

    #[test]
    fn of_one_call_the_newest_facts_are_written_until_it_is_over() {
        let mut random = Random::new(Seed::from_number(1));
        let (tenant, at) = (TenantId::new(Timestamp::ZERO, &mut random), Timestamp::from_millis);
        let rings = CallFacts {
            id: CallId::new(Timestamp::ZERO, &mut random),
            tenant,
            direction: Direction::Inbound,
            from: "+81350001000".to_owned(),
            to: "+81312345678".to_owned(),
            user: None,
            device: None,
            state: CallState::Ringing,
            outcome: None,
            started_at: at(1),
            answered_at: None,
            ended_at: None,
            transferred_to: None,
        };
        let talks = CallFacts { answered_at: Some(at(2)), ..rings.clone() };
        let over = CallFacts { ended_at: Some(at(3)), ..talks.clone() };
        let another = CallFacts { started_at: at(9), ..rings.clone() };
        let other = CallFacts { id: CallId::new(at(1), &mut random), ..rings.clone() };
        let event = TimelineEvent { at: at(1), milestone: Milestone::Invited, device: None, detail: None };
        let facts = |facts: &CallFacts| Entry::Facts { facts: facts.clone(), last: facts.ended_at.is_some() };
        let entries = [
            facts(&rings),
            Entry::Event { tenant, call: rings.id, event: event.clone() },
            facts(&other),
            facts(&another),
            facts(&talks),
            facts(&over),
            facts(&rings),
        ];
        let batch = Batch::of(&entries);
        assert_eq!(batch.calls.into_values().collect::<Vec<_>>(), [&over, &other]);
        assert_eq!(batch.events, [(rings.id, event)]);
    }
}
