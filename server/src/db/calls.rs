//! Calls: the facts the server knows, one row a call.

use callfield_domain::{
    CallFacts, CallId, CallState, DeviceId, Milestone, Outcome, TenantId, TimelineEvent, Timestamp, UserId,
};
use sqlx::FromRow;
use uuid::Uuid;

use super::bulk::bulks;
use super::word::{from_word, word};
use super::{Result, Scoped, on, statements};

/// A call, and whether its record was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCall {
    /// What the server knows of it.
    pub facts: CallFacts,
    /// When its record was made from these facts.
    pub record_made_at: Option<Timestamp>,
}

/// Which calls of the list, newest first.
#[derive(Debug, Clone, Copy)]
pub struct CallPage {
    /// How many at most.
    pub limit: i64,
    /// Only calls before this one in the list.
    pub before: Option<CallId>,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    direction: String,
    caller: String,
    callee: String,
    user_id: Option<Uuid>,
    device_id: Option<Uuid>,
    state: String,
    outcome: Option<String>,
    started_at: i64,
    answered_at: Option<i64>,
    ended_at: Option<i64>,
    transferred_to: Option<String>,
    record_made_at: Option<i64>,
}

bulks! {
    /// A call that is over stays as it is, and a call never becomes another one: phones choose the ids of their calls.
    UPSERT = "INSERT INTO calls (tenant_id, id, direction, caller, callee, user_id, device_id, state, outcome, started_at,
            answered_at, ended_at, transferred_to)",
        "($1, :1, :2, :3, :4, :5, :6, :7, :8, :9, :10, :11, :12)", 12,
        "ON CONFLICT (tenant_id, id) DO UPDATE SET user_id = excluded.user_id, device_id = excluded.device_id,
            state = excluded.state, outcome = excluded.outcome, answered_at = excluded.answered_at,
            ended_at = excluded.ended_at, transferred_to = excluded.transferred_to
        WHERE calls.ended_at IS NULL AND calls.direction = excluded.direction
            AND calls.started_at = excluded.started_at";
}

statements! {
    ONE = "SELECT id, direction, caller, callee, user_id, device_id, state, outcome, started_at, answered_at,
            ended_at, transferred_to, record_made_at
        FROM calls WHERE tenant_id = $1 AND id = $2";
    NEWEST = "SELECT id, direction, caller, callee, user_id, device_id, state, outcome, started_at, answered_at,
            ended_at, transferred_to, record_made_at
        FROM calls WHERE tenant_id = $1 ORDER BY started_at DESC, id DESC LIMIT $2";
    BEFORE = "SELECT id, direction, caller, callee, user_id, device_id, state, outcome, started_at, answered_at,
            ended_at, transferred_to, record_made_at
        FROM calls WHERE tenant_id = $1 AND (started_at, id) < (SELECT b.started_at, b.id FROM calls b
            WHERE b.tenant_id = $1 AND b.id = $3)
        ORDER BY started_at DESC, id DESC LIMIT $2";
    WITHOUT_RECORD = "SELECT id, direction, caller, callee, user_id, device_id, state, outcome, started_at,
            answered_at, ended_at, transferred_to, record_made_at
        FROM calls WHERE tenant_id = $1 AND record_made_at IS NULL AND ended_at IS NOT NULL
        ORDER BY ended_at, id LIMIT $2";
    /// A call whose server died: it was talked on if somebody had answered it.
    END_ABANDONED = "UPDATE calls SET state = $3, ended_at = $2,
            outcome = CASE WHEN answered_at IS NULL THEN $4 ELSE $5 END
        WHERE tenant_id = $1 AND ended_at IS NULL RETURNING id";
    /// Up to a call of the list of those without: all that the list had, as one unit of work.
    RECORDS_MADE = "UPDATE calls SET record_made_at = $2
        WHERE tenant_id = $1 AND record_made_at IS NULL AND ended_at <= $3 AND (ended_at < $3 OR id <= $4)";
}

impl Scoped {
    /// Stores what is known of a call: its first facts or newer ones. What another call with the same id knows, or
    /// what comes after the end, changes nothing.
    pub async fn put_call(&mut self, facts: &CallFacts) -> Result<()> {
        self.put_calls(&[facts]).await
    }

