//! What a phone asks: its outbox, cut to what one request may hold.

use std::collections::BTreeMap;

use crate::protocol::{
    MAX_CHANGES, MAX_REQUEST_BYTES, MAX_SCOPES, MAX_WANTS, PROTO, Push, Request, SCHEMA, ScopeCursor, TxnId, Want,
};

use super::{Outgoing, Session};

/// Bytes left for everything that is no change: ids, cursors, wants.
const OVERHEAD_BYTES: usize = 512 << 10;
/// Bytes a change costs beside its own, at most: a push of its own.
const PUSH_BYTES: usize = 96;

pub(super) fn build(
    session: &Session,
    outbox: &[Outgoing],
    mut scopes: Vec<ScopeCursor>,
    mut want: Vec<Want>,
) -> Request {
    scopes.truncate(MAX_SCOPES);
    want.truncate(MAX_WANTS);
    Request {
        proto: PROTO,
        schema: SCHEMA,
        device: session.device,
        reason: session.reason,
        budget: session.budget,
        push: pushes(outbox),
        scopes,
        want,
    }
}

fn pushes(outbox: &[Outgoing]) -> Vec<Push> {
    let mut order = Vec::new();
    let mut by_txn: BTreeMap<TxnId, Vec<&Outgoing>> = BTreeMap::new();
    for change in outbox {
        let changes = by_txn.entry(change.txn).or_default();
        if changes.is_empty() {
            order.push(change.txn);
        }
        changes.push(change);
    }
    let (mut count, mut bytes) = (0, 0);
    let mut pushes: Vec<Push> = Vec::new();
    for changes in order.iter().filter_map(|txn| by_txn.remove(txn)) {
        count += changes.len();
        bytes += changes.iter().map(|change| change.bytes.len() + PUSH_BYTES).sum::<usize>();
        if count > MAX_CHANGES || bytes > MAX_REQUEST_BYTES - OVERHEAD_BYTES {
            break;
        }
        for change in changes {
            append(&mut pushes, change);
        }
    }
    pushes
}

fn append(pushes: &mut Vec<Push>, change: &Outgoing) {
    let bytes = change.bytes.clone().into();
    let is_same = |push: &&mut Push| push.txn == change.txn && push.doc == change.doc && push.epoch == change.epoch;
    match pushes.last_mut().filter(is_same) {
        Some(push) => push.changes.push(bytes),
        None => pushes.push(Push {
            txn: change.txn,
            doc: change.doc,
            record_type: change.record_type.as_str().to_owned(),
            epoch: change.epoch,
            changes: vec![bytes],
        }),
    }
}
