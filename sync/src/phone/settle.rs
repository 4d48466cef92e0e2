//! What the verdicts mean for the outbox, the records and the person.

use std::collections::{BTreeMap, BTreeSet};

use callfield_domain::RecordId;
use serde_json::{Value, json};

use super::{InboxEntry, InboxKind, LocalRecord, Outgoing, Settled, rebase};
use crate::protocol::{Response, TxnId, Verdict, VerdictCode, Want};
use crate::record::Edit;
use crate::{ChangeHash, Heads};

pub(super) fn touched(response: &Response, outbox: &[Outgoing]) -> BTreeSet<RecordId> {
    let judged: BTreeSet<_> = response.verdicts.iter().map(|verdict| verdict.hash).collect();
    let pushed = outbox.iter().filter(|change| judged.contains(&change.hash)).map(|change| change.doc);
    pushed.chain(response.corrections.iter().map(|correction| correction.doc)).collect()
}

pub(super) fn settle(
    response: &Response,
    outbox: &[Outgoing],
    records: &BTreeMap<RecordId, LocalRecord>,
    fresh: &Edit,
) -> Settled {
    let verdicts: BTreeMap<_, _> = response.verdicts.iter().map(|verdict| (verdict.hash, verdict)).collect();
    let mut settled = Settled::default();
    for local in records.values() {
        let changes: Vec<_> = outbox.iter().filter(|change| change.doc == local.id).collect();
        settle_record(local, &changes, &verdicts, fresh, &mut settled);
    }
    let corrected = response.corrections.iter().filter_map(|correction| {
        Some(InboxEntry {
            doc: correction.doc,
            record_type: records.get(&correction.doc)?.record_type,
            txn: correction.txn,
            kind: InboxKind::Corrected,
            code: correction.code.clone(),
            values: json!({ "field": correction.field }),
        })
    });
    settled.inbox.extend(corrected);
    settled
}

fn settle_record(
    local: &LocalRecord,
    changes: &[&Outgoing],
    verdicts: &BTreeMap<ChangeHash, &Verdict>,
    fresh: &Edit,
    settled: &mut Settled,
) {
    let code = |change: &Outgoing| verdicts.get(&change.hash).map(|verdict| verdict.code);
    let (mut taken, mut rejected, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let (mut is_cut, mut is_missing) = (false, false);
    for change in changes {
        match code(change) {
            Some(VerdictCode::Ok | VerdictCode::Duplicate) => taken.push(change.hash),
            Some(VerdictCode::Rejected) => rejected.push(*change),
            Some(VerdictCode::BlockedBy) => {
                is_cut = true;
                rest.push(*change);
            }
            Some(VerdictCode::NeedDeps | VerdictCode::EpochGone) => {
                is_missing = true;
                rest.push(*change);
            }
            None => rest.push(*change),
        }
    }
    if is_missing {
        settled.want.push(Want { doc: local.id, heads: Heads::default() });
    }
    let synced_heads = with_taken(&local.synced_heads, taken.last().copied());
    settled.done.extend(taken);
    settled.done.extend(rejected.iter().map(|change| change.hash));
    let next = LocalRecord { synced_heads, ..local.clone() };
    settled.inbox.extend(cards(local, &rejected, verdicts));
    if (rejected.is_empty() && !is_cut) || is_missing {
        if next != *local {
            settled.records.push(next);
        }
        return;
    }
    let Ok(rebased) = rebase::onto_synced(&next, changes, &rest, fresh) else {
        // The bytes here are damaged: the server's are the truth, and the values are in the inbox.
        settled.want.push(Want { doc: local.id, heads: Heads::default() });
        return;
    };
    settled.is_rebased = true;
    settled.replaced.extend(rebased.replaced);
    match rebased.record {
        Some(record) => settled.records.push(record),
        None => settled.dropped.push(local.id),
    }
}

/// The server has this change too, and all before it. One head a round is enough: the changes of one phone follow one
/// another, and the next merged item states the server's heads exactly.
fn with_taken(synced: &Heads, last: Option<ChangeHash>) -> Heads {
    synced.as_slice().iter().copied().chain(last).collect()
}

/// One card a transaction: what the person had written.
fn cards(
    local: &LocalRecord,
    rejected: &[&Outgoing],
    verdicts: &BTreeMap<ChangeHash, &Verdict>,
) -> impl Iterator<Item = InboxEntry> {
    let mut by_txn: BTreeMap<TxnId, (String, Value)> = BTreeMap::new();
    let record = local.load().ok();
    for change in rejected {
        let reason = verdicts.get(&change.hash).and_then(|verdict| verdict.reason.clone()).unwrap_or_default();
        let patch = record.as_ref().and_then(|record| record.patch_of(&change.hash)).unwrap_or_else(|| json!({}));
        let card = by_txn.entry(change.txn).or_insert_with(|| (reason, json!({})));
        card.1 = joined(&card.1, &patch);
    }
    let (doc, record_type) = (local.id, local.record_type);
    by_txn.into_iter().map(move |(txn, (code, values))| InboxEntry {
        doc,
        record_type,
        txn: Some(txn),
        kind: InboxKind::Rejected,
        code,
        values,
    })
}

/// Two patches as one: what the second says counts.
fn joined(first: &Value, second: &Value) -> Value {
    let (Value::Object(first), Value::Object(second)) = (first, second) else {
        return second.clone();
    };
    let mut all = first.clone();
    for (key, value) in second {
        let value = all.get(key).map_or_else(|| value.clone(), |earlier| joined(earlier, value));
        all.insert(key.clone(), value);
    }
    Value::Object(all)
}