    /// Stores what is known of calls, as [`Self::put_call`] does; each id only once.
    pub async fn put_calls(&mut self, calls: &[&CallFacts]) -> Result<()> {
        let tenant = self.tenant.uuid();
        for (upsert, calls) in UPSERT.cut(calls) {
            on!(self.tx, connection => {
                let mut query = sqlx::query(upsert).bind(tenant);
                for facts in calls {
                    query = query
                        .bind(facts.id.uuid())
                        .bind(word(facts.direction))
                        .bind(&facts.from)
                        .bind(&facts.to)
                        .bind(facts.user.map(UserId::uuid))
                        .bind(facts.device.map(DeviceId::uuid))
                        .bind(word(facts.state))
                        .bind(facts.outcome.map(word))
                        .bind(facts.started_at.as_millis())
                        .bind(facts.answered_at.map(Timestamp::as_millis))
                        .bind(facts.ended_at.map(Timestamp::as_millis))
                        .bind(facts.transferred_to.as_ref());
                }
                query.execute(connection).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// One call.
    pub async fn call(&mut self, id: CallId) -> Result<Option<StoredCall>> {
        let tenant = self.tenant.uuid();
        let row: Option<Row> = on!(self.tx, connection => sqlx::query_as(ONE)
            .bind(tenant)
            .bind(id.uuid())
            .fetch_optional(connection).await)?;
        row.map(|row| self.stored(row)).transpose()
    }

    /// A page of calls, newest first.
    pub async fn calls(&mut self, page: CallPage) -> Result<Vec<StoredCall>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = match page.before {
            None => on!(self.tx, connection => sqlx::query_as(NEWEST)
                .bind(tenant)
                .bind(page.limit)
                .fetch_all(connection).await)?,
            Some(before) => on!(self.tx, connection => sqlx::query_as(BEFORE)
                .bind(tenant)
                .bind(page.limit)
                .bind(before.uuid())
                .fetch_all(connection).await)?,
        };
        rows.into_iter().map(|row| self.stored(row)).collect()
    }

    /// Calls that are over and have no record yet, oldest first.
    pub async fn calls_without_record(&mut self, limit: i64) -> Result<Vec<StoredCall>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(WITHOUT_RECORD)
            .bind(tenant)
            .bind(limit)
            .fetch_all(connection).await)?;
        rows.into_iter().map(|row| self.stored(row)).collect()
    }

    /// Ends the calls that were live when the server died, and puts that on their timelines; answers how many. To be called
    /// before any call is taken.
    pub async fn end_abandoned_calls(&mut self, now: Timestamp) -> Result<usize> {
        let tenant = self.tenant.uuid();
        let ended: Vec<Uuid> = on!(self.tx, connection => sqlx::query_scalar(END_ABANDONED)
            .bind(tenant)
            .bind(now.as_millis())
            .bind(word(CallState::Ended))
            .bind(word(Outcome::Failed))
            .bind(word(Outcome::Completed))
            .fetch_all(connection).await)?;
        let step = TimelineEvent { at: now, milestone: Milestone::Repaired, device: None, detail: None };
        let steps: Vec<_> = ended.iter().map(|call| (CallId::from_uuid(*call), step.clone())).collect();
        self.append_events(&steps).await?;
        Ok(ended.len())
    }

    /// Notes that the records of calls were made: of `last` and of all before it in [`Self::calls_without_record`].
    pub async fn mark_records_made(&mut self, last: &CallFacts, at: Timestamp) -> Result<()> {
        let tenant = self.tenant.uuid();
        on!(self.tx, connection => sqlx::query(RECORDS_MADE)
            .bind(tenant)
            .bind(at.as_millis())
            .bind(last.ended_at.map(Timestamp::as_millis))
            .bind(last.id.uuid())
            .execute(connection).await.map(drop))?;
        Ok(())
    }

    fn stored(&self, row: Row) -> Result<StoredCall> {
        Ok(StoredCall {
            record_made_at: row.record_made_at.map(Timestamp::from_millis),
            facts: row.facts(self.tenant)?,
        })
    }
}

impl Row {
    fn facts(self, tenant: TenantId) -> Result<CallFacts> {
        Ok(CallFacts {
            id: CallId::from_uuid(self.id),
            tenant,
            direction: from_word(self.direction, "direction")?,
            from: self.caller,
            to: self.callee,
            user: self.user_id.map(UserId::from_uuid),
            device: self.device_id.map(DeviceId::from_uuid),
            state: from_word(self.state, "call state")?,
            outcome: self.outcome.map(|outcome| from_word(outcome, "outcome")).transpose()?,
            started_at: Timestamp::from_millis(self.started_at),
            answered_at: self.answered_at.map(Timestamp::from_millis),
            ended_at: self.ended_at.map(Timestamp::from_millis),
            transferred_to: self.transferred_to,
        })
    }
}
