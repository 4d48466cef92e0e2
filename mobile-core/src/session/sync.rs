//! The sync driver: outbox out, feed in, each page with its own cursor, until nothing is left or time is up.

use std::collections::BTreeMap;

use callfield_domain::{Random, RecordId, Timestamp};
use callfield_sync::Author;
use callfield_sync::phone::{self, InboxEntry, LocalRecord, Merged, Outgoing, Settled};
use callfield_sync::protocol::{Budget, Item, Request, Response, VerdictCode, Want};
use callfield_sync::record::Edit;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Session, SessionError, SyncReason};
use crate::events::Event;
use crate::store::{StoreError, Tx};
use crate::transport::ApiError;
use crate::writer::WriteError;

/// More rounds than a full download of the largest tenant takes; a server that never ends is left alone.
const ROUNDS_MAX: u32 = 10_000;
/// A record that is asked for and still does not fit waits for the next sync.
const ASKS_MAX: u32 = 3;
const PAGE_BYTES: u32 = 1 << 20;
const AWAKE_MS: u32 = 25_000;

/// What a sync did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Synced {
    /// Changes that the server took.
    pub sent: u32,
    /// Records that changed here.
    pub received: u32,
    /// Changes that still wait.
    pub unsent: u32,
}

impl Session {
    /// Sends what waits and fetches what is new. One at a time; a second call waits for the first and then looks again.
    ///
    /// # Errors
    /// [`SessionError::NotEnrolled`], [`SessionError::Api`], [`SessionError::Stopped`] after `stop`; whatever was
    /// received until then is kept.
    pub async fn sync_now(&self, reason: SyncReason, stop: &CancellationToken) -> Result<Synced, SessionError> {
        let _turn = self.syncing.lock().await;
        let synced = tokio::select! {
            synced = self.sync_rounds(reason) => synced,
            () = stop.cancelled() => Err(SessionError::Stopped),
        };
        match &synced {
            Ok(Synced { sent, received, unsent }) => {
                self.shared.tell(Event::Synced { sent: *sent, received: *received, unsent: *unsent });
            }
            Err(error) => self.shared.tell(Event::SyncFailed { reason: error.reason() }),
        }
        synced
    }

    async fn sync_rounds(&self, reason: SyncReason) -> Result<Synced, SessionError> {
        let api = self.shared.api()?;
        let mut done = Synced::default();
        let (mut want, mut asks) = (Vec::new(), 0);
        for _ in 0..ROUNDS_MAX {
            let request = self.request(reason, want)?;
            let bytes = api.sync(&request.encode()).await?;
            let response = Response::decode(&bytes).map_err(|_| ApiError::BadAnswer)?;
            let round = self.take(&response)?;
            done.sent += round.sent;
            done.received += round.received;
            asks += u32::from(!round.want.is_empty());
            want = if asks <= ASKS_MAX { round.want } else { Vec::new() };
            let has_more = response.pages.iter().any(|page| page.more) || !response.scopes_added.is_empty();
            let is_pushing_on = round.sent > 0 && self.unsent()? > 0;
            if want.is_empty() && !has_more && !is_pushing_on {
                break;
            }
        }
        let now = self.shared.clock.now();
        done.unsent = self.unsent()?;
        self.shared.store.write(|tx| tx.put_synced_at(now))?;
        Ok(done)
    }

    fn unsent(&self) -> Result<u32, StoreError> {
        self.shared.store.read(|tx| tx.outgoing_count())
    }

    fn request(&self, reason: SyncReason, want: Vec<Want>) -> Result<Request, StoreError> {
        let now = self.shared.clock.now();
        self.shared.write(|tx, random| {
            let session = phone::Session {
                device: tx.install(now, random)?.device,
                reason,
                budget: Budget { bytes: PAGE_BYTES, time_ms: AWAKE_MS, metered: false },
            };
            Ok(phone::build_request(&session, &tx.outgoing()?, tx.scopes()?, want))
        })
    }

