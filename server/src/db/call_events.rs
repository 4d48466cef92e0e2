//! The why-it-rang timeline of a call.

use callfield_domain::{CallId, DeviceId, TimelineEvent, Timestamp};
use sqlx::FromRow;
use uuid::Uuid;

use super::bulk::bulks;
use super::word::{from_word, word};
use super::{Result, Scoped, on, statements};

#[derive(FromRow)]
struct Row {
    at: i64,
    milestone: String,
    device_id: Option<Uuid>,
    detail: Option<String>,
}

bulks! {
    /// A step goes behind those that its call has: `:6` is how many of this statement are before it.
    APPEND = "INSERT INTO call_events (tenant_id, call_id, position, at, milestone, device_id, detail)",
        "($1, :1, (SELECT COALESCE(MAX(position), 0) + :6 FROM call_events WHERE tenant_id = $1 AND call_id = :1),
            :2, :3, :4, :5)", 6,
        "";
}

statements! {
    OF_CALL = "SELECT at, milestone, device_id, detail FROM call_events
        WHERE tenant_id = $1 AND call_id = $2 ORDER BY at, position";
}

impl Scoped {
    /// Adds steps to the timelines of calls.
    pub async fn append_events(&mut self, events: &[(CallId, TimelineEvent)]) -> Result<()> {
        let tenant = self.tenant.uuid();
        for (append, events) in APPEND.cut(events) {
            on!(self.tx, connection => {
                let mut query = sqlx::query(append).bind(tenant);
                for ((call, event), nth) in events.iter().zip(1_i64..) {
                    query = query
                        .bind(call.uuid())
                        .bind(event.at.as_millis())
                        .bind(word(event.milestone))
                        .bind(event.device.map(DeviceId::uuid))
                        .bind(event.detail.as_deref())
                        .bind(nth);
                }
                query.execute(connection).await.map(drop)
            })?;
        }
        Ok(())
    }

    /// The timeline of a call, in the order of time.
    pub async fn timeline(&mut self, call: CallId) -> Result<Vec<TimelineEvent>> {
        let tenant = self.tenant.uuid();
        let rows: Vec<Row> = on!(self.tx, connection => sqlx::query_as(OF_CALL)
            .bind(tenant)
            .bind(call.uuid())
            .fetch_all(connection).await)?;
        rows.into_iter().map(TimelineEvent::try_from).collect()
    }
}

impl TryFrom<Row> for TimelineEvent {
    type Error = super::DbError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            at: Timestamp::from_millis(row.at),
            milestone: from_word(row.milestone, "milestone")?,
            device: row.device_id.map(DeviceId::from_uuid),
            detail: row.detail,
        })
    }
}
