//! Moving unsent changes onto another state of the server: as they are where they fit, else as new ones that say the
//! same.

use uuid::Uuid;

use super::{EditFailed, LocalRecord, Outgoing, Replayed};
use crate::protocol::{Item, TxnId};
use crate::record::{Edit, Record, RecordError};
use crate::{ChangeHash, Heads};

/// A change of the outbox and what takes its place there.
type Replaced = (ChangeHash, Vec<Outgoing>);

pub(super) struct Rebased {
    /// None if the server has nothing of the record and nothing is left to send.
    pub(super) record: Option<LocalRecord>,
    pub(super) replaced: Vec<Replaced>,
}

/// Forks at what the server has and replays `rest` there, and after it what was written since `outbox` was read.
pub(super) fn onto_synced(
    local: &LocalRecord,
    outbox: &[&Outgoing],
    rest: &[&Outgoing],
    fresh: &Edit,
) -> Result<Rebased, EditFailed> {
    let old = local.load()?;
    let is_unknown = local.synced_heads.is_empty();
    let mut record = if is_unknown { Record::new(local.record_type) } else { old.at(&local.synced_heads)? };
    let is_newer = |hash: &ChangeHash| !record.has(hash) && outbox.iter().all(|change| change.hash != *hash);
    let newer = sent_alone(&old, local, is_newer);
    let rest: Vec<_> = rest.iter().copied().chain(&newer).collect();
    let replaced = only_replaced(replay(&old, &mut record, local, &rest, fresh));
    let is_nothing = is_unknown && rest.is_empty();
    Ok(Rebased { record: (!is_nothing).then(|| local.with(&record)), replaced })
}

/// Takes the server's snapshot and replays what it does not have: in a rebuilt record what was never sent, in one the
/// server lost changes of also what this device had sent before.
pub(super) fn onto_item(
    item: &Item,
    local: &LocalRecord,
    unsent: &[Outgoing],
    fresh: &Edit,
) -> Result<Replayed, EditFailed> {
    let old = local.load()?;
    let snapshot = item.body.first().ok_or(RecordError::Malformed)?;
    let mut record = Record::load(local.record_type, snapshot)?;
    let target = LocalRecord { epoch: item.epoch, synced_heads: item.heads.clone(), ..local.clone() };
    let lost = if item.epoch == local.epoch { lost(&old, &record, local, unsent, fresh) } else { Vec::new() };
    let again = replay(&old, &mut record, &target, &lost.iter().collect::<Vec<_>>(), fresh);
    let mut placed = replay(&old, &mut record, &target, &unsent.iter().collect::<Vec<_>>(), fresh);
    // What was lost is sent before what builds on it.
    if let Some((_, first)) = placed.first_mut() {
        first.splice(0..0, again.into_iter().flat_map(|(_, changes)| changes));
    }
    Ok(Replayed { record: target.with(&record), replaced: only_replaced(placed) })
}

/// Changes of this device that it believes the server has, and that the server does not have.
fn lost(old: &Record, server: &Record, local: &LocalRecord, unsent: &[Outgoing], fresh: &Edit) -> Vec<Outgoing> {
    let is_lost = |hash: &ChangeHash| {
        let is_mine =
            old.known(hash).and_then(|known| known.actor).is_some_and(|actor| actor.device() == fresh.actor.device());
        is_mine && !server.has(hash) && unsent.iter().all(|change| change.hash != *hash)
    };
    sent_alone(old, local, is_lost)
}

/// Changes of a record whose transaction is not known any more: each is one of its own.
fn sent_alone(old: &Record, local: &LocalRecord, which: impl Fn(&ChangeHash) -> bool) -> Vec<Outgoing> {
    let changes = old.changes_since(&Heads::default()).into_iter().filter(|change| which(&change.hash));
    changes
        .map(|change| {
            let mut id = [0; 16];
            id.copy_from_slice(&change.hash.as_bytes()[..16]);
            local.outgoing(TxnId::from_uuid(Uuid::from_bytes(id)), change)
        })
        .collect()
}

/// Every change with what it is on the new state: itself if it fits, else new changes that say the same.
fn replay(old: &Record, record: &mut Record, target: &LocalRecord, rest: &[&Outgoing], fresh: &Edit) -> Vec<Replaced> {
    let mut placed = Vec::new();
    for change in rest {
        let fits = change.epoch == target.epoch && record.apply(&[&change.bytes]).is_ok();
        if fits {
            placed.push((change.hash, vec![(*change).clone()]));
            continue;
        }
        let by = old.known(&change.hash).map_or(*fresh, |known| Edit { claimed_at: known.claimed_at, ..*fresh });
        let changes = old.patch_of(&change.hash).and_then(|patch| record.edit(&by, &patch).ok()).unwrap_or_default();
        placed.push((change.hash, changes.into_iter().map(|new| target.outgoing(change.txn, new)).collect()));
    }
    placed
}

/// Without those that stayed what they were.
fn only_replaced(mut placed: Vec<Replaced>) -> Vec<Replaced> {
    placed.retain(|(hash, changes)| changes.iter().map(|change| change.hash).ne([*hash]));
    placed
}
