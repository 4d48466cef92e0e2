//! What can be asked of the phone with and without waiting.

use std::time::Duration;

use anyhow::{Context as _, bail};
use callfield_domain::{CallId, Direction, Timestamp};
use callfield_sync::schema::RecordType;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::arguments::{Ask, EditArguments, LogArguments, NativeArguments};
use super::output::Output;
use super::patch::patch;
use crate::journal::{EntryState, FollowUp, LogForm, NativeCall};
use crate::session::{Session, SyncReason};
use crate::store::StoredRecord;

const LIST_MAX: u32 = 1_000;

/// Does what is asked and prints the answer.
///
/// # Errors
/// One sentence why not.
pub(super) async fn perform(session: &Session, ask: &Ask, output: &Output) -> anyhow::Result<()> {
    let say = |name: &str, fields: Value| output.said(session.clock().now(), name, fields);
    match ask {
        Ask::Contacts { search, limit } => {
            let contacts: Vec<_> = session.contacts(search, *limit)?.iter().map(listed).collect();
            say("contacts", json!({ "contacts": contacts }));
        }
        Ask::Tasks => {
            let tasks: Vec<_> = session.records(RecordType::Task, "", LIST_MAX)?.iter().map(listed).collect();
            say("tasks", json!({ "tasks": tasks }));
        }
        Ask::Show { id } => {
            let record = session.record(*id)?.with_context(|| format!("this phone does not hold the record {id}"))?;
            say("record", json!(record));
        }
        Ask::Edit(edit) => return self::edit(session, edit, output).await,
        Ask::Who { number } => {
            let found = session.look_up(number)?;
            let found: Vec<_> = found.iter().map(|one| json!({ "record": one.record, "label": one.label })).collect();
            say("who", json!({ "number": number, "matches": found }));
        }
        Ask::Sync => return sync(session, output).await,
        Ask::Journal { to_log } => {
            let states = if *to_log { EntryState::TO_LOG } else { EntryState::ALL };
            say("journal", json!({ "entries": session.journal(states, LIST_MAX)? }));
        }
        Ask::Log(log) => return self::log(session, log, output).await,
        Ask::Native(native) => {
            let call = session.native_call_observed(&native_call(native, session.clock().now()))?;
            say("native_call_observed", json!({ "call": call }));
        }
        Ask::Inbox => say("inbox", json!({ "cards": cards(session)? })),
        Ask::State => say("state", json!(session.state()?)),
    }
    Ok(())
}

fn listed(record: &StoredRecord) -> Value {
    json!({ "id": record.id, "label": record.label, "fields": record.projection })
}

fn cards(session: &Session) -> anyhow::Result<Vec<Value>> {
    let cards = session.inbox()?;
    Ok(cards
        .into_iter()
        .map(|card| {
            json!({ "record": card.entry.doc, "code": card.entry.code, "values": card.entry.values,
                    "came_at": card.came_at })
        })
        .collect())
}

async fn edit(session: &Session, edit: &EditArguments, output: &Output) -> anyhow::Result<()> {
    let patch = patch(&edit.changes, &session.country())?;
    session.edit_record(edit.id, &patch)?;
    output.said(session.clock().now(), "edited", json!({ "record": edit.id }));
    sync_unless(edit.offline, session, output).await
}

async fn log(session: &Session, log: &LogArguments, output: &Output) -> anyhow::Result<()> {
    let form = form(log)?;
    for call in calls(session, &log.call)? {
        let now = session.clock().now();
        if log.draft {
            session.save_draft(call, &form)?;
            output.said(now, "draft_kept", json!({ "call": call }));
        } else if log.private {
            session.keep_private(call)?;
            output.said(now, "kept_private", json!({ "call": call }));
        } else if log.later {
            session.set_aside(call)?;
            output.said(now, "set_aside", json!({ "call": call }));
        } else if log.ignore {
            session.ignore_number_of(call)?;
            output.said(now, "number_ignored", json!({ "call": call }));
        } else {
            let logged = session.log(call, &form)?;
            output.said(now, "logged", json!({ "call": call, "record": logged.record, "follow_up": logged.follow_up }));
        }
    }
    sync_unless(log.offline, session, output).await
}

async fn sync(session: &Session, output: &Output) -> anyhow::Result<()> {
    let synced = session.sync_now(SyncReason::Manual, &CancellationToken::new()).await?;
    output.said(session.clock().now(), "sync_done", json!(synced));
    Ok(())
}

/// What was written waits in the outbox whether or not it can be sent at once.
async fn sync_unless(is_offline: bool, session: &Session, output: &Output) -> anyhow::Result<()> {
    if is_offline || !session.network().is_on() {
        return Ok(());
    }
    match session.sync_now(SyncReason::Edit, &CancellationToken::new()).await {
        Ok(synced) => output.said(session.clock().now(), "sync_done", json!(synced)),
        Err(error) => output.said(session.clock().now(), "kept_for_later", json!({ "reason": error.reason() })),
    }
    Ok(())
}

fn calls(session: &Session, named: &str) -> anyhow::Result<Vec<CallId>> {
    if named == "last" {
        let newest = session.journal(EntryState::ALL, 1)?.into_iter().next().context("the journal is empty")?;
        return Ok(vec![newest.call]);
    }
    named.split(',').map(|call| call.parse().with_context(|| format!("{call:?} is no call"))).collect()
}

fn form(log: &LogArguments) -> anyhow::Result<LogForm> {
    let follow_up = match log.follow_up.as_deref() {
        None => None,
        Some("20min") => Some(FollowUp::In20Minutes),
        Some("tomorrow") => Some(FollowUp::Tomorrow),
        Some("monday") => Some(FollowUp::NextMonday),
        Some(other) => match other.parse() {
            Ok(ms) => Some(FollowUp::At(Timestamp::from_millis(ms))),
            Err(_) => bail!("{other:?} is not 20min, tomorrow, monday or milliseconds since 1970"),
        },
    };
    Ok(LogForm {
        subject: log.subject.clone(),
        purpose: log.purpose.clone(),
        result: log.result.clone(),
        details: log.details.clone(),
        contact: log.contact,
        follow_up,
        follow_up_subject: log.follow_up_subject.clone(),
    })
}

fn native_call(native: &NativeArguments, now: Timestamp) -> NativeCall {
    let started_at = now - Duration::from_secs(native.seconds);
    NativeCall {
        number: native.number.clone(),
        direction: if native.inbound { Direction::Inbound } else { Direction::Outbound },
        started_at,
        answered_at: (!native.missed).then_some(started_at),
        ended_at: now,
    }
}