    /// Stores one response: first the verdicts, then each page by itself, so that a kill in between costs one page.
    fn take(&self, response: &Response) -> Result<Round, SessionError> {
        let now = self.shared.clock.now();
        let mut round = self.shared.write(|tx, random| {
            let settled = settle(tx, response, &fresh(tx, now, random)?)?;
            for scope in &response.scopes_added {
                tx.add_scope(scope)?;
            }
            keep_settled(tx, &settled, now)?;
            Ok::<_, SessionError>(Round { sent: taken(response), received: 0, want: settled.want })
        })?;
        for page in &response.pages {
            self.shared.write::<_, SessionError>(|tx, random| {
                let mut intake = Intake { tx, random, now, round: &mut round };
                page.docs.iter().try_for_each(|item| intake.take(Some(&page.scope), item))?;
                Ok(tx.put_cursor(&page.scope, &page.next)?)
            })?;
        }
        self.shared.write::<_, SessionError>(|tx, random| {
            let mut intake = Intake { tx, random, now, round: &mut round };
            response.wanted.iter().try_for_each(|item| intake.take(None, item))?;
            Ok(response.scopes_removed.iter().try_for_each(|scope| tx.purge_scope(scope))?)
        })?;
        Ok(round)
    }
}

struct Round {
    sent: u32,
    received: u32,
    want: Vec<Want>,
}

/// An editor of the device's next incarnation, for what must be written again.
fn fresh(tx: &Tx<'_>, now: Timestamp, random: &mut Random) -> Result<Edit, SessionError> {
    let account = tx.account()?.ok_or(SessionError::NotEnrolled)?;
    Ok(Edit { actor: tx.next_actor(now, random)?, author: Author::User(account.user), claimed_at: now })
}

/// The outbox is read again: the user may have written while the request was on its way.
fn settle(tx: &Tx<'_>, response: &Response, fresh: &Edit) -> Result<Settled, StoreError> {
    let outbox = tx.outgoing()?;
    let mut records: BTreeMap<RecordId, LocalRecord> = BTreeMap::new();
    for id in phone::touched(response, &outbox) {
        records.extend(tx.record(id)?.map(|record| (id, record)));
    }
    let settled = phone::settle(response, &outbox, &records, fresh);
    if settled.is_rebased {
        tx.put_actor(fresh.actor)?;
    }
    Ok(settled)
}

fn keep_settled(tx: &Tx<'_>, settled: &Settled, now: Timestamp) -> Result<(), StoreError> {
    settled.records.iter().try_for_each(|record| tx.put_record(record))?;
    settled.dropped.iter().try_for_each(|id| tx.drop_record(*id))?;
    settled.done.iter().try_for_each(|hash| tx.remove_outgoing(hash))?;
    tx.replace_outgoing(&settled.replaced)?;
    settled.inbox.iter().try_for_each(|entry: &InboxEntry| tx.add_card(entry, now))
}

/// Takes what the server sent of records into the store.
struct Intake<'a> {
    tx: &'a Tx<'a>,
    random: &'a mut Random,
    now: Timestamp,
    round: &'a mut Round,
}

impl Intake<'_> {
    fn take(&mut self, scope: Option<&str>, item: &Item) -> Result<(), SessionError> {
        let tx = self.tx;
        let local = tx.record(item.doc)?;
        let unsent = tx.outgoing_of(item.doc)?;
        if let Some(local) = local.as_ref().filter(|local| phone::needs_replay(item, Some(local), &unsent)) {
            self.replay(item, local, &unsent)?;
            return Ok(scope.map_or(Ok(()), |scope| tx.enter_scope(scope, item.doc))?);
        }
        match phone::merge(item, local.as_ref(), &unsent) {
            Merged::Store(record) => {
                tx.put_record(&record)?;
                self.round.received += 1;
            }
            Merged::Unchanged => {}
            Merged::Want(want) => self.round.want.push(want),
            Merged::Leave => return Ok(scope.map_or(Ok(()), |scope| tx.leave_scope(scope, item.doc))?),
            Merged::Erase => return Ok(tx.erase_record(item.doc)?),
            Merged::Skip => return Ok(()),
        }
        Ok(scope.map_or(Ok(()), |scope| tx.enter_scope(scope, item.doc))?)
    }

    /// The record was rebuilt, or the server lost what the unsent changes build on: they are written again.
    fn replay(&mut self, item: &Item, local: &LocalRecord, unsent: &[Outgoing]) -> Result<(), SessionError> {
        let fresh = fresh(self.tx, self.now, self.random)?;
        let replayed = phone::replay(item, local, unsent, &fresh).map_err(WriteError::from)?;
        self.tx.put_record(&replayed.record)?;
        self.tx.replace_outgoing(&replayed.replaced)?;
        self.tx.put_actor(fresh.actor)?;
        self.round.received += 1;
        Ok(())
    }
}

fn taken(response: &Response) -> u32 {
    let taken = response
        .verdicts
        .iter()
        .filter(|verdict| matches!(verdict.code, VerdictCode::Ok | VerdictCode::Duplicate))
        .count();
    u32::try_from(taken).unwrap_or(u32::MAX)
}
