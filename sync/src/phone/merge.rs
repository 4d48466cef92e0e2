//! What an item of the feed does to the phone's store.

use serde_json::Value;

use super::{LocalRecord, Merged, Outgoing};
use crate::protocol::{Item, ItemKind, Want};
use crate::record::Record;
use crate::schema::RecordType;
use crate::{ChangeHash, Heads};

pub(super) fn merge(item: &Item, local: Option<&LocalRecord>, unsent: &[Outgoing]) -> Merged {
    match item.kind {
        ItemKind::Erase => return Merged::Erase,
        ItemKind::Gone => return local.map_or(Merged::Unchanged, |_| Merged::Leave),
        ItemKind::Projection | ItemKind::Snapshot | ItemKind::Changes => {}
    }
    let Ok(record_type) = item.record_type.parse() else {
        return Merged::Skip;
    };
    if local.is_some_and(|local| local.epoch > item.epoch) {
        return Merged::Unchanged;
    }
    let next = match item.kind {
        ItemKind::Projection => projection(item, local, record_type),
        ItemKind::Snapshot => snapshot(item, local, unsent, record_type),
        ItemKind::Changes => changes(item, local),
        ItemKind::Gone | ItemKind::Erase => Merged::Unchanged,
    };
    let is_same = matches!(&next, Merged::Store(next) if local == Some(&**next));
    if is_same { Merged::Unchanged } else { next }
}

pub(super) fn needs_replay(item: &Item, local: Option<&LocalRecord>, unsent: &[Outgoing]) -> bool {
    let Some(local) = local.filter(|local| item.kind == ItemKind::Snapshot && item.epoch >= local.epoch) else {
        return false;
    };
    let server = item.body.first().and_then(|body| Record::load(local.record_type, body).ok());
    let is_here = local.record_type.as_str() == item.record_type && local.snapshot.is_some();
    is_here && server.is_some_and(|server| is_in_the_way(&server, item, local, unsent))
}

/// Whether the unsent changes do not fit onto the server's record.
fn is_in_the_way(server: &Record, item: &Item, local: &LocalRecord, unsent: &[Outgoing]) -> bool {
    let bytes: Vec<_> = unsent.iter().map(|change| &change.bytes).collect();
    !unsent.is_empty() && (local.epoch != item.epoch || server.clone().apply(&bytes).is_err())
}

/// Only the values came. A phone that holds the whole record does not go back to less: it asks for the rest.
fn projection(item: &Item, local: Option<&LocalRecord>, record_type: RecordType) -> Merged {
    if let Some(local) = local.filter(|local| local.snapshot.is_some()) {
        let is_known = local.synced_heads == item.heads && local.epoch == item.epoch;
        return if is_known { Merged::Unchanged } else { want(item, &local.synced_heads) };
    }
    let Some(Ok(projection)) = item.body.first().map(|body| serde_json::from_slice::<Value>(body)) else {
        return Merged::Skip;
    };
    Merged::Store(Box::new(LocalRecord {
        id: item.doc,
        record_type,
        epoch: item.epoch,
        snapshot: None,
        heads: item.heads.clone(),
        synced_heads: item.heads.clone(),
        projection,
    }))
}

fn snapshot(item: &Item, local: Option<&LocalRecord>, unsent: &[Outgoing], record_type: RecordType) -> Merged {
    let loaded = item.body.first().map(|body| Record::load(record_type, body));
    let Some(Ok(mut record)) = loaded.filter(|loaded| loaded.as_ref().is_ok_and(|record| record.heads() == item.heads))
    else {
        return Merged::Skip;
    };
    let mut synced_heads = item.heads.clone();
    let mut bytes = item.body[0].to_vec();
    if let Some((local, mine)) = local.and_then(|local| Some((local, local.load().ok()?))) {
        if is_in_the_way(&record, item, local, unsent) {
            return want(item, &Heads::default());
        }
        // Whatever else is here stays: the page may be older than an edit that was taken meanwhile.
        let more: Vec<_> = mine.changes_since(&record.heads()).into_iter().map(|change| change.bytes).collect();
        if local.epoch == item.epoch && !more.is_empty() && record.apply(&more).is_ok() {
            synced_heads = synced(&record, &item.heads, local);
            bytes = record.save();
        }
    }
    Merged::Store(Box::new(LocalRecord {
        id: item.doc,
        record_type,
        epoch: item.epoch,
        snapshot: Some(bytes),
        heads: record.heads(),
        synced_heads,
        projection: record.projection(),
    }))
}

fn changes(item: &Item, local: Option<&LocalRecord>) -> Merged {
    let Some(local) = local.filter(|local| local.epoch == item.epoch) else {
        return want(item, &Heads::default());
    };
    let Ok(mut record) = local.load() else {
        return want(item, &Heads::default());
    };
    let bytes: Vec<&[u8]> = item.body.iter().map(|change| change.as_slice()).collect();
    let is_whole = record.apply(&bytes).is_ok() && item.heads.as_slice().iter().all(|head| record.has(head));
    if !is_whole {
        return want(item, &local.synced_heads);
    }
    let next = if record.heads() == local.heads { local.clone() } else { local.with(&record) };
    Merged::Store(Box::new(LocalRecord { synced_heads: synced(&record, &item.heads, local), ..next }))
}

/// What the server has: what it says, and what it took after it said so.
fn synced(record: &Record, stated: &Heads, local: &LocalRecord) -> Heads {
    let beyond = record.changes_since(stated);
    let is_beyond = |head: &&ChangeHash| beyond.iter().any(|change| change.hash == **head);
    let newer: Vec<_> = local.synced_heads.as_slice().iter().filter(is_beyond).collect();
    if newer.is_empty() {
        return stated.clone();
    }
    let both = stated.as_slice().iter().chain(newer).copied().collect();
    record.at(&both).map_or(both, |record| record.heads())
}

fn want(item: &Item, heads: &Heads) -> Merged {
    Merged::Want(Want { doc: item.doc, heads: heads.clone() })
}
